"""From what a command found to issues: pure functions, one file for each kind of result."""
