//! What the planner asks sources for, where their statistics say nothing.

use junto_engine::StatementOptions;
use junto_testkit::{mariadb, postgres, require};

use crate::engine::engine;
use crate::harness::Place;

/// 400,000 rows, 200 of which are rare.
const NOTES: &str = "create table notes (id int primary key, note varchar(40) not null, number int not null);
    create index by_number on notes (number);";

/// PostgreSQL's way to fill them.
const FILLED: &str = "insert into notes
    select n, case when n % 2000 = 0 then 'rare ' || n else 'common ' || n % 5 end, n from generate_series(1, 400000) n;
    analyze notes";

fn explained(place: &Place, url: &str, sql: &str) -> String {
    let outcome = place.junto(&["explain", "-c", url, sql]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

/// Rows that the explanation's read of one table expects.
fn expected_rows(explained: &str) -> u64 {
    let read = explained.lines().find(|line| line.contains(": Read ")).expect("a read");
    let (_, figure) = read.split_once("[estimated rows ").expect("an estimate");
    figure.split([',', ']']).next().and_then(|figure| figure.parse().ok()).expect("a number")
}

#[test]
fn postgresql_says_what_a_pattern_keeps() {
    let server = require!(postgres::shared());
    server.create_database("cli_estimates");
    server.execute("cli_estimates", &format!("{NOTES} {FILLED}; create view seen as select * from notes"));
    let (place, url) = (Place::empty(), format!("db={}", server.url("cli_estimates")));
    let pattern = explained(&place, &url, "SELECT id, note FROM @db.notes WHERE note LIKE '%are%'");
    assert!(pattern.contains("note: @db.public.notes where"), "{pattern}");
    assert!(pattern.contains("rows expected by the source"), "{pattern}");
    assert!(expected_rows(&pattern) < 4_000, "a tenth of all was guessed: {pattern}");
    let both = "SELECT a.note, b.number FROM @db.seen a JOIN @db.seen b ON b.id = a.id";
    let view = explained(&place, &url, both);
    assert!(view.contains("note: @db.public.seen: 400000 rows expected by the source"), "{view}");
    assert_eq!(expected_rows(&view), 400_000);
    let known = explained(&place, &url, "SELECT id, note FROM @db.notes WHERE number > 50");
    assert!(!known.contains("expected by the source"), "statistics say it: {known}");
    let short = explained(&place, &url, "SELECT note FROM @db.notes WHERE id = 7 AND note LIKE '%are%'");
    assert!(!short.contains("expected by the source"), "not worth a question: {short}");
}

#[test]
fn mariadb_says_what_its_indexes_know() {
    let maria = require!(mariadb::shared());
    maria.create_database("cli_estimates");
    maria.execute("cli_estimates", NOTES);
    maria.execute(
        "cli_estimates",
        "create index by_note on notes (note);
         insert into notes select seq, if(seq % 2000 = 0, concat('rare ', seq), concat('common ', seq % 5)), seq
             from seq_1_to_400000;
         analyze table notes;
         create view seen as select * from notes;
         create or replace user cli_estimates@'127.0.0.1' identified by 'x';
         grant select on cli_estimates.seen to cli_estimates@'127.0.0.1'",
    );
    let (place, url) = (Place::empty(), format!("db={}", maria.url("cli_estimates")));
    let range = explained(&place, &url, "SELECT id, note FROM @db.notes WHERE note LIKE 'rare%'");
    assert!(range.contains("note: @db.cli_estimates.notes where"), "{range}");
    assert!(expected_rows(&range) < 4_000, "{range}");
    let tested = explained(&place, &url, "SELECT id, note FROM @db.notes WHERE note LIKE '%are%'");
    assert!(!tested.contains("expected by the source"), "no index, no histogram: {tested}");
    let both = "SELECT a.note, b.number FROM @db.seen a JOIN @db.seen b ON b.id = a.id";
    let view = explained(&place, &url, both);
    assert!((350_000..450_000).contains(&expected_rows(&view)), "{view}");
    let unseen = format!("db=mysql://cli_estimates:x@127.0.0.1:{}/cli_estimates", maria.port());
    let unseen = explained(&place, &unseen, both);
    assert!(unseen.contains("note: @db.cli_estimates.seen: guessed, the source does not say"), "{unseen}");
}

#[tokio::test]
async fn what_a_source_said_is_kept_with_its_statistics() {
    let server = require!(postgres::shared());
    server.create_database("cli_remembered");
    server.execute("cli_remembered", &format!("{NOTES} {FILLED}"));
    let engine = engine(&[("db", &server.url("cli_remembered"))], 2);
    let explain = async || {
        let sql = "SELECT id, note FROM @db.notes WHERE note LIKE '%are%'";
        let explanation = engine.explain(sql, &StatementOptions::default(), false).await;
        explanation.expect("a plan").to_string()
    };
    let first = explain().await;
    assert!(first.contains("rows expected by the source"), "{first}");
    server.execute("cli_remembered", "update notes set note = 'rare ' || id; analyze notes");
    assert_eq!(expected_rows(&explain().await), expected_rows(&first));
}
