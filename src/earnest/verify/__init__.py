"""An independent second look: a finding in, a verdict out. A locked room."""
