//! The standard tables, as values and as SQL for each kind of source.
//!
//! `everything` has a column per type and a row per edge; `parent` and `child` share keys (NULL and orphans
//! included); `empty` has no rows; `many` is big enough to be interrupted. What a source cannot hold is NULL there.

use std::fmt::Write as _;

use super::value::{Row, Value};

/// Who writes the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Mariadb,
    Sqlite,
    Duckdb,
}

/// One of the standard tables.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// A column of a standard table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
}

/// Type of a column, before a source spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Primary key.
    Key,
    SmallInt,
    Int,
    BigInt,
    Decimal(u8, i8),
    /// Compared by bytes where the source has such a collation.
    Text,
    /// Compared ignoring case, or by a language's rules.
    LooseText,
    Boolean,
    Double,
    Real,
    Date,
    Timestamp,
    Instant,
    Time,
    Binary,
}

/// Rows of `many`.
pub const MANY_ROWS: u64 = 200_000;

/// The tables a source of this kind holds, `many` excepted.
pub fn tables(dialect: Dialect) -> Vec<Table> {
    let mut tables = vec![everything(), parent(), child(), empty()];
    for table in &mut tables {
        for row in &mut table.rows {
            for (value, column) in row.iter_mut().zip(&table.columns) {
                if !holds(dialect, column.kind, value) {
                    *value = Value::Null;
                }
            }
        }
    }
    tables
}

/// Statements that create and fill all tables, in an empty database.
pub fn sql(dialect: Dialect) -> String {
    let mut sql = String::new();
    if dialect == Dialect::Mariadb {
        sql.push_str("SET time_zone = '+00:00';\nSET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES';\n");
    }
    for table in tables(dialect) {
        let mut definitions: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, type_name(dialect, column.kind))).collect();
        if table.name == "child" {
            definitions.push("FOREIGN KEY (parent_id) REFERENCES parent (id)".into());
        }
        let _ = writeln!(sql, "CREATE TABLE {} ({});", table.name, definitions.join(", "));
        for row in &table.rows {
            let values: Vec<String> =
                row.iter().zip(&table.columns).map(|(value, column)| literal(dialect, column.kind, value)).collect();
            let _ = writeln!(sql, "INSERT INTO {} VALUES ({});", table.name, values.join(", "));
        }
    }
    sql.push_str(&many(dialect));
    sql
}

fn many(dialect: Dialect) -> String {
    let rows = MANY_ROWS;
    let columns = match dialect {
        Dialect::Mariadb => "id BIGINT NOT NULL PRIMARY KEY, note VARCHAR(100) NOT NULL",
        _ => "id BIGINT NOT NULL PRIMARY KEY, note TEXT NOT NULL",
    };
    let series = match dialect {
        Dialect::Postgres => format!("SELECT i, repeat('x', 80) FROM generate_series(1, {rows}) AS s(i)"),
        Dialect::Mariadb => format!("SELECT seq, repeat('x', 80) FROM seq_1_to_{rows}"),
        Dialect::Duckdb => format!("SELECT i, repeat('x', 80) FROM range(1, {rows} + 1) AS s(i)"),
        Dialect::Sqlite => format!(
            "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {rows}) \
             SELECT i, '{}' FROM s",
            "x".repeat(80)
        ),
    };
    format!("CREATE TABLE many ({columns});\nINSERT INTO many {series};\n")
}

