-- Third of the three databases of the first acceptance statement, on MariaDB.
CREATE TABLE transactions (id int PRIMARY KEY AUTO_INCREMENT, order_id int, amount decimal(12,2), KEY (order_id));
INSERT INTO transactions (order_id, amount) VALUES (10, 30.00), (10, 29.70), (11, 249.00), (12, 5.00), (14, 20.00), (NULL, 3.00);
