CREATE POLICY shipped ON orders FOR SELECT TO anon USING (status = 'shipped');

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