fn everything() -> Table {
    use Kind as K;
    let column = |(name, kind): (&'static str, Kind)| Column { name, kind };
    let columns = [
        ("id", K::Key),
        ("small", K::SmallInt),
        ("medium", K::Int),
        ("large", K::BigInt),
        ("amount", K::Decimal(10, 2)),
        ("precise", K::Decimal(38, 10)),
        ("label", K::Text),
        ("folded", K::LooseText),
        ("flag", K::Boolean),
        ("ratio", K::Double),
        ("single", K::Real),
        ("day", K::Date),
        ("moment", K::Timestamp),
        ("instant", K::Instant),
        ("clock", K::Time),
        ("data", K::Binary),
    ];
    let lists = [
        ints(&[-32768, 32767, 0, 1, -1, 2, 7, 100]),
        ints(&[-2_147_483_648, 2_147_483_647, 0, 1, -1, 3, -7, 1000]),
        ints(&[i64::MIN, i64::MAX, 0, 1, -1, 5, -7, 9_007_199_254_740_993]),
        decimals(&["0.00", "-0.01", "99999999.99", "-99999999.99", "12.50", "12.5", "0.05", "7.00"], 2),
        decimals(
            &["0", "0.0000000001", "999999999999999999999999999.9999999999", "-1.5", "0.1", "2.25", "-0.1", "3"],
            10,
        ),
        texts(&["a", "A", "a ", " a", "", "ä", "Ä", "日本", "%_", "back\\slash", "it's", "🎉", "ß", "zz", "ab", "aB"]),
        texts(&["a", "A", "a ", "", "ä", "Ä", "b", "B", "ss", "ß", "zz", "Zz"]),
        vec![Value::Boolean(true), Value::Boolean(false), Value::Null],
        floats(&[0.0, -0.0, 1.5, -1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324, 0.1, 2.5]),
        floats(&[0.0, 0.5, -0.25, 1_048_576.0, 3.0]),
        vec![Value::Date(0), Value::Date(-1), Value::Date(19_782), Value::Date(-25_567), Value::Date(11_016)],
        timestamps(&[0, -1, 1_709_208_000_123_456, -2_208_988_800_000_000, 951_782_399_000_000]),
        timestamps(&[1_000_000, 1_709_208_000_123_456, -1, -2_208_988_800_000_000, 951_782_399_500_000]),
        vec![Value::Time(0), Value::Time(86_399_999_999), Value::Time(43_200_000_000), Value::Time(1)],
        vec![
            Value::Binary(vec![]),
            Value::Binary(vec![0]),
            Value::Binary(vec![0, 255, 39, 92]),
            Value::Binary(b"abc".to_vec()),
        ],
    ];
    // Each list is repeated with a NULL at its end, so that edges of different columns meet in changing company.
    let mut rows: Vec<Row> = Vec::new();
    for id in 1..=24_usize {
        let mut row = vec![Value::Int(id as i128)];
        for (offset, list) in lists.iter().enumerate() {
            row.push(list.get((id - 1 + offset * (id / 9)) % (list.len() + 1)).cloned().unwrap_or(Value::Null));
        }
        rows.push(row);
    }
    Table { name: "everything", columns: columns.map(column).to_vec(), rows }
}

fn parent() -> Table {
    let columns = vec![
        Column { name: "id", kind: Kind::Key },
        Column { name: "name", kind: Kind::Text },
        Column { name: "region", kind: Kind::Int },
    ];
    let row = |id: i128, name: &str, region: Option<i128>| {
        vec![Value::Int(id), Value::Text(name.into()), region.map_or(Value::Null, Value::Int)]
    };
    let rows = vec![
        row(1, "one", Some(10)),
        row(2, "two", Some(10)),
        row(3, "three", None),
        row(4, "four", Some(20)),
        row(5, "five", Some(-1)),
    ];
    Table { name: "parent", columns, rows }
}

fn child() -> Table {
    let columns = vec![
        Column { name: "id", kind: Kind::Key },
        Column { name: "parent_id", kind: Kind::BigInt },
        Column { name: "code", kind: Kind::Text },
        Column { name: "region", kind: Kind::Int },
        Column { name: "amount", kind: Kind::Decimal(10, 2) },
    ];
    let row = |id: i128, parent: Option<i128>, code: Option<&str>, region: Option<i128>, amount: Option<&str>| {
        vec![
            Value::Int(id),
            parent.map_or(Value::Null, Value::Int),
            code.map_or(Value::Null, |code| Value::Text(code.into())),
            region.map_or(Value::Null, Value::Int),
            amount.map_or(Value::Null, |amount| Value::decimal(amount, 2)),
        ]
    };
    let rows = vec![
        row(1, Some(1), Some("one"), Some(10), Some("1.10")),
        row(2, Some(1), Some("One"), Some(20), Some("2.20")),
        row(3, Some(2), Some("two"), Some(10), None),
        row(4, None, Some("none"), Some(10), Some("4.40")),
        row(5, Some(2), None, None, Some("-5.50")),
        row(6, Some(4), Some("two"), Some(20), Some("0.00")),
        row(7, Some(4), Some("two"), Some(20), Some("0.00")),
    ];
    Table { name: "child", columns, rows }
}

fn empty() -> Table {
    let columns = vec![Column { name: "id", kind: Kind::Key }, Column { name: "note", kind: Kind::Text }];
    Table { name: "empty", columns, rows: Vec::new() }
}

fn ints(values: &[i64]) -> Vec<Value> {
    values.iter().map(|value| Value::Int((*value).into())).collect()
}

fn decimals(values: &[&str], scale: i8) -> Vec<Value> {
    values.iter().map(|value| Value::decimal(value, scale)).collect()
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| Value::Text((*value).into())).collect()
}

fn floats(values: &[f64]) -> Vec<Value> {
    values.iter().map(|value| Value::Float(*value)).collect()
}

fn timestamps(values: &[i64]) -> Vec<Value> {
    values.iter().map(|value| Value::Timestamp(*value)).collect()
}

