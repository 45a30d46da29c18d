CREATE POLICY shipped ON orders USING (status = 'shipped');
