-- orders_amount_positive was added by a migration before this one
ALTER TABLE orders VALIDATE CONSTRAINT orders_amount_positive;
