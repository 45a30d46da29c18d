ALTER TABLE orders ADD CONSTRAINT orders_amount_known CHECK (amount IS NOT NULL) NOT VALID;

ALTER TABLE orders VALIDATE CONSTRAINT orders_amount_known;
