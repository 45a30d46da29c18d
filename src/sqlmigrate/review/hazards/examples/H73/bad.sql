CREATE POLICY everything ON orders TO anon USING (true);
