"""From a data set to a checkpoint: the nano model and a short, exact training loop."""
