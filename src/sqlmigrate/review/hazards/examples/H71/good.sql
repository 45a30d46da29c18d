ALTER POLICY shipped ON orders USING (status IN ('paid', 'shipped'));
