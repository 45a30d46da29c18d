UPDATE orders SET status = 'open';

DELETE FROM customers;
