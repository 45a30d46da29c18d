CREATE PUBLICATION for_reports_2 FOR TABLE customers;
