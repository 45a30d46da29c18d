-- transactional: false

DROP INDEX CONCURRENTLY orders_status;

REINDEX INDEX CONCURRENTLY orders_customer;
