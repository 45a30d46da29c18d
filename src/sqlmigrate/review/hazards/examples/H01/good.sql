-- quick; the old rows are filled in batches afterwards
ALTER TABLE orders ADD COLUMN token uuid;

ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();
