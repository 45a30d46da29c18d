CREATE MATERIALIZED VIEW totals AS
SELECT customer_id, sum(amount) AS total
FROM orders
GROUP BY customer_id;

CREATE UNIQUE INDEX totals_customer ON totals (customer_id);
