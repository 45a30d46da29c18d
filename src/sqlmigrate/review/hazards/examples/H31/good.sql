CREATE FUNCTION number_of_orders() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS 'SELECT count(*) FROM public.orders';
