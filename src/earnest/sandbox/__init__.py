"""Programs that nobody vouches for run here, and nowhere else."""
