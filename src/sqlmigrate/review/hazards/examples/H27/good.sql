-- its name is there afterwards
DROP VIEW open_orders;

CREATE VIEW open_orders AS
SELECT id, amount
FROM orders
WHERE status = 'open';
