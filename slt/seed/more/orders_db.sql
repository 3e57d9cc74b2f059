-- Second of the three databases of the first acceptance statement, on PostgreSQL.
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id bigint PRIMARY KEY, user_id bigint, total numeric(12,2));
INSERT INTO sales.orders VALUES (10, 1, 59.70), (11, 1, 249.00), (12, 2, 5.00), (13, 3, 7.00), (14, 4, 24.40), (15, NULL, 1.00);
