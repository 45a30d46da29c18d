-- customers gets its column in a migration of its own
ALTER TABLE orders ADD COLUMN note text;
