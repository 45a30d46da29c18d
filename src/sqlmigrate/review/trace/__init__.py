"""What each statement does, seen by running it on a shadow: its locks, scans, rewrites, and what it leaves."""
