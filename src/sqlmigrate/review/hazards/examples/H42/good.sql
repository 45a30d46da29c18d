-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS orders_placed;

CREATE INDEX CONCURRENTLY orders_placed ON orders (placed);