/// Whether a column of this kind can hold the value.
fn holds(dialect: Dialect, kind: Kind, value: &Value) -> bool {
    match (dialect, kind, value) {
        // Has neither NaN nor infinities, and its -0.0 comes back as 0.
        (Dialect::Mariadb, Kind::Double | Kind::Real, Value::Float(float)) => {
            float.is_finite() && !(*float == 0.0 && float.is_sign_negative())
        }
        // NaN is stored as NULL, -0.0 as the integer 0.
        (Dialect::Sqlite, Kind::Double | Kind::Real, Value::Float(float)) => {
            !(float.is_nan() || *float == 0.0 && float.is_sign_negative())
        }
        // A declared DECIMAL is stored as integer or double: 15 digits survive.
        (Dialect::Sqlite, Kind::Decimal(..), Value::Decimal { unscaled, .. }) => unscaled.to_string().len() <= 15,
        // TIMESTAMP ends before 1970-01-01 00:00:01.
        (Dialect::Mariadb, Kind::Instant, Value::Timestamp(micros)) => *micros >= 1_000_000,
        _ => true,
    }
}

fn type_name(dialect: Dialect, kind: Kind) -> String {
    use Dialect as D;
    use Kind as K;
    match (kind, dialect) {
        (K::Key, D::Sqlite) => "INTEGER PRIMARY KEY".into(),
        (K::Key, _) => "BIGINT NOT NULL PRIMARY KEY".into(),
        (K::SmallInt, _) => "SMALLINT".into(),
        (K::Int, _) => "INTEGER".into(),
        (K::BigInt, _) => "BIGINT".into(),
        (K::Decimal(precision, scale), _) => format!("DECIMAL({precision}, {scale})"),
        (K::Text, D::Mariadb) => "VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin".into(),
        (K::Text, _) => "TEXT".into(),
        (K::LooseText, D::Postgres) => "TEXT COLLATE \"und-x-icu\"".into(),
        (K::LooseText, D::Mariadb) => "VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci".into(),
        (K::LooseText, D::Sqlite | D::Duckdb) => "TEXT COLLATE NOCASE".into(),
        (K::Boolean, _) => "BOOLEAN".into(),
        (K::Double, D::Postgres) => "DOUBLE PRECISION".into(),
        (K::Double, _) => "DOUBLE".into(),
        (K::Real, D::Mariadb) => "FLOAT".into(),
        (K::Real, _) => "REAL".into(),
        (K::Date, _) => "DATE".into(),
        (K::Timestamp, D::Mariadb) => "DATETIME(6)".into(),
        (K::Timestamp, _) => "TIMESTAMP".into(),
        (K::Instant, D::Mariadb) => "TIMESTAMP(6) NULL DEFAULT NULL".into(),
        (K::Instant, _) => "TIMESTAMP WITH TIME ZONE".into(),
        (K::Time, D::Mariadb) => "TIME(6)".into(),
        (K::Time, _) => "TIME".into(),
        (K::Binary, D::Postgres) => "BYTEA".into(),
        (K::Binary, _) => "BLOB".into(),
    }
}

fn literal(dialect: Dialect, kind: Kind, value: &Value) -> String {
    use Dialect as D;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(value) if dialect == D::Sqlite => u8::from(*value).to_string(),
        Value::Boolean(value) => value.to_string().to_uppercase(),
        Value::Int(value) => value.to_string(),
        Value::Decimal { unscaled, scale } => {
            let text = decimal_text(&unscaled.to_string(), *scale);
            if dialect == D::Sqlite { text } else { quoted(&text) }
        }
        Value::Float(value) => float_literal(dialect, *value),
        Value::Text(text) => quoted(text),
        Value::Binary(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            match dialect {
                D::Postgres => format!("'\\x{hex}'"),
                D::Duckdb => format!("unhex('{hex}')"),
                _ => format!("x'{hex}'"),
            }
        }
        Value::Date(days) => quoted(&date_text(*days)),
        Value::Time(micros) => quoted(&time_text(*micros)),
        Value::Timestamp(micros) => {
            let days = micros.div_euclid(86_400_000_000) as i32;
            let zone = if kind == Kind::Instant && dialect != D::Mariadb { "+00:00" } else { "" };
            quoted(&format!("{} {}{zone}", date_text(days), time_text(micros.rem_euclid(86_400_000_000))))
        }
        Value::Other(text) => quoted(text),
    }
}

fn float_literal(dialect: Dialect, value: f64) -> String {
    if value.is_finite() && dialect != Dialect::Postgres && dialect != Dialect::Duckdb {
        return format!("{value:e}");
    }
    let name = match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => format!("{value:e}"),
    };
    match (dialect, value) {
        (Dialect::Sqlite, f64::INFINITY) => "9e999".into(),
        (Dialect::Sqlite, f64::NEG_INFINITY) => "-9e999".into(),
        _ => format!("'{name}'"),
    }
}

pub(crate) fn decimal_text(unscaled: &str, scale: i8) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let scale = scale.max(0) as usize;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `YYYY-MM-DD` (Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day.
pub(crate) fn civil(days: i32) -> (i64, u32, u32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `HH:MM:SS.ffffff`.
pub(crate) fn time_text(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000)
}
