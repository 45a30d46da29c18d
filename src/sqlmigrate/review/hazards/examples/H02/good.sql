-- reads nothing; VALIDATE CONSTRAINT follows in a migration of its own
ALTER TABLE orders ADD CONSTRAINT orders_amount_positive CHECK (amount > 0) NOT VALID;
