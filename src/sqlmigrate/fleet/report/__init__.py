"""What became of a run, for people and for other programs: pure functions of its record."""
