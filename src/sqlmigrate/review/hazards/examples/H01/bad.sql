ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();

ALTER TABLE customers ALTER COLUMN id TYPE numeric;
