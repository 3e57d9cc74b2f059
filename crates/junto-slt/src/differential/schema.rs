//! Random tables: types that every source stores exactly, and rows with NULLs, ties, extremes and text that collations
//! take for equal.

use std::collections::HashMap;

use super::random::Random;
use super::tables::{Class, Column, Table};

/// Rows of the largest table, and where MariaDB is to read it in parts as well; see [`super::load`].
pub(super) const MANY_ROWS: usize = 20_000;
pub(super) const ROWS_OF_PARTS: usize = 60_000;
/// Literals known of a column.
const MOST_LITERALS: usize = 12;

/// Type of a column, in words that each dialect spells its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    SmallInteger,
    Integer,
    BigInteger,
    /// Precision and scale. SQLite keeps 15 digits.
    Decimal(u8, u8),
    Double,
    Boolean,
    /// Which of a dialect's collations.
    Text(usize),
    Date,
    Moment,
}

impl Kind {
    fn class(self) -> Class {
        match self {
            Kind::SmallInteger | Kind::Integer | Kind::BigInteger => Class::Integer,
            Kind::Decimal(..) => Class::Decimal,
            Kind::Double => Class::Double,
            Kind::Boolean => Class::Boolean,
            Kind::Text(_) => Class::Text,
            Kind::Date => Class::Date,
            Kind::Moment => Class::Moment,
        }
    }
}

/// A column as it is created.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    is_tame: bool,
    /// Values it is filled from.
    pool: Vec<String>,
    /// One in so many is NULL; never, when it is 0.
    nulls: usize,
    /// Some values are much more frequent than others.
    is_skewed: bool,
}

/// Keys and indexes, by positions of columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    pub(super) primary: Vec<usize>,
    pub(super) unique: Vec<Vec<usize>>,
    pub(super) plain: Vec<Vec<usize>>,
}

/// A table and its rows. Values are bare: text without quotes, NULL is none.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    pub(super) keys: Keys,
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Its sources are told that it is large, so that they read it in parts.
    pub(super) is_large: bool,
}

/// Random tables, the largest of so many rows.
pub(super) fn random(random: &mut Random, most_rows: usize) -> Vec<Filled> {
    let count = 8 + random.below(5);
    (0..count)
        .map(|number| {
            let rows = match number {
                0 => most_rows,
                1 => 0,
                2 => 1,
                3..=5 => 100 + random.below(300),
                _ => 3 + random.below(40),
            };
            filled(random, format!("r{number}"), rows)
        })
        .collect()
}

fn filled(random: &mut Random, name: String, rows: usize) -> Filled {
    let mut fields = vec![id()];
    for number in 0..=random.below(7) {
        fields.push(field(random, format!("c{number}"), rows));
    }
    // Far apart in a large table, so that its range promises as many rows as the sources are told.
    let is_large = rows >= MANY_ROWS;
    let (first, step) = if is_large { (1, 3) } else { (*random.choose(&[1, 1, 0, -7]), 1) };
    let rows = (0..rows as i64)
        .map(|row| {
            let id = (first + row * step).to_string();
            std::iter::once(Some(id)).chain(fields[1..].iter().map(|field| cell(random, field))).collect()
        })
        .collect();
    let keys = keys(random, fields.len(), is_large);
    Filled { name, fields, keys, rows, is_large }
}

fn id() -> Field {
    let kind = Kind::Integer;
    Field { name: "id".into(), kind, nullable: false, is_tame: true, pool: Vec::new(), nulls: 0, is_skewed: false }
}

