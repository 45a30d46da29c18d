"""Statements that run in batches, each batch with its progress in one transaction."""
