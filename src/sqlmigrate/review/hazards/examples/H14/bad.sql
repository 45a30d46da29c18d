CREATE TRIGGER orders_touched
    BEFORE UPDATE ON orders
    FOR EACH ROW
    EXECUTE FUNCTION suppress_redundant_updates_trigger();

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
