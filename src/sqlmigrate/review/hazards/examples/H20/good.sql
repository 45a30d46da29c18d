UPDATE orders SET status = 'open' WHERE status IS NULL;

DELETE FROM customers WHERE name IS NULL;
