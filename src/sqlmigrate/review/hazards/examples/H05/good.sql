-- the column was added by a migration before this one
UPDATE orders SET amount = 0 WHERE amount IS NULL;
