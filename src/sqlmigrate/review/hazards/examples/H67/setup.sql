CREATE PUBLICATION for_reports FOR TABLE customers, orders;
