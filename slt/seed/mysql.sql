-- What @my holds, in MariaDB and MySQL's own language. The first seven tables are the same on every source.
SET time_zone = '+00:00';
SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES';
CREATE TABLE customers (id int PRIMARY KEY, name varchar(50) NOT NULL, country varchar(2), balance decimal(12,2), joined date, active bit(1));
INSERT INTO customers VALUES
  (1, 'Ada', 'DE', 1200.50, '2020-01-15', TRUE),
  (2, 'Bob', 'US', 0.00, '2021-06-30', TRUE),
  (3, 'Çelik', 'TR', -35.25, '2019-12-31', FALSE),
  (4, 'Dora', NULL, 99.99, '2022-02-28', TRUE),
  (5, 'eve', 'US', NULL, '2023-03-01', NULL),
  (6, 'Éva', 'HU', 10.00, NULL, TRUE);
CREATE TABLE products (id int PRIMARY KEY, name varchar(50) NOT NULL, category varchar(20), price decimal(10,2) NOT NULL);
INSERT INTO products VALUES
  (1, 'Lamp', 'home', 19.90),
  (2, 'Desk', 'home', 249.00),
  (3, 'Pen', 'office', 0.99),
  (4, 'Ink', 'office', 4.50),
  (5, 'Globe', NULL, 75.00);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, placed datetime(6) NOT NULL, status varchar(10) NOT NULL, total decimal(12,2), KEY (customer_id));
INSERT INTO orders VALUES
  (100, 1, '2024-01-05 09:30:00', 'paid', 59.70),
  (101, 1, '2024-02-10 14:00:00', 'paid', 249.00),
  (102, 2, '2024-02-10 14:00:00', 'open', NULL),
  (103, 3, '2023-12-31 23:59:59.5', 'paid', 0.99),
  (104, NULL, '2024-03-01 00:00:00', 'void', 10.00),
  (105, 4, '2024-03-15 12:00:00', 'open', 24.40),
  (106, 9, '2024-03-15 12:00:01', 'paid', 75.00);
CREATE TABLE `lines` (order_id int, line_no int, product_id int NOT NULL, quantity int NOT NULL, price decimal(10,2) NOT NULL, PRIMARY KEY (order_id, line_no));
INSERT INTO `lines` VALUES
  (100, 1, 1, 3, 19.90),
  (101, 1, 2, 1, 249.00),
  (102, 1, 3, 10, 0.99),
  (102, 2, 4, 2, 4.50),
  (103, 1, 3, 1, 0.99),
  (105, 1, 1, 1, 19.90),
  (105, 2, 4, 1, 4.50),
  (106, 1, 5, 1, 75.00),
  (107, 1, 3, 1, 0.99);
CREATE TABLE numbers (id int PRIMARY KEY, small smallint, whole int, big bigint, `dec` decimal(20,4), dbl double);
INSERT INTO numbers VALUES
  (1, 1, 10, 9223372036854775807, 1.0000, 1.5),
  (2, -1, -10, -9223372036854775807 - 1, -0.0001, -2.25),
  (3, NULL, 0, 0, NULL, 0),
  (4, 32767, 2147483647, 1, 999999999.9999, 1e300),
  (5, 7, 3, 2, 0.1000, 0.1),
  (6, 7, NULL, NULL, 0.2000, NULL);
CREATE TABLE points (id int PRIMARY KEY, day date, moment datetime(6), zoned timestamp(6) NULL DEFAULT NULL);
INSERT INTO points VALUES
  (1, '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999'),
  (2, '1969-12-31', '1969-12-31 23:59:59', NULL),
  (3, '1900-01-01', '1900-01-01 00:00:00', NULL),
  (4, NULL, NULL, NULL),
  (5, '2024-03-31', '2024-03-31 02:30:00', '2024-03-31 02:30:00');
CREATE TABLE words (id int PRIMARY KEY, word varchar(50));
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

-- Names in more than one spelling.
CREATE TABLE members (userId int PRIMARY KEY, userName varchar(20), `select` int, `group by` int);
INSERT INTO members VALUES (1, 'Ada', 10, 1), (2, 'Bob', 20, 1);
CREATE TABLE vacant (id int PRIMARY KEY, note varchar(10));
CREATE VIEW paid_orders AS SELECT * FROM orders WHERE status = 'paid';

-- Join keys of every type.
CREATE TABLE `keys` (id int PRIMARY KEY, u1 tinyint unsigned, u4 int unsigned, u8 bigint unsigned, n decimal(10,4),
  f double, u char(36), b tinyint(1), ci varchar(20) COLLATE utf8mb4_general_ci, bin varchar(20) COLLATE utf8mb4_bin,
  d date, ts datetime(6), tz timestamp(6) NULL DEFAULT NULL);
INSERT INTO `keys` VALUES
  (1, 1, 1, 1, 1.0000, 1, '11111111-1111-1111-1111-111111111111', 1, 'ONE', 'one', '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00'),
  (2, 2, 2, 2, 2.5000, 2.5, 'ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB', 0, 'Two', 'Two', '2024-02-29', '2024-02-29 12:00:00', '2024-02-29 12:00:00'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 255, 4294967295, 18446744073709551615, 2.4999, 0, 'x', 1, 'one ', 'one ', '1969-12-31', '1969-12-31 23:59:59.999999', NULL);

-- Types.
CREATE TABLE types (id int PRIMARY KEY, t1 tinyint, flag tinyint(1), u1 tinyint unsigned, u8 bigint unsigned,
  wide decimal(65,30), bits bit(10), bit1 bit(1), y year, e enum('a','B',''), s set('x','y'), j json, tm time(3),
  dt datetime, ts timestamp NULL DEFAULT NULL, bin binary(4), vb varbinary(4), bl blob, tx text, g geometry, f float, c char(5));
INSERT INTO types VALUES
  (1, -128, 1, 255, 18446744073709551615, 12345678901234567890123456789012345.123456789012345678901234567890, b'1000000001',
   b'1', 2024, 'B', 'x,y', '{"a": [1, null]}', '838:59:58.999', '9999-12-31 23:59:59', '1970-01-01 00:00:01', 'ab', 0x00ff,
   'bytes', 'text', ST_GeomFromText('POINT(1 2)'), 1.5, 'x'),
  (2, 127, 0, 0, 0, -0.000000000000000000000000000001, b'0', b'0', 1901, '', '', '[]', '-01:00:00', '1000-01-01 00:00:00',
   '2024-06-01 10:00:00', '', '', '', '', NULL, -0.25, ''),
  (3, NULL, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE zero_dates (id int PRIMARY KEY, d date NOT NULL, dt datetime NOT NULL);
SET sql_mode = '';
INSERT INTO zero_dates VALUES (1, '0000-00-00', '0000-00-00 00:00:00'), (2, '2024-02-29', '2024-02-29 00:00:00');
ANALYZE TABLE customers, orders, `lines`, products;
