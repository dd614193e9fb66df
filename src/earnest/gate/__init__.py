"""Whether a candidate may become the next generation: a pure function of reports."""
