INSERT INTO orders (customer_id, amount, status) VALUES ($1, $2, $3);
