CREATE TABLE users (id bigint PRIMARY KEY);

ALTER TABLE users OWNER TO pg_monitor;
