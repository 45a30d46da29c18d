CREATE TYPE mood AS ENUM ('sad', 'glad');

CREATE TABLE people (name text, mood mood);
