//! Puts the same random tables into PostgreSQL, MariaDB, SQLite, DuckDB and a folder of Parquet files.
//!
//! Connectors read a table in parts when it has many pages (PostgreSQL) or rows (MariaDB, SQLite). A large table is padded
//! in the first, and its statistics flatter it in the last. MariaDB believes only what it counts itself: it reads in parts
//! when the table has [`ROWS_OF_PARTS`](super::schema::ROWS_OF_PARTS) rows.

use std::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;

use junto_engine::{Engine, Settings, StatementOptions};
use junto_testkit::{mariadb, postgres};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::schema::{Field, Filled, Kind};
use crate::duckdb;
use crate::world::engine_of;

/// Database on the servers.
const DATABASE: &str = "random";
/// Rows of one INSERT.
const ROWS_PER_INSERT: usize = 500;
/// What pads a large table in PostgreSQL, in all: some 3,000 pages.
const PADDING_BYTES: usize = 26_000_000;
/// What SQLite is told that a large table holds.
const CLAIMED_ROWS: usize = 60_000;
/// Rows of a group in the Parquet files, so that there are several.
const ROWS_PER_GROUP: usize = 150;

/// Collations that a column of text may have; `""` is the database's own.
const POSTGRES_COLLATIONS: [&str; 4] = ["", " COLLATE \"C\"", " COLLATE \"und-x-icu\"", " COLLATE ignoring_case"];
const MARIADB_COLLATIONS: [&str; 6] = [
    "",
    " COLLATE utf8mb4_bin",
    " COLLATE utf8mb4_unicode_ci",
    " COLLATE utf8mb4_general_ci",
    " COLLATE utf8mb4_unicode_nopad_ci",
    " COLLATE utf8mb4_nopad_bin",
];
const SQLITE_COLLATIONS: [&str; 3] = ["", " COLLATE NOCASE", " COLLATE RTRIM"];
const DUCKDB_COLLATIONS: [&str; 4] = ["", "", " COLLATE NOCASE", " COLLATE NOACCENT"];

/// Sources that hold one random schema.
#[derive(Debug)]
pub(super) struct Sources {
    urls: Vec<(&'static str, String)>,
    // Holds the files of SQLite, DuckDB and Parquet; removed at the end.
    _folder: tempfile::TempDir,
}

impl Sources {
    /// Fills all five, in place of an earlier schema.
    ///
    /// # Errors
    /// When a source is missing or refuses what it is given.
    pub(super) async fn fill(tables: &[Filled]) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = postgres::shared().map_err(|error| error.to_string())?;
        server.create_database(DATABASE);
        server.execute(DATABASE, &script(tables, Dialect::PostgreSql));
        let postgres_url = server.url(DATABASE);
        let server = mariadb::shared().map_err(|error| error.to_string())?;
        server.create_database(DATABASE);
        server.execute(DATABASE, &script(tables, Dialect::MariaDb));
        let mariadb_url = format!("{}?tinyint1=boolean", server.url(DATABASE));
        let sqlite = junto_testkit::sqlite::File::create(&script(tables, Dialect::Sqlite));
        let sqlite_path = folder.path().join("random.db");
        std::fs::copy(sqlite.path(), &sqlite_path).map_err(|error| error.to_string())?;
        let library = duckdb::library().ok_or("DuckDB's library is missing")?;
        let duckdb_path = folder.path().join("random.duckdb");
        duckdb::create(&library, &duckdb_path, &script(tables, Dialect::DuckDb))?;
        let files = folder.path().join("files");
        std::fs::create_dir(&files).map_err(|error| error.to_string())?;
        let urls = vec![
            ("pg", postgres_url),
            ("my", mariadb_url),
            ("lite", format!("sqlite:{}", sqlite_path.display())),
            ("duck", format!("duckdb:{}", duckdb_path.display())),
            ("files", format!("files:{}", files.display())),
        ];
        let sources = Self { urls, _folder: folder };
        for table in tables {
            sources.write(&files, table).await.map_err(|error| format!("{}: {error}", table.name))?;
        }
        Ok(sources)
    }

    /// An engine over the sources.
    pub(super) fn engine(&self, settings: Settings) -> Engine {
        engine_of(&self.urls, settings)
    }

    /// Writes a Parquet file of PostgreSQL's rows.
    async fn write(&self, folder: &std::path::Path, table: &Filled) -> Result<(), String> {
        let engine = self.engine(Settings::default());
        let (table, columns) = (&table.name, table.column_names());
        let sql = format!("SELECT {columns} FROM @pg.{table}");
        let mut run = engine.execute(&sql, &StatementOptions::default()).await.map_err(|error| error.to_string())?;
        let batches = run.collect().await.map_err(|error| error.to_string())?;
        let schema = Arc::clone(&run.schema);
        let file = File::create(folder.join(format!("{table}.parquet"))).map_err(|error| error.to_string())?;
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS_PER_GROUP)).build();
        let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| error.to_string())?;
        for batch in &batches {
            writer.write(batch).map_err(|error| error.to_string())?;
        }
        writer.close().map_err(|error| error.to_string())?;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    PostgreSql,
    MariaDb,
    Sqlite,
    DuckDb,
}

