CREATE FUNCTION forget_customers() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS 'DELETE FROM public.customers';
