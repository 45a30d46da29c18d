ALTER TABLE orders ADD COLUMN new_status text;
