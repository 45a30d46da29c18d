ALTER TABLE orders ADD CONSTRAINT orders_one_at_a_time UNIQUE (customer_id, placed);
