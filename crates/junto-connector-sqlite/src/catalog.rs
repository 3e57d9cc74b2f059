//! What a file holds: tables, views, columns, keys and indexes, from SQLite's pragmas.

use std::collections::HashMap;
use std::ffi::CStr;
use std::path::Path;

use junto_connector::{
    ColumnInfo, Error, ForeignKey, IndexInfo, Result, TableInfo, TableKind, TableSummary, TextSemantics,
};
use junto_types::{TableName, nearest};
use rusqlite::Connection;

use crate::capabilities::EXACT_DECIMAL_DIGITS;
use crate::declared::{Affinity, CHOSEN, ColumnType, Declared};
use crate::error::from_sqlite;
use crate::sample;
use crate::settings::Settings;

/// The only schema: ATTACH is refused.
pub(crate) const SCHEMA: &str = "main";

/// Reads the catalog over one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Catalog<'a> {
    pub(crate) connection: &'a Connection,
    settings: &'a Settings,
}

/// One line of `pragma table_xinfo`.
struct Declaration {
    name: String,
    declared: String,
    not_null: bool,
    /// Place in the primary key, from 1; 0 for none.
    key: u32,
}

/// What all columns of one table share.
struct TableFacts<'a> {
    table: &'a str,
    is_view: bool,
    strict: bool,
    utf16: bool,
}

/// What the values of a table say about its columns.
struct Values {
    /// Columns to be read as text because they hold other kinds of values than declared.
    violated: Vec<String>,
    /// Types of columns whose declaration says too little.
    seen: HashMap<String, ColumnType>,
}

