//! Every format through the whole path, from a database to the bytes.

use crate::harness::Place;

const TABLE: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, amount DECIMAL(12,2), note TEXT);
    INSERT INTO t VALUES (1, 1.5, 'say \"hi\",' || char(10) || 'now'), (2, NULL, ''), (3, -0.07, NULL);
";
const ALL: &str = "SELECT id, amount, note FROM @shop.t ORDER BY id";

#[track_caller]
fn check(format: &str, expected: &str) {
    assert_eq!(Place::with(TABLE).query(&["--format", format], ALL).rows(), expected);
}

#[test]
fn csv_is_the_form_of_pipes() {
    let expected = "id,amount,note\n1,1.50,\"say \"\"hi\"\",\nnow\"\n2,,\"\"\n3,-0.07,\n";
    check("csv", expected);
    assert_eq!(Place::with(TABLE).query(&[], ALL).rows(), expected);
}

#[test]
fn tsv() {
    check("tsv", "id\tamount\tnote\n1\t1.50\tsay \"hi\",\\nnow\n2\t\\N\t\n3\t-0.07\t\\N\n");
}

#[test]
fn json_forms() {
    check("jsonl-array", "[1,1.50,\"say \\\"hi\\\",\\nnow\"]\n[2,null,\"\"]\n[3,-0.07,null]\n");
    check(
        "json",
        "[\n{\"id\":1,\"amount\":1.50,\"note\":\"say \\\"hi\\\",\\nnow\"},\n{\"id\":2,\"amount\":null,\"note\":\"\"},\n{\"id\":3,\"amount\":-0.07,\"note\":null}\n]\n",
    );
}

#[test]
fn tables_for_people() {
    check(
        "table",
        &[
            "id │ amount │ note",
            "───┼────────┼───────────────",
            " 1 │   1.50 │ say \"hi\",\\nnow",
            " 2 │   NULL │ ",
            " 3 │  -0.07 │ NULL",
            "",
        ]
        .join("\n"),
    );
    check(
        "markdown",
        "| id | amount | note |\n| ---: | ---: | --- |\n| 1 | 1.50 | say \"hi\",<br>now |\n| 2 | |  |\n| 3 | -0.07 | |\n",
    );
}

#[test]
fn files_appear_when_they_are_complete() {
    let place = Place::with(TABLE);
    assert_eq!(place.query(&["--output", "rows.jsonl"], ALL).rows(), "");
    assert_eq!(place.read("rows.jsonl").lines().count(), 3);
    assert_eq!(place.query(&["--output", "rows.parquet"], ALL).rows(), "");
    assert!(place.read_bytes("rows.parquet").starts_with(b"PAR1"));
    // What was there stays when the statement fails, and nothing half-written is left.
    place.query(&["--output", "rows.jsonl"], "SELECT * FROM @shop.missing").refused(1);
    assert_eq!(place.read("rows.jsonl").lines().count(), 3);
    assert_eq!(place.names_in("."), ["rows.jsonl", "rows.parquet", "shop.db"]);
}

#[test]
fn a_cut_is_always_said() {
    let outcome = Place::with(TABLE).query(&["--limit", "2", "--format", "jsonl-array"], ALL);
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stdout.lines().count(), 2);
    assert_eq!(outcome.stderr, "the result is cut after 2 rows; `--limit none` shows all of them\n");
    // A limit that is not reached says nothing.
    assert_eq!(Place::with(TABLE).query(&["--limit", "3", "--format", "jsonl-array"], ALL).rows().lines().count(), 3);
}

#[test]
fn rows_are_written_once_and_timed_every_time() {
    let outcome = Place::with(TABLE).query(&["--repeat", "3", "--timing", "--format", "jsonl-array"], ALL);
    assert_eq!(outcome.stdout.lines().count(), 3);
    let lines: Vec<serde_json::Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!((&line["statement"], &line["ok"], &line["rows"]), (&1.into(), &true.into(), &3.into()));
        assert_eq!((&line["strategy"], &line["error"]), (&"federated".into(), &serde_json::Value::Null));
        assert_eq!((&line["sources"][0]["connection"], &line["sources"][0]["rows"]), (&"shop".into(), &3.into()));
        assert!(line["elapsed_ms"].as_f64().expect("a number") > 0.0);
    }
}

#[test]
fn several_statements_share_an_output() {
    let place = Place::with(TABLE);
    let sql = "SELECT 1 AS a; ; -- nothing\n SELECT id FROM @shop.t WHERE id = 2;";
    assert_eq!(place.query(&[], sql).rows(), "a\n1\n\nid\n2\n");
    let refused = place.query(&["--output", "x.parquet"], sql).refused(1);
    assert!(refused.contains("this format holds one result"), "{refused}");
}

#[test]
fn statements_come_from_files_and_pipes() {
    let place = Place::with(TABLE);
    place.write("q.sql", "SELECT count(*) AS n FROM @shop.t");
    assert_eq!(place.junto(&["query", "-c", "shop=sqlite:shop.db", "--file", "q.sql"]).rows(), "n\n3\n");
    let mut command = place.command(&["query", "-c", "shop=sqlite:shop.db", "-"]);
    let file = std::fs::File::open(place.path().join("q.sql")).expect("there");
    let output = command.stdin(file).output().expect("the binary starts");
    assert_eq!(output.stdout, b"n\n3\n");
}
