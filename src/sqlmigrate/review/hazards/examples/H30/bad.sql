CREATE TABLE messages (
    id bigint PRIMARY KEY,
    content text
);

GRANT SELECT ON messages TO anon;
