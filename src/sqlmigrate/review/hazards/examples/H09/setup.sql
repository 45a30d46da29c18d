CREATE TABLE measures (day date NOT NULL, value integer) PARTITION BY RANGE (day);

CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
