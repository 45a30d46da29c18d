DROP VIEW good_customers;

DROP TABLE customers;
