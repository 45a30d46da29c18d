UPDATE orders SET status = 'open' WHERE status IS NULL;

ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'open';
