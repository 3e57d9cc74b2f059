//! What tests share and nothing ships: real database servers of their own, and the conformance suite of connectors.
//!
//! [`postgres::shared`] and [`mariadb::shared`] give a server that belongs to the test process: it listens on a free
//! port, keeps its data in a temporary folder, and is gone when the process ends, however it ends. Begin a test that
//! needs one with [`require!`]:
//!
//! ```ignore
//! let server = junto_testkit::require!(junto_testkit::postgres::shared());
//! server.create_database("orders");
//! server.execute("orders", "create table t (id int); insert into t values (1)");
//! let url = server.url("orders");
//! ```
//!
//! Everything here is blocking and may be called from inside an async test too. Helpers panic with the server's words
//! when something fails: a broken fixture is a failed test.

pub mod conformance;
pub mod mariadb;
pub mod postgres;
mod process;
pub mod proxy;
pub mod sqlite;
mod tls;

pub use process::{StartError, servers_required, skip_or_fail};
pub use tls::Certificates;

/// The value of a `Result<_, StartError>`, or the end of the test.
///
/// When the server is not installed the test is skipped by name, visibly on stderr; with `CI=true` or
/// `JUNTO_REQUIRE_SERVERS=1` it fails instead. A server that is installed and does not start always fails the test.
#[macro_export]
macro_rules! require {
    ($server:expr) => {
        match $server {
            Ok(server) => server,
            Err(error) => {
                $crate::skip_or_fail(&error);
                return;
            }
        }
    };
}
