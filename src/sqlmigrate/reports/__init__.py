"""What a command found, for the programs in which people read it: `Issue`, and pure functions that write it."""
