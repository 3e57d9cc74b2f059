//! What names bind to, and what the results are called.

use junto_sql::{Error, Resolved, TableColumn, TableColumns, parse, resolve};
use junto_types::{Alias, ErrorKind, TableName};

/// The sources of these tests: connection, schema, table, columns; `:d` marks dates.
const TABLES: &[(&str, &str, &str, &str)] = &[
    ("users_db", "public", "users", "id name created_at:d userId"),
    ("orders_db", "sales", "orders", "id user_id total placed:d"),
    ("payments_db", "public", "transactions", "id order_id amount"),
    ("dev", "public", "users", "id name"),
    ("prod", "public", "users", "id name email"),
    ("prod", "sales", "Users", "id region"),
    ("production", "public", "order_stats", "id orders day:d"),
    ("staging", "public", "test_users", "id orders"),
    ("cased", "main", "Mixed", "Id id Name"),
];

fn columns_of(reference: usize, connection: &str, schema: Option<&str>, table: &str) -> TableColumns {
    let found = TABLES.iter().find(|(c, s, t, _)| {
        c.eq_ignore_ascii_case(connection) && schema.is_none_or(|schema| s == &schema) && t.eq_ignore_ascii_case(table)
    });
    let (connection, schema, table, columns) = found.unwrap_or_else(|| panic!("no table {connection}.{table}"));
    TableColumns {
        reference,
        connection: Alias::new(*connection).expect("a valid alias"),
        table: TableName::new(*schema, *table),
        columns: columns
            .split(' ')
            .map(|column| TableColumn { name: column.trim_end_matches(":d").into(), is_date: column.ends_with(":d") })
            .collect(),
    }
}

fn bind(text: &str) -> Result<Resolved, Error> {
    let parsed = parse(text)?;
    let tables: Vec<TableColumns> = parsed
        .table_references()?
        .iter()
        .map(|table| {
            let schema = table.schema.as_ref().map(|schema| schema.text.as_str());
            columns_of(table.reference, &table.connection.text, schema, &table.table.text)
        })
        .collect();
    let known = ["users_db", "orders_db"].map(|name| Alias::new(name).expect("a valid alias"));
    resolve(&parsed, &tables, &known)
}

/// Checks the statement that the engine gets.
#[track_caller]
fn check(text: &str, expect: &str) -> Resolved {
    let resolved = bind(text).unwrap_or_else(|error| panic!("{text}: {error} {error:?}"));
    assert_eq!(resolved.statement.to_string(), expect, "{text}");
    resolved
}

/// Checks the headings of the result.
#[track_caller]
fn heads(text: &str, expect: &[&str]) {
    let resolved = bind(text).unwrap_or_else(|error| panic!("{text}: {error} {error:?}"));
    let unnamed = vec!["?"; expect.len()];
    assert_eq!(resolved.names.shown(&unnamed), expect, "{text}");
}

/// Checks an error, the text it points at, and its hint.
#[track_caller]
fn fails(text: &str, message: &str, at: &str, hint: &str) {
    let error = bind(text).map(|resolved| resolved.statement.to_string()).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
    assert_eq!(error.kind(), ErrorKind::User);
    assert_eq!(error.span().expect("it has a place").of(text), at, "{text}");
    assert_eq!(error.hint().unwrap_or_default(), hint, "{text}");
}

#[test]
fn the_statement_at_the_top_of_the_architecture_binds() {
    let text = "SELECT u.name, o.total, p.amount\nFROM @users_db.public.users u\n\
                JOIN @orders_db.sales.orders o ON u.id = o.user_id\n\
                JOIN @payments_db.transactions p ON o.id = p.order_id\nWHERE u.created_at > '2024-01-01'";
    let resolved = check(
        text,
        "SELECT u.name, o.total, p.amount FROM __junto_t0 u JOIN __junto_t1 o ON u.id = o.user_id \
         JOIN __junto_t2 p ON o.id = p.order_id WHERE u.created_at > '2024-01-01'",
    );
    assert_eq!(resolved.tables.len(), 3);
    heads(text, &["name", "total", "amount"]);
}

