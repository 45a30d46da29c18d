-- name: customer_by_id
SELECT id, email, name FROM customers WHERE id = $1;
-- name: customer_by_email
SELECT * FROM customers WHERE email = $1;
-- name: customers_of_country
SELECT id, name FROM customers WHERE country = $1 ORDER BY name;
-- name: customer_count
SELECT count(*) FROM customers;
-- name: new_customer
INSERT INTO customers (email, name, country) VALUES ($1, $2, $3) RETURNING id;
-- name: upsert_customer
INSERT INTO customers (email, name) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET name = excluded.name;
-- name: add_points
UPDATE customers SET points = points + $1 WHERE id = $2;
-- name: rename_customer
UPDATE customers SET name = $1 WHERE id = $2;
-- name: delete_customer
DELETE FROM customers WHERE id = $1;
-- name: customer_settings
SELECT settings ->> 'theme' FROM customers WHERE id = $1;
-- name: set_setting
UPDATE customers SET settings = jsonb_set(settings, ARRAY[$1], $2) WHERE id = $3;
-- name: recent_customers
SELECT id, email FROM customers WHERE created_at > now() - CAST($1 AS interval);
-- name: product
SELECT sku, title, price FROM products WHERE sku = $1;
-- name: whole_product
SELECT * FROM products WHERE sku = $1;
-- name: products_tagged
SELECT sku, title FROM products WHERE tags @> ARRAY[$1];
-- name: products_titled
SELECT sku FROM products WHERE lower(title) LIKE 'a%';
-- name: reduced_price
SELECT sku, price * (100 - discount) / 100 AS reduced FROM products WHERE sku = $1;
-- name: new_product
INSERT INTO products (sku, title, price) VALUES ($1, $2, $3);
-- name: new_product_by_position
INSERT INTO products VALUES ($1, $2, $3, $4);
-- name: set_discount
UPDATE products SET discount = $1 WHERE sku = $2;
-- name: take_stock
UPDATE products SET stock = stock - $1 WHERE sku = $2 AND stock >= $1 RETURNING stock;
-- name: total_weight
SELECT sum(p.weight * i.quantity) FROM items AS i JOIN products AS p USING (sku) WHERE i.order_id = $1;
-- name: low_stock
SELECT sku, stock FROM products WHERE stock < $1 ORDER BY stock;
-- name: order_by_id
SELECT * FROM orders WHERE id = $1;
-- name: orders_of_customer
SELECT id, status, total FROM orders WHERE customer_id = $1;
-- name: latest_orders
SELECT id, placed FROM orders ORDER BY placed DESC LIMIT 20;
-- name: orders_between
SELECT id FROM orders WHERE placed BETWEEN $1 AND $2;
-- name: orders_of_status
SELECT id, customer_id FROM orders WHERE status = $1;
-- name: new_order
INSERT INTO orders (customer_id) VALUES ($1) RETURNING id;
-- name: pay_order
UPDATE orders SET status = 'paid', total = $1 WHERE id = $2;
-- name: annotate_order
UPDATE orders SET note = $1 WHERE id = $2;
-- name: delete_order
DELETE FROM orders WHERE id = $1;
-- name: order_with_customer
SELECT o.id, c.email FROM orders AS o JOIN customers AS c ON c.id = o.customer_id WHERE o.id = $1;
-- name: monthly_revenue
SELECT date_trunc('month', placed) AS month, sum(total) AS revenue FROM orders GROUP BY 1 ORDER BY 1;
-- name: average_total
SELECT avg(total) FROM orders WHERE status <> 'returned';
-- name: days_since
SELECT current_date - placed AS days FROM orders WHERE id = $1;
-- name: open_orders
SELECT id, placed FROM open_orders WHERE customer_id = $1;
-- name: order_total
SELECT order_total($1);
-- name: totals_of_customer
SELECT id, order_total(id) FROM orders WHERE customer_id = $1;
-- name: items_of_order
SELECT sku, quantity, price FROM items WHERE order_id = $1;
-- name: orders_of_product
SELECT order_id FROM items WHERE sku = $1;
-- name: put_item
INSERT INTO items VALUES ($1, $2, $3, $4) ON CONFLICT (order_id, sku) DO UPDATE SET quantity = excluded.quantity;
-- name: put_item_by_constraint
INSERT INTO items (order_id, sku, quantity, price) VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT items_pkey DO NOTHING;
-- name: remove_item
DELETE FROM items WHERE order_id = $1 AND sku = $2;
-- name: copy_items
INSERT INTO items (order_id, sku, quantity, price) SELECT $1, sku, quantity, price FROM items WHERE order_id = $2;
-- name: best_sellers
SELECT i.sku, p.title, sum(i.quantity) AS sold FROM items AS i JOIN products AS p USING (sku) GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10;
-- name: log
INSERT INTO audit (what) VALUES ($1);
-- name: log_nothing
INSERT INTO audit DEFAULT VALUES;
-- name: last_log
SELECT at, who, what FROM audit ORDER BY at DESC LIMIT 1;
-- name: whole_log
SELECT * FROM audit WHERE at > $1;
-- name: good_customers
WITH good AS (SELECT customer_id, sum(total) AS spent FROM orders GROUP BY 1) SELECT c.id, g.spent FROM good AS g JOIN customers AS c ON c.id = g.customer_id WHERE g.spent > $1;
-- name: ship_order
WITH sent AS (UPDATE orders SET status = 'sent' WHERE id = $1 RETURNING id) INSERT INTO audit (what) SELECT 'sent ' || id FROM sent;
-- name: customers_in
SELECT id, email FROM customers WHERE id = ANY ($1);
-- name: some_orders
SELECT id FROM orders WHERE customer_id IN ($1, $2, $3);
-- name: has_orders
SELECT EXISTS (SELECT FROM orders WHERE customer_id = $1);
-- name: lock_order
SELECT id FROM orders WHERE id = $1 FOR UPDATE;
-- name: order_note_length
SELECT length(note) FROM orders WHERE id = $1;
-- name: search_customers
SELECT id FROM customers WHERE name ILIKE $1;
-- name: ping
SELECT 1;
-- name: clock
SELECT now() AT TIME ZONE $1;