fn field(random: &mut Random, name: String, rows: usize) -> Field {
    let kind = match random.below(14) {
        0 => Kind::SmallInteger,
        1..=3 => Kind::Integer,
        4 => Kind::BigInteger,
        5 | 6 => *random.choose(&[
            Kind::Decimal(5, 2),
            Kind::Decimal(12, 4),
            Kind::Decimal(15, 3),
            Kind::Decimal(9, 0),
            Kind::Decimal(15, 15),
        ]),
        7 => Kind::Double,
        8 => Kind::Boolean,
        9..=11 => Kind::Text(random.below(12)),
        12 => Kind::Date,
        _ => Kind::Moment,
    };
    let is_tame = !random.one_in(3);
    let most = *random.choose(&[2, 8, 40, 300]);
    let size = 1 + random.below(most);
    let pool = (0..size).map(|_| value(random, kind, is_tame, rows)).collect();
    let nulls = *random.choose(&[0, 0, 2, 5, 10, 1]);
    // A column of nothing but NULLs says little; one in many is enough.
    let nulls = if nulls == 1 && !random.one_in(3) { 7 } else { nulls };
    let nullable = nulls > 0 || random.one_in(2);
    Field { name, kind, nullable, is_tame, pool, nulls, is_skewed: random.one_in(2) }
}

fn cell(random: &mut Random, field: &Field) -> Option<String> {
    if field.nulls > 0 && random.one_in(field.nulls) {
        return None;
    }
    let bound = if field.is_skewed { 1 + random.below(field.pool.len()) } else { field.pool.len() };
    Some(field.pool[random.below(bound)].clone())
}

fn keys(random: &mut Random, columns: usize, is_large: bool) -> Keys {
    let any = |random: &mut Random| random.below(columns);
    let mut keys = Keys::default();
    match random.below(4) {
        0 if !is_large => {}
        1 if !is_large => keys.unique.push(vec![0]),
        _ => keys.primary.push(0),
    }
    for _ in 0..random.below(3) {
        keys.plain.push(vec![any(random)]);
    }
    if random.one_in(3) {
        let (first, second) = (any(random), any(random));
        if first != second {
            keys.plain.push(vec![first, second]);
        }
    }
    keys
}

const TEXTS: [&str; 34] = [
    "", " ", "a", "A", "a ", " a", "ab", "Ab", "AB", "aB ", "b", "B", "ä", "Ä", "a\u{308}", "ae", "ß", "ss", "SS", "é",
    "e", "E", "İ", "i", "ı", "a%c", "a_c", "a\\c", "it's", "日本", "😀", "z\tz", "Z", "~",
];

const DAYS: [&str; 10] = [
    "1000-01-01",
    "1582-10-10",
    "1899-12-31",
    "1969-12-31",
    "1970-01-01",
    "2000-02-29",
    "2023-12-31",
    "2024-01-01",
    "2024-02-29",
    "9999-12-31",
];

const TIMES: [&str; 6] =
    ["00:00:00", "00:00:00.000001", "12:00:00", "23:59:59.5", "23:59:59.999999", "07:08:09.120000"];

/// A value as it is written in a literal, without quotes.
fn value(random: &mut Random, kind: Kind, is_tame: bool, rows: usize) -> String {
    let small = |random: &mut Random| match random.below(3) {
        0 => random.between(-3, 9),
        1 => random.between(0, 100),
        // Also a key of a table of this length.
        _ => random.between(1, rows.clamp(10, 400) as i64),
    };
    match kind {
        Kind::SmallInteger if !is_tame => (*random.choose(&[i16::MIN, -1, 0, 1, 255, 256, i16::MAX])).to_string(),
        Kind::Integer if !is_tame => {
            (*random.choose(&[i32::MIN, i32::MIN + 1, -1, 0, 1, 65_536, 16_777_217, i32::MAX])).to_string()
        }
        Kind::BigInteger if !is_tame => (*random.choose(&[
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1,
            1 << 31,
            9_007_199_254_740_993,
            i64::MAX - 1,
            i64::MAX,
        ]))
        .to_string(),
        Kind::SmallInteger | Kind::Integer | Kind::BigInteger => small(random).to_string(),
        Kind::Decimal(precision, scale) => decimal(random, precision, scale, is_tame),
        Kind::Double if !is_tame => {
            (*random.choose(&["0.1", "1e300", "-1e300", "1e-300", "0.3", "1e15", "9007199254740993", "-0.5"]))
                .to_owned()
        }
        Kind::Double => format!("{:?}", small(random) as f64 / 4.0),
        Kind::Boolean => (*random.choose(&["TRUE", "FALSE"])).to_owned(),
        Kind::Text(_) if random.one_in(6) => {
            let (first, second) = (random.choose(&TEXTS), random.choose(&TEXTS));
            format!("{first}{second}")
        }
        Kind::Text(_) => (*random.choose(&TEXTS)).to_owned(),
        Kind::Date => day(random, is_tame),
        Kind::Moment => format!("{} {}", day(random, is_tame), random.choose(&TIMES)),
    }
}

