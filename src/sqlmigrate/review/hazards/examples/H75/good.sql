CREATE POLICY shipped ON orders USING (status = 'shipped');

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