impl<'a> Catalog<'a> {
    pub(crate) fn new(connection: &'a Connection, settings: &'a Settings) -> Self {
        Self { connection, settings }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.settings.path
    }

    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let read = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(sql)?.query_map(parameters, row)?.collect()
        };
        read().map_err(|cause| from_sqlite(self.path(), cause))
    }

    /// Tables and views, without SQLite's own and without the hidden tables of full-text indexes.
    pub(crate) fn tables(&self) -> Result<Vec<TableSummary>> {
        let listed = self.rows(
            "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
            [],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        )?;
        listed
            .into_iter()
            .map(|(table, kind)| {
                let is_view = kind == "view";
                Ok(TableSummary {
                    row_estimate: if kind == "table" { self.row_estimate(&table)? } else { None },
                    kind: if is_view { TableKind::View } else { TableKind::Table },
                    name: TableName::new(SCHEMA, table),
                    comment: None,
                })
            })
            .collect()
    }

    /// One table in full.
    pub(crate) fn table(&self, wanted: &str) -> Result<TableInfo> {
        let (table, kind, strict) = self.find(wanted)?;
        let facts = TableFacts {
            table: &table,
            is_view: kind == "view",
            strict,
            utf16: self.encoding()?.starts_with("UTF-16"),
        };
        let declarations = self.declarations(&table)?;
        let rowid_column = rowid_column(&declarations, kind == "table" && !self.is_without_rowid(&table)?);
        let values = self.values(&facts, &declarations)?;
        let columns = declarations
            .iter()
            .map(|column| {
                let mut info = self.column(&facts, column, &values)?;
                info.nullable &= rowid_column != Some(column.name.as_str());
                Ok(info)
            })
            .collect::<Result<Vec<_>>>()?;
        let (indexes, unique_keys) = self.indexes(&table, &columns)?;
        Ok(TableInfo {
            primary_key: primary_key(&declarations, &columns),
            unique_keys,
            foreign_keys: self.foreign_keys(&table)?,
            indexes,
            partitions: Vec::new(),
            row_estimate: if kind == "table" { self.row_estimate(&table)? } else { None },
            kind: if facts.is_view { TableKind::View } else { TableKind::Table },
            comment: None,
            columns,
            name: TableName::new(SCHEMA, table),
        })
    }

    /// Name, kind and strictness of the table with this name, exactly or ignoring case.
    pub(crate) fn find(&self, wanted: &str) -> Result<(String, String, bool)> {
        let all = self.rows("SELECT name, type, strict FROM pragma_table_list WHERE schema = 'main'", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
        })?;
        // SQLite itself ignores the case of ASCII letters only, so two names may differ in that of others.
        let alike = |name: &str| name.to_lowercase() == wanted.to_lowercase();
        let mut matching = all.iter().filter(|(name, ..)| alike(name));
        let unique = match (matching.next(), matching.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
        all.iter().find(|(name, ..)| name == wanted).or(unique).cloned().ok_or_else(|| Error::TableNotFound {
            table: wanted.into(),
            nearest: nearest(wanted, all.iter().map(|(name, ..)| name.as_str())).map(Into::into),
        })
    }

    fn encoding(&self) -> Result<String> {
        self.connection
            .query_row("SELECT encoding FROM pragma_encoding", [], |row| row.get(0))
            .map_err(|cause| from_sqlite(self.path(), cause))
    }

    pub(crate) fn is_without_rowid(&self, table: &str) -> Result<bool> {
        let without = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
        self.connection.query_row(without, [table], |row| row.get(0)).map_err(|cause| from_sqlite(self.path(), cause))
    }

    /// Columns, generated ones included, hidden ones of virtual tables left out.
    fn declarations(&self, table: &str) -> Result<Vec<Declaration>> {
        let sql =
            "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid";
        self.rows(sql, [table], |row| {
            Ok(Declaration { name: row.get(0)?, declared: row.get(1)?, not_null: row.get(2)?, key: row.get(3)? })
        })
    }

    /// What has to be learnt from the values themselves.
    fn values(&self, facts: &TableFacts<'_>, declarations: &[Declaration]) -> Result<Values> {
        let columns: Vec<(String, Declared)> = declarations
            .iter()
            .filter(|column| self.settings.chosen_type(facts.table, &column.name).is_none())
            .map(|column| (column.name.clone(), Declared::of(&column.declared)))
            .collect();
        let violated = if self.settings.mixed_as_text && !facts.strict && !facts.is_view {
            sample::violated_columns(self.connection, self.path(), facts.table, &columns)?
        } else {
            Vec::new()
        };
        let seen = sample::column_types(self.connection, self.path(), facts.table, &columns)?;
        Ok(Values { violated, seen: seen.into_iter().collect() })
    }

    fn column(&self, facts: &TableFacts<'_>, column: &Declaration, values: &Values) -> Result<ColumnInfo> {
        let declared = column.declared.trim();
        let violated = values.violated.contains(&column.name);
        let chosen = self.settings.chosen_type(facts.table, &column.name).or(violated.then_some(ColumnType::Text));
        let (column_type, remark) = match (chosen, Declared::of(declared)) {
            (Some(chosen), _) => (chosen, None),
            (None, Declared::Type(column_type)) => (column_type, None),
            (None, Declared::Unknown) => (ColumnType::Text, Some("a type SQLite does not know: read as text")),
            (None, Declared::Nothing | Declared::BareDecimal) => {
                let seen = values.seen.get(&column.name).copied().unwrap_or(ColumnType::Text);
                (seen, Some("declared without a full type: read as its first 1,000 values are"))
            }
        };
        let source_type = match chosen {
            Some(chosen) => format!("{declared}{CHOSEN}{}", chosen.option_name()),
            None => declared.to_owned(),
        };
        let text =
            if chosen.is_some() { TextSemantics::Opaque } else { self.text_semantics(facts, column, column_type)? };
        let remark = remark.map(str::to_owned).or_else(|| remark_on(column_type, facts.strict));
        Ok(ColumnInfo {
            name: column.name.clone(),
            source_type,
            data_type: column_type.data_type(),
            nullable: !column.not_null,
            text,
            comment: None,
            remark,
        })
    }

    /// How SQLite compares the column, against what Junto makes of its values.
    fn text_semantics(
        &self,
        facts: &TableFacts<'_>,
        column: &Declaration,
        column_type: ColumnType,
    ) -> Result<TextSemantics> {
        let affinity = Affinity::of(&column.declared);
        Ok(match column_type {
            ColumnType::Integer | ColumnType::Blob | ColumnType::Double => TextSemantics::Binary,
            ColumnType::Decimal { precision, .. }
                if precision <= EXACT_DECIMAL_DIGITS && affinity == Affinity::Numeric =>
            {
                TextSemantics::Binary
            }
            // A column of a view hides the collation of what is behind it.
            ColumnType::Text if facts.is_view => TextSemantics::Loose,
            ColumnType::Text if Declared::of(&column.declared) == Declared::Unknown => TextSemantics::Loose,
            ColumnType::Text => match (self.collation(facts.table, &column.name)?.as_str(), facts.utf16) {
                ("BINARY", false) => TextSemantics::Binary,
                // Bytes are compared, but of another encoding.
                ("BINARY", true) => TextSemantics::BinaryEquality,
                ("NOCASE" | "RTRIM", _) => TextSemantics::Loose,
                // A collation of another program's own: SQLite cannot compare the column here.
                _ => TextSemantics::Opaque,
            },
            _ => TextSemantics::Opaque,
        })
    }

    fn collation(&self, table: &str, column: &str) -> Result<String> {
        let (_, collation, ..) = self
            .connection
            .column_metadata(Some(SCHEMA), table, column)
            .map_err(|cause| from_sqlite(self.path(), cause))?;
        Ok(collation.map_or("BINARY", |name: &CStr| name.to_str().unwrap_or_default()).to_ascii_uppercase())
    }

    /// Indexes, and the unique keys among them that hold for every row.
    fn indexes(&self, table: &str, columns: &[ColumnInfo]) -> Result<(Vec<IndexInfo>, Vec<Vec<String>>)> {
        let sql = "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, 'main') ORDER BY seq DESC";
        let listed = self.rows(sql, [table], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?))
        })?;
        let (mut indexes, mut unique_keys) = (Vec::new(), Vec::new());
        for (name, unique, origin, partial) in listed {
            let entries = self.rows(
                "SELECT name FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno",
                [&name],
                |row| row.get::<_, Option<String>>(0),
            )?;
            let complete = entries.iter().all(Option::is_some);
            // An expression has no name: only what stands before it is of use.
            let plain: Vec<String> = entries.into_iter().map_while(|name| name).collect();
            if partial || plain.is_empty() {
                continue;
            }
            let never_null =
                plain.iter().all(|key| columns.iter().any(|column| column.name == *key && !column.nullable));
            if unique && complete && never_null && origin != "pk" {
                unique_keys.push(plain.clone());
            }
            indexes.push(IndexInfo { name, columns: plain, unique: unique && complete });
        }
        Ok((indexes, unique_keys))
    }

    fn foreign_keys(&self, table: &str) -> Result<Vec<ForeignKey>> {
        let sql =
            "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq";
        let lines = self.rows(sql, [table], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })?;
        let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
        for (id, target, from, to) in lines {
            // Without a column named, a foreign key refers to the primary key.
            let to: Option<String> = to;
            if keys.last().is_none_or(|(last, _)| *last != id) {
                let references = TableName::new(SCHEMA, target);
                keys.push((id, ForeignKey { columns: Vec::new(), references, referenced_columns: Vec::new() }));
            }
            if let Some((_, key)) = keys.last_mut() {
                key.columns.push(from);
                key.referenced_columns.extend(to);
            }
        }
        for (_, key) in &mut keys {
            if key.referenced_columns.is_empty() {
                let target = self.declarations(&key.references.table)?;
                key.referenced_columns = in_key_order(&target);
            }
        }
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }
}

