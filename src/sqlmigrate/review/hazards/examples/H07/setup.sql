CREATE UNIQUE INDEX orders_once ON orders (customer_id, placed);
