"""DBA review: what a change will really do, measured on a shadow database."""
