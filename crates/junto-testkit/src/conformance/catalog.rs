//! Listing agrees with reading: schemas, tables, columns, keys, and how names are found.

use junto_connector::{Error, SchemaInfo, TableInfo};

use super::dataset::{self, Kind};
use super::plans::{plan, scan_all};
use super::relation::Table;
use super::report::Report;
use super::subject::Subject;

/// The tables of the source under test.
#[derive(Debug)]
pub(crate) struct Tables {
    /// With all their rows; the largest, `many`, is not among them.
    pub(crate) all: Vec<Table>,
    pub(crate) many: Option<TableInfo>,
}

impl Tables {
    pub(crate) fn named(&self, name: &str) -> Option<&Table> {
        self.all.iter().find(|table| table.info.name.table.eq_ignore_ascii_case(name))
    }

    /// The table with a column per type.
    pub(crate) fn widest(&self) -> &Table {
        let widest = self.all.iter().max_by_key(|table| table.info.columns.len());
        widest.expect("the catalog check found a table")
    }
}

/// Reads the catalog and, from it, every table.
pub(crate) async fn check(subject: &Subject, report: &mut Report) -> Option<Tables> {
    const GROUP: &str = "catalog";
    let schemas = match subject.connector.schemas().await {
        Ok(schemas) => schemas,
        Err(error) => {
            report.fail(GROUP, format!("schemas: {error}"));
            return None;
        }
    };
    let defaults: Vec<&SchemaInfo> = schemas.iter().filter(|schema| schema.is_default).collect();
    report.require(defaults.len() <= 1, GROUP, || format!("several default schemas: {defaults:?}"));
    let schema = defaults.first().map(|schema| schema.name.as_str());
    let listed = match subject.connector.tables(schema).await {
        Ok(listed) => listed,
        Err(error) => {
            report.fail(GROUP, format!("tables of {schema:?}: {error}"));
            return None;
        }
    };
    match subject.connector.tables(None).await {
        Ok(everywhere) => {
            let missing = listed.iter().find(|table| !everywhere.iter().any(|other| other.name == table.name));
            report.require(missing.is_none(), GROUP, || format!("only listed by schema: {missing:?}"));
        }
        Err(error) => report.fail(GROUP, format!("tables of all schemas: {error}")),
    }
    let mut tables = Tables { all: Vec::new(), many: None };
    for summary in &listed {
        match subject.connector.table(summary.name.schema.as_deref(), &summary.name.table).await {
            Ok(info) => {
                report.require(info.name == summary.name, GROUP, || {
                    format!("listed as {}, found as {}", summary.name, info.name)
                });
                if info.name.table.eq_ignore_ascii_case("many") {
                    tables.many = Some(info);
                } else {
                    add(subject, info, &mut tables, report).await;
                }
            }
            Err(error) => report.fail(GROUP, format!("{} is listed and not found: {error}", summary.name)),
        }
    }
    report.require(!tables.all.is_empty(), GROUP, || "no table can be read".into());
    names(subject, &tables, report).await;
    seeded(subject, &tables, report);
    (!tables.all.is_empty()).then_some(tables)
}

async fn add(subject: &Subject, info: TableInfo, tables: &mut Tables, report: &mut Report) {
    match subject.rows(&plan(scan_all(&info))).await {
        Ok(rows) => tables.all.push(Table { info, rows }),
        Err(error) => report.fail("catalog", format!("{} cannot be read whole: {error}", info.name)),
    }
}

/// Exact names, other case, slips of the fingers.
async fn names(subject: &Subject, tables: &Tables, report: &mut Report) {
    const GROUP: &str = "names";
    let Some(table) = tables.all.first() else { return };
    let name = table.info.name.table.clone();
    let connector = &subject.connector;
    match connector.table(None, &name).await {
        Ok(found) => report.require(found.name == table.info.name, GROUP, || format!("{name}: found {}", found.name)),
        Err(error) => report.fail(GROUP, format!("{name} in the default schema: {error}")),
    }
    let other_case: String =
        name.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    match connector.table(None, &other_case).await {
        Ok(found) => {
            report.require(found.name == table.info.name, GROUP, || format!("{other_case}: found {}", found.name));
        }
        Err(error) => report.fail(GROUP, format!("{other_case} does not find {name}: {error}")),
    }
    let slip = format!("{name}x");
    match connector.table(None, &slip).await {
        Err(Error::TableNotFound { nearest, .. }) => {
            report.require(nearest.as_deref().is_some_and(|near| near.contains(&name)), GROUP, || {
                format!("{slip}: nearest is {nearest:?}, not {name}")
            });
        }
        other => report.fail(GROUP, format!("{slip}: {other:?} instead of a table that is not found")),
    }
    let nowhere = connector.table(Some("no_such_schema_anywhere"), &name).await;
    report.require(nowhere.is_err(), GROUP, || format!("a schema that does not exist has {name}"));
    if let Some(ambiguous) = &subject.ambiguous {
        let found = connector.table(None, ambiguous).await;
        report.require(found.is_err(), GROUP, || format!("{ambiguous} matches two tables, found {found:?}"));
    }
}

/// The tables are the standard ones, with their columns and keys.
fn seeded(subject: &Subject, tables: &Tables, report: &mut Report) {
    const GROUP: &str = "standard tables";
    let Some(dialect) = subject.dialect else { return };
    report.require(tables.many.is_some(), GROUP, || "many is not listed".into());
    for expected in dataset::tables(dialect) {
        let Some(found) = tables.named(expected.name) else {
            report.fail(GROUP, format!("{} is not listed", expected.name));
            continue;
        };
        let names: Vec<&str> = found.info.columns.iter().map(|column| column.name.as_str()).collect();
        let wanted: Vec<&str> = expected.columns.iter().map(|column| column.name).collect();
        report.require(names == wanted, GROUP, || format!("columns of {}: {names:?}", expected.name));
        let key: Vec<&str> = expected.columns.iter().filter(|c| c.kind == Kind::Key).map(|c| c.name).collect();
        report.require(found.info.primary_key == key, GROUP, || {
            format!("primary key of {}: {:?}", expected.name, found.info.primary_key)
        });
    }
    let Some(child) = tables.named("child") else { return };
    let foreign = child.info.foreign_keys.iter().find(|key| key.columns == ["parent_id"]);
    report.require(foreign.is_some_and(|key| key.references.table == "parent"), GROUP, || {
        format!("foreign keys of child: {:?}", child.info.foreign_keys)
    });
}
