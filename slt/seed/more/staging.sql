-- The right side of the second acceptance statement, on MariaDB.
CREATE TABLE test_users (id int PRIMARY KEY, email varchar(50));
INSERT INTO test_users VALUES (1, 'ada@example.com'), (4, 'dora@example.com'), (7, 'nobody@example.com');
