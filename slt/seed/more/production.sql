-- The left side of the second acceptance statement, on PostgreSQL.
CREATE TABLE order_stats (user_id integer PRIMARY KEY, orders integer, last_order date);
INSERT INTO order_stats VALUES (1, 3, CURRENT_DATE - 1), (2, 1, CURRENT_DATE - 30), (3, 9, CURRENT_DATE - 31), (4, 2, CURRENT_DATE);
