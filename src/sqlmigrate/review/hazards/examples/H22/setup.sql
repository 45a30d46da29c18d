CREATE VIEW good_customers AS
SELECT id
FROM customers;
