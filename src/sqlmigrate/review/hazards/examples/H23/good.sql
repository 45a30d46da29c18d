-- both names work until nobody uses the old one
CREATE VIEW sales AS
SELECT id, customer_id, status, amount, placed
FROM orders;
