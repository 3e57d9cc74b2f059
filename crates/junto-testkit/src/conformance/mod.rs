//! The suite every connector runs: what it claims is compared with a local evaluation, what it does not claim must be
//! refused cleanly.
//!
//! A connector's integration test seeds the standard tables, connects, and calls [`run`]:
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn keeps_the_contract() {
//!     let server = junto_testkit::require!(junto_testkit::postgres::shared());
//!     server.create_database("conformance");
//!     server.execute("conformance", &dataset::sql(Dialect::Postgres));
//!     let connector = /* connect to server.url("conformance") */;
//!     let subject = Subject::new(connector)
//!         .seeded_as(Dialect::Postgres)
//!         .watched(move |tag| !server.query("postgres", &format!("select 1 from pg_stat_activity …")).is_empty())
//!         .native(NativeProbe { read: "select 1".into(), writes: vec!["delete from parent".into()] });
//!     conformance::run(&subject).await;
//! }
//! ```
//!
//! [`run`] collects every failure and panics once with a list of them. The parts: [`catalog`] (listing agrees with
//! reading), [`reading`] (columns, batches, values), [`expressions`] and [`relations`] (every claimed operation over
//! edge values), [`keys`], [`behaviour`] (cancellation, deadlines, read-only sessions). [`workspace`] is for
//! sources with temporary tables, beside [`run`]. Plans are built with
//! [`plans`] and computed locally by [`evaluate`] and [`relation`].

mod behaviour;
mod catalog;
pub mod dataset;
pub mod evaluate;
mod expressions;
mod keys;
pub mod plans;
mod random;
mod reading;
pub mod relation;
mod relations;
mod report;
mod subject;
pub mod value;
mod verify;
pub mod workspace;

pub use dataset::Dialect;
pub use report::Report;
pub use subject::{NativeProbe, Subject};

/// Runs the whole suite.
///
/// # Panics
/// When anything failed, with a list.
pub async fn run(subject: &Subject) {
    check(subject).await.assert_empty();
}

/// Runs the whole suite and returns what failed.
pub async fn check(subject: &Subject) -> Report {
    let mut report = Report::default();
    let Some(tables) = catalog::check(subject, &mut report).await else { return report };
    reading::check(subject, &tables, &mut report).await;
    expressions::check(subject, &tables, &mut report).await;
    random::check(subject, &tables, &mut report).await;
    relations::check(subject, &tables, &mut report).await;
    keys::check(subject, &tables, &mut report).await;
    behaviour::check(subject, &tables, &mut report).await;
    report
}
