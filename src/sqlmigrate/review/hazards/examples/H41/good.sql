-- sqlmigrate: lock_timeout=500ms

ALTER TABLE orders ADD COLUMN note text;
