"""What the application asks of the database, and what a migration does to it."""
