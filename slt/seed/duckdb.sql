-- What @duck holds, in DuckDB's own language. The first seven tables are the same on every source.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, country VARCHAR, balance DECIMAL(12,2), joined DATE, active BOOLEAN);
INSERT INTO customers VALUES
  (1, 'Ada', 'DE', 1200.50, '2020-01-15', TRUE),
  (2, 'Bob', 'US', 0.00, '2021-06-30', TRUE),
  (3, 'Çelik', 'TR', -35.25, '2019-12-31', FALSE),
  (4, 'Dora', NULL, 99.99, '2022-02-28', TRUE),
  (5, 'eve', 'US', NULL, '2023-03-01', NULL),
  (6, 'Éva', 'HU', 10.00, NULL, TRUE);
CREATE TABLE products (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, category VARCHAR, price DECIMAL(10,2) NOT NULL);
INSERT INTO products VALUES
  (1, 'Lamp', 'home', 19.90),
  (2, 'Desk', 'home', 249.00),
  (3, 'Pen', 'office', 0.99),
  (4, 'Ink', 'office', 4.50),
  (5, 'Globe', NULL, 75.00);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, placed TIMESTAMP NOT NULL, status VARCHAR NOT NULL, total DECIMAL(12,2));
INSERT INTO orders VALUES
  (100, 1, '2024-01-05 09:30:00', 'paid', 59.70),
  (101, 1, '2024-02-10 14:00:00', 'paid', 249.00),
  (102, 2, '2024-02-10 14:00:00', 'open', NULL),
  (103, 3, '2023-12-31 23:59:59.5', 'paid', 0.99),
  (104, NULL, '2024-03-01 00:00:00', 'void', 10.00),
  (105, 4, '2024-03-15 12:00:00', 'open', 24.40),
  (106, 9, '2024-03-15 12:00:01', 'paid', 75.00);
CREATE TABLE lines (order_id INTEGER, line_no INTEGER, product_id INTEGER NOT NULL, quantity INTEGER NOT NULL, price DECIMAL(10,2) NOT NULL, PRIMARY KEY (order_id, line_no));
INSERT INTO lines VALUES
  (100, 1, 1, 3, 19.90),
  (101, 1, 2, 1, 249.00),
  (102, 1, 3, 10, 0.99),
  (102, 2, 4, 2, 4.50),
  (103, 1, 3, 1, 0.99),
  (105, 1, 1, 1, 19.90),
  (105, 2, 4, 1, 4.50),
  (106, 1, 5, 1, 75.00),
  (107, 1, 3, 1, 0.99);
CREATE TABLE numbers (id INTEGER PRIMARY KEY, small SMALLINT, whole INTEGER, big BIGINT, dec DECIMAL(20,4), dbl DOUBLE);
INSERT INTO numbers VALUES
  (1, 1, 10, 9223372036854775807, 1.0000, 1.5),
  (2, -1, -10, -9223372036854775807 - 1, -0.0001, -2.25),
  (3, NULL, 0, 0, NULL, 0),
  (4, 32767, 2147483647, 1, 999999999.9999, 1e300),
  (5, 7, 3, 2, 0.1000, 0.1),
  (6, 7, NULL, NULL, 0.2000, NULL);
CREATE TABLE points (id INTEGER PRIMARY KEY, day DATE, moment TIMESTAMP, zoned TIMESTAMP WITH TIME ZONE);
INSERT INTO points VALUES
  (1, '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999+00:00'),
  (2, '1969-12-31', '1969-12-31 23:59:59', NULL),
  (3, '1900-01-01', '1900-01-01 00:00:00', NULL),
  (4, NULL, NULL, NULL),
  (5, '2024-03-31', '2024-03-31 02:30:00', '2024-03-31 02:30:00+00:00');
CREATE TABLE words (id INTEGER PRIMARY KEY, word VARCHAR);
INSERT INTO words VALUES
  (1, 'apple'),
  (2, 'Apple'),
  (3, 'äpfel'),
  (4, 'banana'),
  (5, 'apple '),
  (6, ''),
  (7, NULL),
  (8, 'a_c'),
  (9, 'a%c'),
  (10, 'it''s'),
  (11, 'back\slash'),
  (12, '日本'),
  (13, 'zebra');

CREATE TABLE members (userId INTEGER PRIMARY KEY, userName VARCHAR, "select" INTEGER);
INSERT INTO members VALUES (1, 'Ada', 10), (2, 'Bob', 20);
CREATE TABLE vacant (id INTEGER PRIMARY KEY, note VARCHAR);
CREATE VIEW paid_orders AS SELECT * FROM orders WHERE status = 'paid';
CREATE TABLE keys (id INTEGER PRIMARY KEY, i1 TINYINT, u8 UBIGINT, h HUGEINT, n DECIMAL(18,3), f DOUBLE, u UUID, t VARCHAR, b BOOLEAN, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ);
INSERT INTO keys VALUES
  (1, 1, 1, 1, 1.000, 1, '11111111-1111-1111-1111-111111111111', 'one', true, '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00'),
  (2, 2, 2, 2, 2.500, 2.5, 'abcdefab-cdef-abcd-efab-cdefabcdefab', 'Two', false, '2024-02-29', '2024-02-29 12:00:00', '2024-02-29 12:00:00+00'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, -1, 18446744073709551615, -1, -1.000, -1, '00000000-0000-0000-0000-000000000000', 'one ', true, '1969-12-31', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00');
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE types (id INTEGER PRIMARY KEY, i1 TINYINT, u2 USMALLINT, u4 UINTEGER, h HUGEINT, wide DECIMAL(38,10), m mood,
  l INTEGER[], s STRUCT(a INTEGER, b VARCHAR), mp MAP(VARCHAR, INTEGER), i INTERVAL, tod TIME, bl BLOB, bt BIT, ns TIMESTAMP_NS, f FLOAT);
INSERT INTO types VALUES
  (1, -128, 65535, 4294967295, 170141183460469231731687303715884105727, 1234567890123456789012345678.0123456789, 'happy',
   [1, NULL, 3], {'a': 1, 'b': 'x'}, MAP {'k': 1}, INTERVAL 1 DAY, '23:59:59.999999', '\x00\xFF', '101', '2024-01-01 00:00:00.123456789', 1.5),
  (2, 127, 0, 0, -1, -0.0000000001, 'sad', [], {'a': NULL, 'b': NULL}, MAP {}, INTERVAL '-1 month', '00:00:00', '', '0', '1969-12-31 23:59:59.999999999', -0.25),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
