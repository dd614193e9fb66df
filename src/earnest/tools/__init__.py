"""Tools: what a model can do. Each module is imported on use; this package imports nothing."""
