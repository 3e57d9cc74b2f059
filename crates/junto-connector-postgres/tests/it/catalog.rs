//! Listings, tables in full, and statistics.

use junto_connector::{Error, Literal, TableKind, TextSemantics};
use junto_testkit::postgres::shared;
use junto_testkit::require;
use junto_types::TableName;

use crate::{connect, database, error_of};

const TABLES: &str = "
    create schema sales; comment on schema sales is 'what was sold';
    create table customers (id int primary key, email text not null unique, note text unique);
    create table sales.orders (id bigint, line int, customer int not null references customers, \"Total\" numeric(9,2),
        primary key (id, line));
    comment on table sales.orders is 'lines'; comment on column sales.orders.\"Total\" is 'with tax';
    create index orders_by_customer on sales.orders (customer, lower(id::text));
    create index partial on sales.orders (customer) where line = 1;
    create view recent as select * from sales.orders; create materialized view counted as select count(*) from customers;
    create table events (at date not null, what text) partition by range (at);
    create table events_2020 partition of events for values from ('2020-01-01') to ('2021-01-01');
    create table events_2021 partition of events for values from ('2021-01-01') to ('2022-01-01');
    create table \"Mixed\" (a int); create table twins (a int); create table \"TWINS\" (a int);
    insert into customers select x, 'm' || x, case when x % 2 = 0 then 'even' || x end from generate_series(1, 1000) x;
    insert into events select date '2020-01-01' + x % 700, 'e' || x % 3 from generate_series(0, 999) x; analyze";

#[tokio::test]
async fn lists_what_a_person_would_look_for() {
    let server = require!(shared());
    let connector = database(server, "listed", TABLES).await;
    let schemas = connector.schemas().await.expect("listed");
    let shown: Vec<_> = schemas.iter().map(|s| (s.name.as_str(), s.is_default, s.comment.as_deref())).collect();
    let public = Some("standard public schema");
    assert_eq!(shown, [("public", true, public), ("sales", false, Some("what was sold"))]);
    let tables = connector.tables(None).await.expect("listed");
    let shown: Vec<_> = tables.iter().map(|table| (table.name.to_string(), table.kind)).collect();
    let expected = [
        ("public.Mixed", TableKind::Table),
        ("public.TWINS", TableKind::Table),
        ("public.counted", TableKind::MaterializedView),
        ("public.customers", TableKind::Table),
        ("public.events", TableKind::PartitionedTable),
        ("public.recent", TableKind::View),
        ("public.twins", TableKind::Table),
        ("sales.orders", TableKind::Table),
    ];
    assert_eq!(shown, expected.map(|(name, kind)| (name.to_owned(), kind)));
    let events = tables.iter().find(|table| table.name.table == "events").expect("listed");
    assert_eq!(events.row_estimate, Some(1000));
    assert_eq!(connector.tables(Some("sales")).await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_column_is_never_null_only_where_its_heirs_cannot_hold_null() {
    let server = require!(shared());
    let tables = "create table ancestor (id int not null); create table heir () inherits (ancestor);
        alter table heir alter id drop not null; insert into heir values (null);
        create table parted (id int not null) partition by range (id);
        create table part partition of parted for values from (0) to (9);
        create extension file_fdw; create server files foreign data wrapper file_fdw;
        create foreign table outside (id int not null) server files options (program 'echo', null '')";
    let connector = database(server, "inherited", tables).await;
    for (table, nullable) in [("ancestor", true), ("heir", true), ("parted", false), ("part", false), ("outside", true)]
    {
        let found = connector.table(None, table).await.expect("there");
        assert_eq!(found.columns[0].nullable, nullable, "{table}");
    }
}

#[tokio::test]
async fn describes_tables_in_full() {
    let server = require!(shared());
    let connector = database(server, "described", TABLES).await;
    let orders = connector.table(Some("sales"), "orders").await.expect("there");
    assert_eq!(orders.primary_key, ["id", "line"]);
    assert_eq!(orders.comment.as_deref(), Some("lines"));
    let total = &orders.columns[3];
    assert_eq!((total.name.as_str(), total.source_type.as_str(), total.nullable), ("Total", "numeric(9,2)", true));
    assert_eq!(total.comment.as_deref(), Some("with tax"));
    assert_eq!(orders.foreign_keys[0].references, TableName::new("public", "customers"));
    let indexes: Vec<_> = orders.indexes.iter().map(|index| (index.name.as_str(), index.columns.as_slice())).collect();
    let customer = ["customer".to_owned()];
    let key = ["id".to_owned(), "line".to_owned()];
    assert_eq!(indexes, [("orders_by_customer", &customer[..]), ("orders_pkey", &key[..])]);
    let customers = connector.table(None, "customers").await.expect("there");
    assert_eq!(customers.unique_keys, [["email"]]);
    assert_eq!(customers.row_estimate, Some(1000));
    let events = connector.table(None, "events").await.expect("there");
    assert_eq!(events.partitions, [TableName::new("public", "events_2020"), TableName::new("public", "events_2021")]);
    assert_eq!(connector.table(None, "events_2020").await.expect("there").kind, TableKind::Partition);
    assert_eq!(events.columns[1].text, TextSemantics::BinaryEquality);
}

#[tokio::test]
async fn finds_names_as_people_type_them() {
    let server = require!(shared());
    let connector = database(server, "named", TABLES).await;
    assert_eq!(connector.table(Some("PUBLIC"), "mixed").await.expect("there").name, TableName::new("public", "Mixed"));
    assert_eq!(connector.table(None, "TWINS").await.expect("there").name.table, "TWINS");
    assert!(matches!(error_of(connector.table(None, "Twins").await), Error::TableNotFound { .. }));
    let error = error_of(connector.table(None, "custmers").await);
    assert!(matches!(&error, Error::TableNotFound { nearest: Some(near), .. } if near == "customers"), "{error:?}");
    let by_schema = connect(&format!("{}?schema=sales", server.url("named"))).await;
    assert_eq!(by_schema.table(None, "orders").await.expect("there").name, TableName::new("sales", "orders"));
}

#[tokio::test]
async fn knows_what_analyze_found() {
    let server = require!(shared());
    let connector = database(server, "analysed", TABLES).await;
    let customers = connector.statistics(&TableName::new("public", "customers")).await.expect("there");
    assert_eq!(customers.rows, Some(1000));
    let id = customers.column("id").expect("analysed");
    assert_eq!((id.distinct, &id.min, &id.max), (Some(1000), &Some(Literal::Int(1)), &Some(Literal::Int(1000))));
    assert_eq!(customers.column("note").and_then(|note| note.null_fraction), Some(0.5));
    let events = connector.statistics(&TableName::new("public", "events")).await.expect("there");
    assert_eq!(events.rows, Some(1000));
    let what = events.column("what").expect("analysed");
    assert_eq!((what.distinct, what.common.len()), (Some(3), 3));
    assert!(events.column("at").is_some_and(|at| matches!(at.min, Some(Literal::Date(_)))));
    let unknown = connector.statistics(&TableName::new("public", "nothing")).await;
    assert!(matches!(error_of(unknown), Error::TableNotFound { .. }));
}
