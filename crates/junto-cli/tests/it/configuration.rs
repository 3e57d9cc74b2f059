//! `junto.toml` and `junto connections`.

use crate::harness::Place;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)";

#[test]
fn connections_come_from_the_file_of_the_folder() {
    let place = Place::with(TABLE);
    place.write("junto.toml", "[connections.shop]\nurl = \"sqlite:shop.db\"\n");
    assert_eq!(place.junto(&["query", "SELECT count(*) AS n FROM @shop.t"]).rows(), "n\n1\n");
}

#[test]
fn unknown_keys_are_refused_with_their_place() {
    let place = Place::empty();
    place.write("junto.toml", "[multiquery]\ntimeuot = \"5s\"\n");
    assert_eq!(
        place.junto(&["query", "SELECT 1"]).refused(1),
        "error: unknown key `multiquery.timeuot`\n --> junto.toml:2:1\n  |\n2 | timeuot = \"5s\"\n  | ^^^^^^^\nhint: did you mean `timeout`?\n"
    );
}

#[test]
fn settings_have_their_effect_and_flags_win() {
    let place = Place::with(TABLE);
    place.write("junto.toml", "[multiquery]\nenabled = false\n[connections.shop]\nurl = \"sqlite:shop.db\"\n");
    let sql = "SELECT * FROM @shop.t";
    assert!(place.junto(&["query", sql]).refused(1).contains("multiquery.enabled"));
    let output = place.command(&["query", sql]).env("JUNTO_MULTIQUERY_ENABLED", "true").output().expect("started");
    assert_eq!(output.stdout, b"id\n1\n");
    let output = place.command(&["query", sql]).env("JUNTO_MULTIQUERY_ENABLE", "true").output().expect("started");
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `enabled`?"));
}

#[test]
fn a_broken_connection_fails_only_those_who_use_it() {
    let place = Place::with(TABLE);
    let file = "[connections.shop]\nurl = \"sqlite:shop.db\"\n[connections.other]\nurl = \"postgres://u:${env:NOT_SET_HERE}@h/d\"\n";
    place.write("junto.toml", file);
    assert_eq!(place.junto(&["query", "SELECT count(*) AS n FROM @shop.t"]).rows(), "n\n1\n");
    let said = place.junto(&["query", "SELECT * FROM @other.t"]).refused(1);
    assert!(said.contains("connection @other: option `url` needs the environment variable NOT_SET_HERE"), "{said}");
}

#[test]
fn connections_are_added_changed_and_removed() {
    let place = Place::with(TABLE);
    place.write("junto.toml", "# my databases\n");
    let done = |arguments: &[&str]| {
        let outcome = place.junto(&[&["connections"], arguments].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout
    };
    done(&["add", "shop", "sqlite:shop.db", "--name", "The shop"]);
    done(&["add", "pg", "postgres://ada:${env:PW}@h/db"]);
    assert!(done(&["list"]).contains("shop  │ The shop │ sqlite"), "{}", done(&["list"]));
    done(&["edit", "pg", "--rename", "warehouse", "--option", "sslmode=require"]);
    let text = place.read("junto.toml");
    assert!(text.starts_with("# my databases\n"), "{text}");
    assert!(text.contains("[connections.warehouse]") && text.contains("sslmode = \"require\""), "{text}");
    let again = place.junto(&["connections", "add", "SHOP", "sqlite:x"]).refused(1);
    assert!(again.contains("there is a connection @SHOP already"), "{again}");
    done(&["remove", "shop"]);
    assert!(!place.read("junto.toml").contains("sqlite"));
    let unknown = place.junto(&["connections", "remove", "warehous"]).refused(1);
    assert!(unknown.contains("did you mean `warehouse`?"), "{unknown}");
}

#[cfg(unix)]
#[test]
fn passwords_in_the_file_are_for_its_owner_and_are_not_exported() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::empty();
    let added = place.junto(&["connections", "add", "pg", "postgres://ada:canary@h/db"]);
    assert!(added.stderr.contains("warning:") && !added.stderr.contains("canary"), "{}", added.stderr);
    let file = place.path().join(".config/junto/junto.toml");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!place.junto(&["connections", "list"]).rows().contains("canary"));
    let exported = place.junto(&["connections", "export"]).rows();
    assert!(!exported.contains("canary") && exported.contains("password = \"${env:JUNTO_PG_PASSWORD}\""), "{exported}");
    place.write("other.toml", &exported);
    let refused = place.junto(&["connections", "import", "other.toml"]).refused(1);
    assert!(refused.contains("there is a connection @pg already; nothing was imported"), "{refused}");
}

#[test]
fn test_goes_step_by_step() {
    let place = Place::with(TABLE);
    place.write(
        "junto.toml",
        "[connections.shop]\nurl = \"sqlite:shop.db\"\n[connections.gone]\nurl = \"sqlite:gone.db\"\n",
    );
    let outcome = place.junto(&["connections", "test"]);
    assert_eq!(outcome.code, Some(2));
    for line in [
        "@shop\n  options      ok\n  connect      ok, ",
        "SQLite",
        "1 table",
        "@gone\n",
        "  failed: connection @gone: no such file",
    ] {
        assert!(outcome.stdout.contains(line), "{line} is missing in {}", outcome.stdout);
    }
}

#[test]
fn schema_shows_tables_and_columns() {
    let sql = "CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE o (id INTEGER PRIMARY KEY, c_id INTEGER REFERENCES c (id), total DECIMAL(10,2));
        CREATE INDEX o_c ON o (c_id);";
    let place = Place::with(sql);
    let schema = |name: &str| place.junto(&["schema", "-c", "shop=sqlite:shop.db", name]).rows();
    assert!(schema("@shop").contains("main   │ c     │ table"), "{}", schema("@shop"));
    let table = schema("@shop.o");
    for part in [
        "DECIMAL(10,2) │ decimal(10,2) │ yes",
        "c_id   │ INTEGER",
        "→ main.c",
        "index o_c: c_id",
        "foreign key: c_id → main.c (id)",
    ] {
        assert!(table.contains(part), "{part} is missing in {table}");
    }
    assert_eq!(schema("@shop.main.o"), table);
    let said = place.junto(&["schema", "-c", "shop=sqlite:shop.db", "@shop.oo"]).refused(1);
    assert!(said.contains("did you mean `o`?"), "{said}");
}
