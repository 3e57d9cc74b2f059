//! What holds for every text: nothing panics, offsets stay exact, quoted text is never code.

use junto_sql::{
    Dialect, blank, check_aliases, classify_native, has_references, parse, references, resolve, split_statements,
    underline,
};
use junto_types::Span;
use proptest::prelude::*;

const DIALECTS: [Dialect; 5] =
    [Dialect::Federated, Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite, Dialect::DuckDb];

/// Texts made of what the lexer and the parser care about.
fn sql_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "@",
        "@a.b",
        "@\"x y\".\"T\"",
        "@a.s.t.c",
        ".",
        "'",
        "''",
        "\"",
        "`",
        "--",
        "\n",
        "/*",
        "*/",
        "$$",
        "$t$",
        "\\",
        "(",
        ")",
        ";",
        " ",
        "SELECT ",
        "FROM ",
        "WITH c AS ",
        "ä",
        "名",
        "E'",
        "1",
        "-",
        "<",
        ">",
        "=",
        "*",
        ",",
        "a",
        "b.c",
        " AND ",
        " JOIN ",
        " ON ",
        " ORDER BY ",
        " GROUP BY ",
        "count(*)",
        " AS x",
        " UNION ",
        "[",
        "]",
        "::int",
        "#",
        ":=",
        "CURRENT_DATE - 1",
        " USING (a)",
        " NOT ",
        "CASE WHEN ",
        " END",
        "INSERT INTO ",
        "\r\n",
        "\t",
        "\u{301}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A name as it may stand in a reference, unquoted or quoted.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_é][a-zA-Z0-9_$é]{0,8}",
        "[ -~é名]{1,8}".prop_map(|name| format!("\"{}\"", name.replace('"', "\"\""))),
    ]
}

fn reference() -> impl Strategy<Value = String> {
    prop::collection::vec(part(), 2..=4).prop_map(|parts| format!("@{}", parts.join(".")))
}

/// Text that only looks like references: strings, comments, quoted names.
fn decoy() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\\n]{0,20}".prop_map(|body| format!("'{}@a.b'", body.replace('\'', "''"))),
        "[ -~]{0,20}".prop_map(|body| format!("-- @a.b {body}\n")),
        "[a-z @.'\"\\n]{0,20}".prop_map(|body| format!("/* @a.b {body} /* @c.d */ */")),
        "[a-z @.'\"\\n]{0,20}".prop_map(|body| format!("$q$ @a.b {body} $q$")),
        "[ -~]{0,20}".prop_map(|body| format!("\"@a.b{}\"", body.replace('"', "\"\""))),
        Just("@x".into()),
        Just("@@session.x".into()),
        Just("a @> b".into()),
        Just("a <@ b.c".into()),
        Just("@ -5".into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_anything_panic(text in prop_oneof![any::<String>(), sql_like()], at in 0_usize..300, to in 0_usize..300) {
        for dialect in DIALECTS {
            let _ = split_statements(&text, dialect);
            let _ = classify_native(&text, dialect);
        }
        let _ = has_references(&text);
        let _ = underline(&text, Span::new(at, to));
        match parse(&text) {
            Ok(parsed) => {
                let _ = check_aliases(&parsed, &[]);
                let _ = parsed.table_references();
                let _ = resolve(&parsed, &[], &[]);
            }
            Err(error) => {
                let _ = (error.to_string(), error.hint());
                if let Some(span) = error.span() {
                    prop_assert!(text.get(span.start..span.end).is_some(), "{span:?} is no range of the text");
                    let _ = underline(&text, span);
                }
            }
        }
    }

    #[test]
    fn blanking_keeps_the_length_and_every_other_byte(text in sql_like()) {
        let Ok(found) = references(&text) else { return Ok(()) };
        let blanked = blank(&text, &found);
        prop_assert_eq!(blanked.len(), text.len());
        for (at, (new, old)) in blanked.bytes().zip(text.bytes()).enumerate() {
            let is_reference = found.iter().any(|reference| reference.span.start == at);
            prop_assert_eq!(new, if is_reference { b' ' } else { old });
        }
    }

    #[test]
    fn references_have_exactly_their_spans(pieces in prop::collection::vec((decoy(), reference()), 1..8)) {
        let mut text = String::from("SELECT ");
        let mut expect = Vec::new();
        for (decoy, reference) in &pieces {
            text.push_str(decoy);
            text.push_str(" , ");
            let start = text.len();
            text.push_str(reference);
            expect.push(Span::new(start, text.len()));
            text.push_str(" + ");
        }
        let found = references(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(found.iter().map(|one| one.span).collect::<Vec<_>>(), expect, "{}", text);
    }

    #[test]
    fn quoted_text_is_never_a_reference(decoys in prop::collection::vec(decoy(), 0..10)) {
        prop_assert_eq!(references(&decoys.join(" ")).map(|found| found.len()), Ok(0));
    }

    #[test]
    fn splitting_and_joining_give_the_statements_back(
        statements in prop::collection::vec("SELECT [a-z0-9, ]{0,10}x", 1..6), decoys in prop::collection::vec(decoy(), 6)
    ) {
        let written: Vec<String> = statements.iter().zip(&decoys).map(|(one, decoy)| format!("{one} {decoy} y")).collect();
        let text = written.join(" ;; -- next\n;");
        let found = split_statements(&text, Dialect::Federated).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let parts: Vec<String> = found.iter().map(|one| one.span.of(&text).to_owned()).collect();
        prop_assert_eq!(&parts, &written);
        let again = parts.join(";");
        let found = split_statements(&again, Dialect::Federated).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(found.iter().map(|one| one.span.of(&again).to_owned()).collect::<Vec<_>>(), written);
    }
}
