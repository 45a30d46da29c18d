"""What a statement is: its parse tree, what PostgreSQL calls it, what it touches, needs, contains and leaves open."""
