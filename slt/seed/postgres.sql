-- What @pg holds, in PostgreSQL's own language. The first seven tables are the same on every source.
CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, country text, balance numeric(12,2), joined date, active boolean);
INSERT INTO customers VALUES
  (1, 'Ada', 'DE', 1200.50, '2020-01-15', TRUE),
  (2, 'Bob', 'US', 0.00, '2021-06-30', TRUE),
  (3, 'Çelik', 'TR', -35.25, '2019-12-31', FALSE),
  (4, 'Dora', NULL, 99.99, '2022-02-28', TRUE),
  (5, 'eve', 'US', NULL, '2023-03-01', NULL),
  (6, 'Éva', 'HU', 10.00, NULL, TRUE);
CREATE TABLE products (id integer PRIMARY KEY, name text NOT NULL, category text, price numeric(10,2) NOT NULL);
INSERT INTO products VALUES
  (1, 'Lamp', 'home', 19.90),
  (2, 'Desk', 'home', 249.00),
  (3, 'Pen', 'office', 0.99),
  (4, 'Ink', 'office', 4.50),
  (5, 'Globe', NULL, 75.00);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, placed timestamp NOT NULL, status text NOT NULL, total numeric(12,2));
INSERT INTO orders VALUES
  (100, 1, '2024-01-05 09:30:00', 'paid', 59.70),
  (101, 1, '2024-02-10 14:00:00', 'paid', 249.00),
  (102, 2, '2024-02-10 14:00:00', 'open', NULL),
  (103, 3, '2023-12-31 23:59:59.5', 'paid', 0.99),
  (104, NULL, '2024-03-01 00:00:00', 'void', 10.00),
  (105, 4, '2024-03-15 12:00:00', 'open', 24.40),
  (106, 9, '2024-03-15 12:00:01', 'paid', 75.00);
CREATE TABLE lines (order_id integer, line_no integer, product_id integer NOT NULL, quantity integer NOT NULL, price numeric(10,2) NOT NULL, PRIMARY KEY (order_id, line_no));
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
CREATE TABLE numbers (id integer PRIMARY KEY, small smallint, whole integer, big bigint, dec numeric(20,4), dbl double precision);
INSERT INTO numbers VALUES
  (1, 1, 10, 9223372036854775807, 1.0000, 1.5),
  (2, -1, -10, -9223372036854775807 - 1, -0.0001, -2.25),
  (3, NULL, 0, 0, NULL, 0),
  (4, 32767, 2147483647, 1, 999999999.9999, 1e300),
  (5, 7, 3, 2, 0.1000, 0.1),
  (6, 7, NULL, NULL, 0.2000, NULL);
CREATE TABLE points (id integer PRIMARY KEY, day date, moment timestamp, zoned timestamptz);
INSERT INTO points VALUES
  (1, '2024-02-29', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999+00:00'),
  (2, '1969-12-31', '1969-12-31 23:59:59', NULL),
  (3, '1900-01-01', '1900-01-01 00:00:00', NULL),
  (4, NULL, NULL, NULL),
  (5, '2024-03-31', '2024-03-31 02:30:00', '2024-03-31 02:30:00+00:00');
CREATE TABLE words (id integer PRIMARY KEY, word text);
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
CREATE TABLE "Mixed Case" ("userId" integer, "User Name" text, "select" integer);
INSERT INTO "Mixed Case" VALUES (1, 'Ada', 10), (2, 'Bob', 20);
CREATE TABLE twins ("Id" integer, "id" integer, "ID" integer);
INSERT INTO twins VALUES (1, 2, 3);
CREATE TABLE "Twin" (a integer);
CREATE TABLE "twin" (a integer);
INSERT INTO "Twin" VALUES (1);
INSERT INTO "twin" VALUES (2);
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id integer PRIMARY KEY, note text);
INSERT INTO sales.orders VALUES (1, 'in another schema');
CREATE VIEW paid_orders AS SELECT * FROM orders WHERE status = 'paid';
CREATE MATERIALIZED VIEW order_counts AS SELECT status, count(*) AS n FROM orders GROUP BY status;
CREATE TABLE parted (id integer, part integer) PARTITION BY LIST (part);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1, 1), (2, 2), (3, 1);
CREATE TABLE vacant (id integer PRIMARY KEY, note text);