/// Statements that create and fill all tables.
pub(super) fn script(tables: &[Filled], dialect: Dialect) -> String {
    let mut sql = String::new();
    match dialect {
        Dialect::PostgreSql => sql.push_str(
            "CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n",
        ),
        Dialect::Sqlite | Dialect::DuckDb => sql.push_str("BEGIN;\n"),
        Dialect::MariaDb => sql.push_str("SET sql_mode = 'STRICT_ALL_TABLES';\n"),
    }
    for table in tables {
        create(&mut sql, table, dialect);
        insert(&mut sql, table, dialect);
    }
    if matches!(dialect, Dialect::Sqlite | Dialect::DuckDb) {
        sql.push_str("COMMIT;\n");
    }
    if dialect != Dialect::MariaDb {
        sql.push_str("ANALYZE;\n");
    }
    for table in tables {
        if dialect == Dialect::MariaDb {
            let _ = writeln!(sql, "ANALYZE TABLE {};", table.name);
        }
        if dialect == Dialect::Sqlite && table.is_large {
            claim_many_rows(&mut sql, table);
        }
    }
    sql
}

fn create(sql: &mut String, table: &Filled, dialect: Dialect) {
    let name = &table.name;
    let mut items: Vec<String> = table.fields.iter().map(|field| column(field, dialect)).collect();
    let list = |columns: &[usize]| {
        let names: Vec<&str> = columns.iter().map(|&column| table.fields[column].name.as_str()).collect();
        names.join(", ")
    };
    if !table.keys.primary.is_empty() {
        items.push(format!("PRIMARY KEY ({})", list(&table.keys.primary)));
    }
    items.extend(table.keys.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
    if dialect == Dialect::PostgreSql && table.is_large {
        // No statement knows of this column.
        let length = PADDING_BYTES / table.rows.len().max(1);
        items.push(format!("padding text DEFAULT repeat('x', {length})"));
    }
    let _ = writeln!(sql, "CREATE TABLE {name} ({});", items.join(", "));
    // DuckDB's reader of indexes is not what is tested.
    if dialect != Dialect::DuckDb {
        for (number, columns) in table.keys.plain.iter().enumerate() {
            let _ = writeln!(sql, "CREATE INDEX {name}_{number} ON {name} ({});", list(columns));
        }
    }
}

fn column(field: &Field, dialect: Dialect) -> String {
    let collation = |collations: &[&'static str], number: usize| collations[number % collations.len()];
    let data_type = match (field.kind, dialect) {
        (Kind::SmallInteger, _) => "smallint".to_owned(),
        // In SQLite, a primary key of this very name is the rowid.
        (Kind::Integer, _) => "integer".to_owned(),
        (Kind::BigInteger, _) => "bigint".to_owned(),
        (Kind::Decimal(precision, scale), _) => format!("decimal({precision},{scale})"),
        (Kind::Double, Dialect::PostgreSql) => "double precision".to_owned(),
        (Kind::Double, _) => "double".to_owned(),
        (Kind::Boolean, _) => "boolean".to_owned(),
        (Kind::Text(number), Dialect::PostgreSql) => format!("text{}", collation(&POSTGRES_COLLATIONS, number)),
        (Kind::Text(number), Dialect::MariaDb) => format!("varchar(40){}", collation(&MARIADB_COLLATIONS, number)),
        (Kind::Text(number), Dialect::Sqlite) => format!("text{}", collation(&SQLITE_COLLATIONS, number)),
        (Kind::Text(number), Dialect::DuckDb) => format!("varchar{}", collation(&DUCKDB_COLLATIONS, number)),
        (Kind::Date, _) => "date".to_owned(),
        (Kind::Moment, Dialect::MariaDb) => "datetime(6)".to_owned(),
        (Kind::Moment, _) => "timestamp".to_owned(),
    };
    let nullable = if field.nullable { "" } else { " NOT NULL" };
    format!("{} {data_type}{nullable}", field.name)
}

fn insert(sql: &mut String, table: &Filled, dialect: Dialect) {
    let columns = table.column_names();
    for rows in table.rows.chunks(ROWS_PER_INSERT) {
        let _ = write!(sql, "INSERT INTO {} ({columns}) VALUES ", table.name);
        for (number, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&table.fields)
                .map(|(cell, field)| {
                    cell.as_ref().map_or_else(|| "NULL".to_owned(), |cell| literal(field, cell, dialect))
                })
                .collect();
            let _ = write!(sql, "{}({})", if number == 0 { "" } else { ", " }, cells.join(", "));
        }
        sql.push_str(";\n");
    }
}

fn literal(field: &Field, value: &str, dialect: Dialect) -> String {
    match field.kind {
        Kind::Text(_) | Kind::Date | Kind::Moment => {
            let value = value.replace('\'', "''");
            let value = if dialect == Dialect::MariaDb { value.replace('\\', "\\\\") } else { value };
            format!("'{value}'")
        }
        _ => value.to_owned(),
    }
}

fn claim_many_rows(sql: &mut String, table: &Filled) {
    let _ = writeln!(
        sql,
        "UPDATE sqlite_stat1 SET stat = '{CLAIMED_ROWS}' || substr(stat, instr(stat || ' ', ' ')) WHERE tbl = '{}';",
        table.name
    );
}
