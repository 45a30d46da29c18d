CREATE POLICY own ON orders USING (customer_id = current_setting('app.customer')::bigint);