#[test]
fn a_table_alias_may_equal_a_connection_alias() {
    check(
        "SELECT prod.id, staging.orders FROM @production.order_stats prod \
         LEFT JOIN @staging.test_users staging ON prod.id = staging.id WHERE prod.day > CURRENT_DATE - 30",
        "SELECT prod.id, staging.orders FROM __junto_t0 prod LEFT JOIN __junto_t1 staging ON prod.id = staging.id \
         WHERE prod.day > junto_named(CAST(CURRENT_DATE - INTERVAL '30 days' AS DATE))",
    );
}

#[test]
fn days_are_added_to_dates_only() {
    for (written, expect) in [
        ("day - 30", "junto_named(CAST(day - INTERVAL '30 days' AS DATE))"),
        ("7 + s.day", "junto_named(CAST(s.day + INTERVAL '7 days' AS DATE))"),
        ("DATE '2024-01-31' + -1", "junto_named(CAST(DATE '2024-01-31' + INTERVAL '-1 days' AS DATE))"),
        ("id - 30", "id - 30"),
        ("id + orders", "id + orders"),
        ("curdate() + 1", "junto_named(CAST(current_date() + INTERVAL '1 days' AS DATE))"),
        (
            "CAST('2024-01-01' AS DATE) + 1 - 2",
            "junto_named(CAST(junto_named(CAST(junto_named(CAST('2024-01-01' AS DATE)) + INTERVAL '1 days' AS DATE)) - INTERVAL \
             '2 days' AS DATE))",
        ),
    ] {
        check(
            &format!("SELECT {written} AS x FROM @production.order_stats s"),
            &format!("SELECT {expect} AS x FROM __junto_t0 s"),
        );
    }
}

#[test]
fn names_are_found_as_a_person_expects() {
    for written in ["u.userId", "u.USERID", "u.\"userId\"", "u.\"USERID\"", "userid", "\"UserID\"", "U.userId"] {
        let resolved = bind(&format!("SELECT {written} FROM @users_db.users u")).expect(written);
        let bound = resolved.statement.to_string();
        assert!(bound == "SELECT u.userid FROM __junto_t0 u" || bound == "SELECT userid FROM __junto_t0 u", "{bound}");
        assert_eq!(resolved.names.shown(&["userid"]), ["userId"]);
    }
}

#[test]
fn columns_that_differ_only_in_case_need_quotes() {
    check("SELECT m.\"Id\", \"id\" FROM @cased.mixed m", "SELECT m.\"Id\", id FROM __junto_t0 m");
    fails(
        "SELECT m.id FROM @cased.mixed m",
        "`m.id` is ambiguous at line 1, column 8: it may mean m.\"Id\" or m.\"id\"",
        "m.id",
        "write m.\"Id\" or m.\"id\"",
    );
    fails(
        "SELECT\n Id FROM @cased.mixed",
        "`Id` is ambiguous at line 2, column 2: it may mean Mixed.\"Id\" or Mixed.\"id\"",
        "Id",
        "write Mixed.\"Id\" or Mixed.\"id\"",
    );
}

#[test]
fn unaliased_tables_go_by_their_last_name() {
    check(
        "SELECT users.id, public.users.name, @users_db.users.userId, @users_db.public.users.id FROM @users_db.users",
        "SELECT users.id, users.name, users.userid, users.id AS __junto_c0 FROM __junto_t0 AS users",
    );
    check(
        "SELECT users.*, count(users.*) FROM @users_db.users",
        "SELECT users.*, count(users.*) AS __junto_c0 FROM __junto_t0 AS users",
    );
    check("SELECT @users_db.users.* FROM @users_db.users", "SELECT users.* FROM __junto_t0 AS users");
}

