"""How commands travel: many in one `pipeline`, statements through `execute`, and what a script's `session` finds."""
