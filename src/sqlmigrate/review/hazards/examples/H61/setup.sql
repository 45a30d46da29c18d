ALTER TABLE customers ADD CONSTRAINT customers_name_key UNIQUE (name);
