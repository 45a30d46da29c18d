"""What a plan takes away from the data of a database: found in the catalogs, and counted."""
