-- ALTER TABLE takes the lock that it needs by itself
ALTER TABLE orders ADD COLUMN note text;
