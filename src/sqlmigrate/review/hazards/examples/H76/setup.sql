DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anon') THEN
        CREATE ROLE anon NOLOGIN;
    END IF;
END
$$;
CREATE POLICY shipped ON orders FOR SELECT TO anon USING (status = 'shipped');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