#[test]
fn tables_of_one_name_need_the_full_name() {
    let from = "FROM @dev.public.users JOIN @prod.public.users ON @dev.users.id = @prod.public.users.id";
    check(
        &format!("SELECT @dev.public.users.name, @prod.users.name, email {from}"),
        "SELECT __junto_a0.name, __junto_a1.name AS __junto_c2, email FROM __junto_t0 AS __junto_a0 \
         JOIN __junto_t1 AS __junto_a1 ON __junto_a0.id = __junto_a1.id",
    );
    for short in ["users.id", "public.users.id"] {
        fails(
            &format!("SELECT {short} {from}"),
            &format!(
                "`{short}` is ambiguous at line 1, column 8: it may mean @dev.public.users.id or @prod.public.users.id"
            ),
            short,
            "write @dev.public.users.id or @prod.public.users.id",
        );
    }
    fails(
        &format!("SELECT id {from}"),
        "`id` is ambiguous at line 1, column 8: it may mean @dev.public.users.id or @prod.public.users.id",
        "id",
        "write @dev.public.users.id or @prod.public.users.id",
    );
    fails(
        "SELECT @prod.users.id FROM @prod.public.users, @prod.sales.Users",
        "`@prod.users.id` is ambiguous at line 1, column 8: it may mean @prod.public.users or @prod.sales.Users",
        "@prod.users.id",
        "write @prod.public.users or @prod.sales.Users",
    );
}

#[test]
fn one_table_used_twice_has_one_internal_name() {
    let resolved = check(
        "SELECT a.id FROM @dev.users a JOIN @dev.public.users b ON a.id = b.id",
        "SELECT a.id FROM __junto_t0 a JOIN __junto_t0 b ON a.id = b.id",
    );
    assert_eq!(resolved.tables.len(), 1);
}

#[test]
fn result_columns_have_unique_names_and_readable_headings() {
    let text = "SELECT u.id, u.id, count(*), count( * ), CAST(id AS bigint), id::text, u.userId AS \"Who\", name AS Nick, \
                1 + 1 FROM @users_db.users u GROUP BY u.id, u.userId, name";
    check(
        text,
        "SELECT u.id, u.id AS __junto_c0, count(*) AS __junto_c1, count(*) AS __junto_c2, junto_named(CAST(id AS \
         BIGINT)) AS __junto_c3, junto_named(id::TEXT) AS __junto_c4, u.userid AS \"Who\", name AS Nick, 1 + 1 AS __junto_c5 FROM __junto_t0 u \
         GROUP BY u.id, u.userid, name",
    );
    heads(text, &["id", "id", "count(*)", "count( * )", "CAST(id AS bigint)", "id::text", "Who", "Nick", "1 + 1"]);
}

#[test]
fn headings_are_the_users_text() {
    heads(
        "SELECT DISTINCT ON (a.id) a.id IS DISTINCT FROM 1, extract(year FROM day), (SELECT 'x, from' FROM @dev.users),\n\
         CASE WHEN a.id IN (1, 2) THEN ARRAY[1, 2] END , a.\"id\" FROM @production.order_stats a",
        &[
            "a.id IS DISTINCT FROM 1",
            "extract(year FROM day)",
            "(SELECT 'x, from' FROM @dev.users)",
            "CASE WHEN a.id IN (1, 2) THEN ARRAY[1, 2] END",
            "id",
        ],
    );
    heads("SELECT *, u.name, upper(name) FROM @dev.users u", &["id", "name", "name", "upper(name)"]);
    heads("SELECT 1 UNION ALL SELECT 2", &["1"]);
    heads("SELECT * FROM (SELECT userId AS uid, count(*) FROM @users_db.users GROUP BY 1) x", &["uid", "count(*)"]);
    heads("WITH c(\"A\", b) AS (SELECT id, name FROM @dev.users) SELECT *, b FROM c", &["A", "b", "b"]);
    heads("VALUES (1, 2)", &["column1", "column2"]);
}

