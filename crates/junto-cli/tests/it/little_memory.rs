//! Statements that need more memory than they have: the same rows, or a refusal.

use crate::harness::{Outcome, Place};

/// Rows of each table, of some 2 KB: more than the memory holds on either side of a join.
const TABLE: &str = "CREATE TABLE t AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
    SELECT n, n || replace(hex(zeroblob(1000)), '0', 'x') AS text FROM n";
const MEMORY: &str = "4MB";

/// A table in a database, and one in a file whose rows begin later.
fn place() -> Place {
    let place = Place::with(TABLE);
    let rows = (101..3101).map(|n| format!("{n},{n}{}\n", "y".repeat(2000)));
    place.write("files/t.csv", format!("n,text\n{}", rows.collect::<String>()));
    place
}

fn run(place: &Place, arguments: &[&str], sql: &str) -> Outcome {
    place.query(&[&["-c", "files=files:files", "--limit", "none"], arguments].concat(), sql)
}

/// The answer, which is the same with little memory and with enough.
fn rows(place: &Place, sql: &str) -> String {
    let expected = run(place, &[], sql).rows();
    let spilled = run(place, &["--memory-limit", MEMORY], sql).rows();
    assert!(spilled == expected, "{sql}\n{} lines instead of {}", spilled.lines().count(), expected.lines().count());
    expected
}

#[test]
fn joins_by_ranges_give_the_same_rows_from_the_disk() {
    let place = place();
    let condition = "a.n * 3 BETWEEN b.n AND b.n + 1 AND a.text <> b.text";
    for (kind, counts) in [("INNER", [2000, 1800]), ("LEFT", [4000, 3900]), ("RIGHT", [3000, 3000])] {
        for (tables, count) in [("@shop.t", "@files.t"), ("@files.t", "@shop.t")].into_iter().zip(counts) {
            let sql = format!(
                "SELECT a.n AS x, b.n AS y, md5(concat(a.text, b.text)) AS m \
                 FROM {} a {kind} JOIN {} b ON {condition} ORDER BY x, y",
                tables.0, tables.1
            );
            assert_eq!(rows(&place, &sql).lines().count(), count + 1, "{sql}");
        }
    }
    for (what, tables) in [
        ("EXISTS", ("@shop.t", "@files.t")),
        ("NOT EXISTS", ("@shop.t", "@files.t")),
        ("a.n < 700 OR EXISTS", ("@files.t", "@shop.t")),
        ("a.n < 700 OR NOT EXISTS", ("@shop.t", "@files.t")),
    ] {
        let sql = format!(
            "SELECT a.n, md5(a.text) AS m FROM {} a WHERE {what} (SELECT 1 FROM {} b WHERE {condition}) ORDER BY a.n",
            tables.0, tables.1
        );
        assert!(rows(&place, &sql).lines().count() > 1, "{sql}");
    }
}

#[test]
fn what_cannot_spill_says_that_it_needs_memory() {
    let place = place();
    let full = "SELECT count(md5(concat(a.text, b.text))) AS n \
                FROM @shop.t a FULL JOIN @files.t b ON a.n * 3 BETWEEN b.n AND b.n + 1";
    let below = "SELECT count(*) AS n FROM (SELECT string_agg(text, ',') AS s \
                 FROM (SELECT text FROM @shop.t UNION ALL SELECT text FROM @files.t) AS u) AS x \
                 JOIN @files.t b ON x.s > b.text";
    assert_eq!(run(&place, &[], full).rows(), "n\n5000\n");
    for sql in [full, below] {
        let said = run(&place, &["--memory-limit", MEMORY], sql).refused(1);
        assert!(said.contains("needs more than its 4194304 bytes of memory"), "{sql}: {said}");
    }
}

#[test]
fn a_read_that_is_used_twice_waits_on_the_disk() {
    let place = place();
    let sql = "SELECT n, text FROM @files.t UNION ALL SELECT n, text FROM @files.t";
    let sorted = |arguments: &[&str]| {
        let mut lines: Vec<String> = run(&place, arguments, sql).rows().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let expected = sorted(&[]);
    assert_eq!(expected.len(), 6001);
    assert!(sorted(&["--memory-limit", MEMORY]) == expected);
    let plan = place.junto(&["explain", "-c", "files=files:files", sql]).stdout;
    assert!(plan.contains("Read once for all"), "{plan}");
}
