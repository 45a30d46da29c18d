ALTER TABLE orders ADD COLUMN total integer;

UPDATE orders SET total = amount WHERE amount IS NOT NULL;