#[test]
fn wildcards_are_written_out_only_where_they_clash() {
    check(
        "SELECT * FROM (SELECT a.*, b.* FROM @dev.users a JOIN @prod.public.users b ON a.id = b.id) x",
        "SELECT * FROM (SELECT a.id, a.name, b.id AS __junto_c0, b.name AS __junto_c1, b.email FROM __junto_t0 a \
         JOIN __junto_t1 b ON a.id = b.id) x",
    );
    check(
        "SELECT *, u.* FROM @dev.users u",
        "SELECT u.id, u.name, u.id AS __junto_c0, u.name AS __junto_c1 FROM __junto_t0 u",
    );
    fails(
        "SELECT x.id FROM (SELECT a.*, b.* FROM @dev.users a JOIN @prod.public.users b ON a.id = b.id) x",
        "`x.id` is ambiguous at line 1, column 8: it may mean x.id",
        "x.id",
        "write x.id",
    );
}

#[test]
fn order_by_and_group_by_follow_the_select_list() {
    check(
        "SELECT DISTINCT lower(name), 1 + id AS n FROM @dev.users u ORDER BY lower(name), 1 + id, 2 DESC",
        "SELECT DISTINCT lower(name) AS __junto_c0, 1 + id AS n FROM __junto_t0 u ORDER BY __junto_c0, n, 2 DESC",
    );
    check(
        "SELECT count(*), name AS \"N\" FROM @dev.users GROUP BY \"N\" HAVING count(*) > 1 ORDER BY count, \"N\", count(*)",
        "SELECT count(*) AS __junto_c0, name AS \"N\" FROM __junto_t0 AS users GROUP BY \"N\" HAVING count(*) > 1 \
         ORDER BY __junto_c0, \"N\", count(*)",
    );
    check(
        "SELECT -id AS id FROM @dev.users GROUP BY id ORDER BY id, id + 0",
        "SELECT -id AS __junto_c0 FROM __junto_t0 AS users GROUP BY id ORDER BY __junto_c0, id + 0",
    );
    heads("SELECT -id AS \"Id\" FROM @dev.users GROUP BY id ORDER BY \"Id\" + 0", &["Id"]);
    check(
        "SELECT a.id FROM @dev.users a, @prod.public.users b ORDER BY id",
        "SELECT a.id FROM __junto_t0 a, __junto_t1 b ORDER BY a.id",
    );
    check(
        "SELECT id AS \"Key\" FROM @dev.users UNION SELECT id FROM @prod.public.users ORDER BY \"Key\"",
        "SELECT id AS \"Key\" FROM __junto_t0 AS users UNION SELECT id FROM __junto_t1 AS users ORDER BY \"Key\"",
    );
}

#[test]
fn names_the_statement_defines_stay_as_they_are() {
    check(
        "WITH \"Big\" AS (SELECT userId AS \"Who\" FROM @users_db.users) SELECT b.\"Who\", \"Who\" + 1 AS next FROM \"Big\" b",
        "WITH \"Big\" AS (SELECT userid AS \"Who\" FROM __junto_t0 AS users) SELECT b.\"Who\", \"Who\" + 1 AS next \
         FROM \"Big\" b",
    );
    check(
        "SELECT \"Sub\".\"UserId\", sum(x) OVER \"W\" AS s FROM (SELECT userId, 1 AS x FROM @users_db.users) \"Sub\" \
         WINDOW \"W\" AS (ORDER BY userId)",
        "SELECT \"Sub\".userid, sum(x) OVER \"W\" AS s FROM (SELECT userid, 1 AS x FROM __junto_t0 AS users) \"Sub\" \
         WINDOW \"W\" AS (ORDER BY userid)",
    );
    check(
        "SELECT x.count, x.max FROM (SELECT count(*), max(id) FROM @dev.users) x",
        "SELECT x.count, x.max FROM (SELECT count(*) AS count, max(id) AS max FROM __junto_t0 AS users) x",
    );
    check(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
        "WITH RECURSIVE n (i) AS (SELECT 1 AS __junto_c0 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
    );
    check("SELECT g FROM generate_series(1, 3) AS g", "SELECT g FROM generate_series(1, 3) AS g (g)");
}

