"""Where records are kept for good: append-only, hash-chained, searchable. A locked room."""
