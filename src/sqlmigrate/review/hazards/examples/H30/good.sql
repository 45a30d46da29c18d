CREATE TABLE messages (
    id bigint PRIMARY KEY,
    content text
);

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON messages TO anon;