#[test]
fn subqueries_see_the_tables_around_them() {
    check(
        "SELECT name FROM @dev.users WHERE EXISTS (SELECT 1 FROM @orders_db.orders o WHERE o.user_id = users.id \
         AND o.total > (SELECT avg(total) FROM @orders_db.sales.orders WHERE user_id = users.id))",
        "SELECT name FROM __junto_t0 AS users WHERE EXISTS (SELECT 1 FROM __junto_t1 o WHERE o.user_id = users.id \
         AND o.total > (SELECT avg(total) FROM __junto_t1 AS orders WHERE user_id = users.id))",
    );
    check(
        "SELECT u.id, l.total FROM @dev.users u, LATERAL (SELECT total FROM @orders_db.orders WHERE user_id = u.id) l",
        "SELECT u.id, l.total FROM __junto_t0 u, LATERAL (SELECT total FROM __junto_t1 AS orders WHERE user_id = u.id) l",
    );
}

#[test]
fn merged_columns_are_not_ambiguous() {
    check(
        "SELECT id FROM @dev.users a JOIN @prod.public.users b USING (ID)",
        "SELECT a.id FROM __junto_t0 a JOIN __junto_t1 b USING(id)",
    );
    check(
        "SELECT * FROM @dev.users a JOIN @prod.public.users b USING (name)",
        "SELECT a.name, a.id, b.id AS __junto_c0, b.email FROM __junto_t0 a JOIN __junto_t1 b USING(name)",
    );
    check(
        "SELECT name, id FROM @dev.users a NATURAL JOIN @prod.public.users b",
        "SELECT a.name, a.id FROM __junto_t0 a NATURAL JOIN __junto_t1 b",
    );
    fails(
        "SELECT id FROM @dev.users a JOIN @prod.public.users b USING (id) JOIN @orders_db.orders o ON o.user_id = a.id",
        "`id` is ambiguous at line 1, column 8: it may mean a.id or o.id",
        "id",
        "write a.id or o.id",
    );
    check(
        "SELECT id, email FROM @dev.users a FULL JOIN @prod.public.users b USING (id) WHERE id > 1",
        "SELECT coalesce(a.id, b.id) AS id, email FROM __junto_t0 a FULL JOIN __junto_t1 b USING(id) \
         WHERE coalesce(a.id, b.id) > 1",
    );
    check(
        "SELECT * FROM @dev.users a RIGHT JOIN @prod.public.users b USING (id)",
        "SELECT coalesce(a.id, b.id) AS id, a.name, b.name AS __junto_c0, b.email FROM __junto_t0 a \
         RIGHT JOIN __junto_t1 b USING(id)",
    );
}

#[test]
fn everyday_functions_go_by_the_engines_names() {
    check(
        "SELECT IFNULL(name, ''), NVL(name, ''), LEN(name), LCASE(name), UCASE(name), GROUP_CONCAT(name), CURDATE() \
         FROM @dev.users",
        "SELECT coalesce(name, '') AS __junto_c0, coalesce(name, '') AS __junto_c1, character_length(name) AS __junto_c2, \
         lower(name) AS __junto_c3, upper(name) AS __junto_c4, \
         string_agg(junto_named(CAST(name AS VARCHAR)), ',') AS __junto_c5, \
         current_date() AS __junto_c6 FROM __junto_t0 AS users",
    );
}

