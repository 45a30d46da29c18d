CREATE FUNCTION amount_of(customer bigint) RETURNS bigint
LANGUAGE plpgsql AS '
BEGIN
    RETURN (SELECT sum(amount) FROM orders WHERE customer_id = customer);
END';
