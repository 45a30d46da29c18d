CREATE TABLE events (content text);

CREATE PUBLICATION for_reports FOR TABLE orders;
