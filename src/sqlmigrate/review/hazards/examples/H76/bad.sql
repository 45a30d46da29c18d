CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';

GRANT SELECT ON open_orders TO anon;
