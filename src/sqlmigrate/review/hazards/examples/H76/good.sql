CREATE VIEW open_orders WITH (security_invoker = true) AS SELECT * FROM orders WHERE status = 'open';

GRANT SELECT ON open_orders TO anon;
