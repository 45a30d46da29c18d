GRANT SELECT ON orders TO anon;