#[test]
fn casts_have_names_of_their_own_and_cut_text() {
    for (written, expect) in [
        ("id::int", "junto_named(id::INT)"),
        ("id::varchar(3)", "left(junto_named(id::VARCHAR), 3)"),
        ("CAST(id AS char)", "rtrim(left(junto_named(CAST(id AS VARCHAR)), 1), ' ')"),
        ("id::timestamp(6)", "junto_named(id::TIMESTAMP(6))"),
        ("mod(id, 3)", "id % 3"),
        ("1e300", "junto_named(CAST('1e300' AS DOUBLE PRECISION))"),
    ] {
        let text = format!("SELECT {written} AS x FROM @dev.users");
        check(&text, &format!("SELECT {expect} AS x FROM __junto_t0 AS users"));
    }
}

#[test]
fn patterns_of_dates_are_postgresqls() {
    check(
        "SELECT to_char(day, 'YYYY-MM') AS m FROM @production.order_stats",
        "SELECT to_char(day, '%Y-%m') AS m FROM __junto_t0 AS order_stats",
    );
    fails(
        "SELECT to_char(day, 'Q') FROM @production.order_stats",
        "pattern 'Q' of `to_char` is not available at line 1, column 8",
        "to_char",
        "YYYY, MM, DD, HH24, MI, SS, MS, Mon and Dy are; or use extract and date_trunc",
    );
}

#[test]
fn unknown_names_are_errors_with_suggestions() {
    fails(
        "SELECT u.nmae FROM @dev.users u",
        "unknown column `nmae` of `u` at line 1, column 8",
        "u.nmae",
        "did you mean `name`?",
    );
    fails("SELECT name\nFROM @dev.users WHERE emial = 1", "unknown column `emial` at line 2, column 23", "emial", "");
    fails(
        "SELECT x.id FROM @dev.users u",
        "no table `x` in the FROM clause for `id` at line 1, column 8",
        "x.id",
        "tables here: u",
    );
    fails(
        "SELECT @prod.users.id FROM @dev.users u",
        "no table `users` in the FROM clause for `@prod.users.id` at line 1, column 8",
        "@prod.users.id",
        "tables here: u",
    );
    fails(
        "SELECT * FROM users",
        "no connection is named for table `users` at line 1, column 15",
        "users",
        "write `@users_db.users` or `@orders_db.users`",
    );
    fails(
        "SELECT * FROM @my-conn.t",
        "`@my-conn` is no reference to a table at line 1, column 15",
        "@my-conn",
        "a reference is `@connection.table` without spaces; write other aliases in double quotes: \
         `@\"my-conn\".table`",
    );
    fails(
        "SELECT @dev.id FROM @dev.users",
        "`@dev.id` cannot name a column at line 1, column 8",
        "@dev.id",
        "write `@connection.table.column` or `@connection.schema.table.column`",
    );
    fails(
        "SELECT CAST(1 AS @dev.users) FROM @dev.users",
        "`@dev.users` stands where neither a table nor a column can stand at line 1, column 18",
        "@dev.users",
        "use references as tables in FROM and JOIN, or as columns",
    );
}

#[test]
fn rows_may_be_inserted_and_tables_created() {
    let resolved = check(
        "INSERT INTO @dev.users (ID, name) SELECT id, name FROM @prod.public.users",
        "INSERT INTO __junto_t0 (ID, name) SELECT id, name FROM __junto_t1 AS users",
    );
    assert_eq!(resolved.target.expect("a target").columns, ["id", "name"]);
    assert!(bind("UPDATE @dev.users SET id = 1").is_err());
    assert!(bind("DELETE FROM @dev.users").is_err());
    assert!(bind("INSERT INTO @dev.users SELECT 1 ON CONFLICT DO NOTHING").is_err());
    assert!(bind("SELECT * FROM @dev.users FOR UPDATE").is_err());
    check("EXPLAIN SELECT id FROM @dev.users", "EXPLAIN SELECT id FROM __junto_t0 AS users");
    check("SELECT id FROM @dev.users FETCH FIRST 5 ROWS ONLY", "SELECT id FROM __junto_t0 AS users LIMIT 5");
}
