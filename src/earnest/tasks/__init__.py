"""Sources into tasks: tables, their persistent split, and what stays sealed."""
