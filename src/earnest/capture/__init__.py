"""What other agents did and concluded: their transcripts, copied, redacted, read."""
