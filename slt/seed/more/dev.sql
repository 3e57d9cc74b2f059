-- One of two databases with the same tables, on PostgreSQL; `prod` is the other.
CREATE TABLE users (id integer PRIMARY KEY, name text, plan text);
INSERT INTO users VALUES (1, 'Ada', 'free'), (2, 'Bob', 'pro'), (4, 'Dev', 'free');
