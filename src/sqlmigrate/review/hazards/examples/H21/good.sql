-- kept until nobody misses it; dropped in a later migration
ALTER TABLE orders RENAME COLUMN status TO status_unused;
