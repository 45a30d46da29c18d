CREATE POLICY own ON orders USING (customer_id = (SELECT current_setting('app.customer')::bigint));
