"""Models: what answers messages. Each module is imported on use; this package imports nothing."""
