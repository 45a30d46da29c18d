"""A script outside a transaction: statement by statement, journalled, so that a rerun goes on where it stopped."""
