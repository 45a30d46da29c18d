"""Read seed files, and check them with their schemas."""
