CREATE TABLE measures (day date NOT NULL, value integer) PARTITION BY RANGE (day);