-- Join keys of every type.
CREATE TABLE keys (id integer PRIMARY KEY, i2 smallint, i4 integer, i8 bigint, n numeric(10,2), f double precision,
  u uuid, t text, b boolean, d date, ts timestamp, tz timestamptz, c char(5));
INSERT INTO keys VALUES
  (1, 1, 1, 1, 1.00, 1, '11111111-1111-1111-1111-111111111111', 'one', true, '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00', 'a'),
  (2, 2, 2, 2, 2.50, 2.5, 'abcdefab-cdef-abcd-efab-cdefabcdefab', 'Two', false, '2024-02-29', '2024-02-29 12:00:00', '2024-02-29 12:00:00+00', 'b'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, -1, -1, -1, -1.00, -1, '00000000-0000-0000-0000-000000000000', 'one ', true, '1969-12-31', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', 'a b');

-- Types.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE pair AS (a integer, b text);
CREATE TABLE types (id integer PRIMARY KEY, n numeric, wide numeric(60,10), m mood, p positive, j json, jb jsonb,
  ints integer[], texts text[], r int4range, ip inet, net cidr, bits bit(3), vbits bit varying, raw bytea, i interval,
  c pair, x xml, tsv tsvector, o oid, mon money, tod time, todz timetz, f4 real, mac macaddr);
INSERT INTO types VALUES
  (1, 1.5, 12345678901234567890123456789012345678901234567890.0123456789, 'happy', 1, '{"a": 1}', '{"b": [1, 2]}',
   '{1,NULL,3}', '{a,NULL,"b c"}', '[1,5)', '192.168.0.1', '10.0.0.0/8', '101', '11', '\x00ff', '1 year 2 days 03:04:05',
   '(1,x)', '<a/>', 'fat cat', 42, '12.34', '23:59:59.999999', '12:00:00+02', 1.5, '08:00:2b:01:02:03'),
  (2, -0.000001, -0.0000000001, 'sad', 2147483647, 'null', '"text"', '{}', '{}', 'empty', '::1', '::/0', '000', '', '',
   '-1 day', '(,)', NULL, '', 0, '-0.01', '00:00:00', '00:00:00+00', -0.0, NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL);
CREATE TABLE edges (id integer PRIMARY KEY, moment timestamptz, day date, f double precision);
INSERT INTO edges VALUES (1, '1900-01-01 00:00:00+00', '0001-01-01', 'NaN'), (2, '2024-06-01 12:00:00+02', '9999-12-31', 'Infinity'),
  (3, '1969-12-31 23:59:59.999999+00', '1970-01-01', '-0.0');
CREATE TABLE special (id integer PRIMARY KEY, n numeric);
INSERT INTO special VALUES (1, 1.5), (2, 'NaN');
ANALYZE;

-- Numbers without precision, of which the first ones have no fraction; text that is compared by a rule of its own.
CREATE TABLE bare (id integer PRIMARY KEY, v numeric, w numeric);
INSERT INTO bare SELECT n, 1, n % 2 FROM generate_series(1, 2000) n;
INSERT INTO bare VALUES (2001, 0.5, 0.25), (2002, 0.125, 0.5);
CREATE TABLE bare_too (id integer PRIMARY KEY, a numeric, b numeric, c numeric, d numeric, e numeric);
INSERT INTO bare_too SELECT n, 1, 1, 1, 1, 1 FROM generate_series(1, 2000) n;
INSERT INTO bare_too VALUES (2001, 0.1, 0.12, 0.123, 0.1234, 0.12345);
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE any_case (id integer PRIMARY KEY, word text COLLATE any_case);
INSERT INTO any_case VALUES (1, 'ab'), (2, 'AB'), (3, 'Ab'), (4, 'c');
CREATE TABLE as_written (id integer PRIMARY KEY, word text);
INSERT INTO as_written VALUES (1, 'AB'), (2, 'ab'), (3, 'C'), (4, 'Ab'), (5, 'AB');
ANALYZE;
