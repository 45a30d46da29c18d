"""Write rows of seed files into their tables."""
