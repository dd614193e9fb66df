"""Wrong solutions that try to pass: the proof of the graders, ours and others'."""
