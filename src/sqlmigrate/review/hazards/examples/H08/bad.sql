DROP INDEX orders_status;

REINDEX INDEX orders_customer;