/// Digits with the point where the scale wants it.
fn decimal(random: &mut Random, precision: u8, scale: u8, is_tame: bool) -> String {
    let most = 10_i64.pow(u32::from(precision)) - 1;
    let one = 10_i64.pow(u32::from(scale.min(precision)));
    let unscaled = if is_tame {
        (random.between(-3, 20) * one / *random.choose(&[1, 2, 4, 10])).clamp(-most, most)
    } else {
        *random.choose(&[-most, most, 0, 1, -1, most - 1, one.min(most), most / 2])
    };
    if scale == 0 {
        return unscaled.to_string();
    }
    let digits = format!("{:0width$}", unscaled.abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

fn day(random: &mut Random, is_tame: bool) -> String {
    if is_tame {
        format!("2024-{:02}-{:02}", random.between(1, 3), random.between(1, 29))
    } else {
        (*random.choose(&DAYS)).to_owned()
    }
}

impl Filled {
    /// Separated by commas.
    pub(super) fn column_names(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
        names.join(", ")
    }

    /// The same rows where text has the database's own collation, and nothing is said about the table.
    pub(super) fn plain(&self) -> Self {
        let mut table = Self { is_large: false, ..self.clone() };
        for field in &mut table.fields {
            if let Kind::Text(collation) = &mut field.kind {
                *collation = 0;
            }
        }
        table
    }

    /// As statements see it.
    pub(super) fn described(&self) -> Table {
        let columns = self.fields.iter().enumerate().map(|(at, field)| self.column(at, field)).collect();
        Table { name: self.name.clone(), columns, rows: self.rows.len() }
    }

    fn column(&self, at: usize, field: &Field) -> Column {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for value in self.rows.iter().filter_map(|row| row[at].as_deref()) {
            *counts.entry(value).or_default() += 1;
        }
        let mut known: Vec<&str> = counts.keys().copied().collect();
        known.sort_unstable();
        let step = known.len().div_ceil(MOST_LITERALS).max(1);
        let mut values: Vec<String> = known.iter().step_by(step).map(|value| literal(field.kind, value)).collect();
        // Beside them some that are not there, and for an empty table any.
        values.extend(field.pool.iter().take(2).map(|value| literal(field.kind, value)));
        if values.is_empty() {
            values.push("7".into());
        }
        let most_equal = counts.values().copied().max().unwrap_or_default();
        Column { name: field.name.clone(), class: field.kind.class(), is_tame: field.is_tame, values, most_equal }
    }
}

/// A value in Junto's dialect.
fn literal(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Text(_) => format!("'{}'", value.replace('\'', "''")),
        Kind::Date => format!("DATE '{value}'"),
        Kind::Moment => format!("TIMESTAMP '{value}'"),
        // No decimal has so many digits.
        Kind::Double if value.contains('e') => format!("CAST('{value}' AS double precision)"),
        // Its positive part would not fit on its own.
        Kind::BigInteger if value == "-9223372036854775808" => "(-9223372036854775807 - 1)".to_owned(),
        _ => value.to_owned(),
    }
}
