-- First of the three databases of the first acceptance statement, on PostgreSQL.
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL, created_at timestamp NOT NULL);
INSERT INTO users VALUES (1, 'Ada', '2024-02-01 10:00:00'), (2, 'Bob', '2023-12-31 23:59:59'),
  (3, 'Cem', '2024-01-01 00:00:00'), (4, 'Dora', '2024-06-01 00:00:00'), (5, 'Eve', '2024-07-01 00:00:00');
