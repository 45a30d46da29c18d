"""The command line: Click and rich live here and nowhere else."""
