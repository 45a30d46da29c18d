ALTER TABLE orders RENAME COLUMN amount TO cents;

CREATE OR REPLACE FUNCTION amount_of(customer bigint) RETURNS bigint
LANGUAGE plpgsql AS '
BEGIN
    RETURN (SELECT sum(cents) FROM orders WHERE customer_id = customer);
END';
