GRANT UPDATE ON orders TO anon;
