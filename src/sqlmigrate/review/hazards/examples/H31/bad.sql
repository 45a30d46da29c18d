CREATE FUNCTION number_of_orders() RETURNS bigint
LANGUAGE sql SECURITY DEFINER
AS 'SELECT count(*) FROM orders';
