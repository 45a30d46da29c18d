-- transactional: false

CREATE UNIQUE INDEX CONCURRENTLY customers_name_unique ON customers (name);

ALTER TABLE customers DROP CONSTRAINT customers_name_key;
