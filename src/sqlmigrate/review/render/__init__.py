"""A report for a terminal, as Markdown for a pull request, and as one HTML page: pure functions of the model."""