/// The column that is another name of the rowid, which is never NULL: <https://www.sqlite.org/lang_createtable.html>,
/// section 5.
fn rowid_column(declarations: &[Declaration], has_rowid: bool) -> Option<&str> {
    let mut keys = declarations.iter().filter(|column| column.key > 0);
    match (keys.next(), keys.next()) {
        (Some(only), None) if has_rowid && only.declared.trim().eq_ignore_ascii_case("INTEGER") => Some(&only.name),
        _ => None,
    }
}

fn in_key_order(declarations: &[Declaration]) -> Vec<String> {
    let mut keys: Vec<&Declaration> = declarations.iter().filter(|column| column.key > 0).collect();
    keys.sort_by_key(|column| column.key);
    keys.into_iter().map(|column| column.name.clone()).collect()
}

/// The primary key, if SQLite guarantees that it has no NULL: it allows them in keys that are not the rowid.
fn primary_key(declarations: &[Declaration], columns: &[ColumnInfo]) -> Vec<String> {
    let key = in_key_order(declarations);
    let nullable = |name: &String| columns.iter().any(|column| column.name == *name && column.nullable);
    if key.iter().any(nullable) { Vec::new() } else { key }
}

fn remark_on(column_type: ColumnType, strict: bool) -> Option<String> {
    match column_type {
        ColumnType::Decimal { .. } => Some("stored as a double where it is no integer; checked while reading".into()),
        ColumnType::Integer | ColumnType::Double | ColumnType::Text | ColumnType::Blob if strict => None,
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampUtc => {
            Some("text in ISO 8601; checked while reading".into())
        }
        _ => None,
    }
}
