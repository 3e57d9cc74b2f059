//! The command line's grammar.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use junto_engine::Strategy;

use crate::configuration::{parse_bytes, parse_timeout};
use crate::output::Format;

/// One SQL statement over many databases
#[derive(Debug, Parser)]
#[command(name = "junto", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads the process's arguments. Help, the version and mistakes are printed here.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS }
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run statements and print their rows
    Query(QueryArguments),
    /// Show what a statement runs where, and the SQL each database gets
    Explain(ExplainArguments),
    /// Show the schemas and tables of a connection, or the columns of a table
    Schema(SchemaArguments),
    /// Add, list, test, edit, remove, import and export connections
    Connections(ConnectionsArguments),
    /// Make demo databases and run first statements over them
    Demo(DemoArguments),
}

/// Where connections come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArguments {
    /// Connect ALIAS to a database for this command; may be repeated
    #[arg(short = 'c', long = "connection", value_name = "ALIAS=URL")]
    pub(crate) connections: Vec<String>,
    /// Configuration file [default: ./junto.toml, then ~/.config/junto/junto.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How a statement runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatementArguments {
    /// Connection for statements that name none with `@`
    #[arg(long, value_name = "ALIAS")]
    pub(crate) on: Option<String>,
    /// Time for each statement: 30s, 500ms, 2m, none [default: multiquery.timeout]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Timeout>,
    /// auto, federated, push_down or materialize [default: multiquery.default_strategy]
    #[arg(long, value_name = "STRATEGY", value_parser = str::parse::<Strategy>)]
    pub(crate) strategy: Option<Strategy>,
    /// Memory of joins, sorts and aggregates before they spill [default: multiquery.merge_buffer_size]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    pub(crate) memory_limit: Option<usize>,
}

/// A time limit; none inside means without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeout(pub(crate) Option<Duration>);

fn timeout(text: &str) -> Result<Timeout, String> {
    parse_timeout(text).map(Timeout)
}

/// A row limit; none inside means all rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowLimit(pub(crate) Option<u64>);

fn row_limit(text: &str) -> Result<RowLimit, String> {
    match text {
        "none" => Ok(RowLimit(None)),
        _ => text.parse().map(|rows| RowLimit(Some(rows))).map_err(|_| "write a number of rows or `none`".into()),
    }
}

/// What to do after a statement that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnError {
    /// Run no more statements
    Stop,
    /// Run the others too; the exit code is that of the first failure
    Continue,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    #[command(flatten)]
    pub(crate) sources: SourceArguments,
    #[command(flatten)]
    pub(crate) statement: StatementArguments,
    /// Statements, separated by semicolons; `-` reads them from standard input
    #[arg(value_name = "SQL", conflicts_with = "file")]
    pub(crate) sql: Option<String>,
    /// Read the statements from a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Form of the rows [default: table at a terminal, csv otherwise]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Write the rows to a file; it appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Rows of each result, or `none` [default: 1000 at a terminal, else none]
    #[arg(long, value_name = "N", value_parser = row_limit)]
    pub(crate) limit: Option<RowLimit>,
    /// Permit a statement without `@` to write
    #[arg(long)]
    pub(crate) allow_write: bool,
    /// What to do after a statement that failed
    #[arg(long, value_enum, default_value = "stop")]
    pub(crate) on_error: OnError,
    /// Run each statement N times; rows are written once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Print one JSON line per run on standard error
    #[arg(long)]
    pub(crate) timing: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) sources: SourceArguments,
    #[command(flatten)]
    pub(crate) statement: StatementArguments,
    /// The statement; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// Run it, throw its rows away and show actual figures beside the estimates
    #[arg(long)]
    pub(crate) analyze: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    #[command(flatten)]
    pub(crate) sources: SourceArguments,
    /// `@conn`, `@conn.schema`, `@conn.schema.table` or `@conn.table`
    #[arg(value_name = "@CONN[.SCHEMA[.TABLE]]")]
    pub(crate) name: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Folder for the demo databases [default: a folder of this user's data]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave PostgreSQL and MariaDB out, also where they are installed
    #[arg(long)]
    pub(crate) no_servers: bool,
    /// Stop the demo's PostgreSQL and MariaDB; their data stay for the next time
    #[arg(long, conflicts_with = "no_servers")]
    pub(crate) stop: bool,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionsArguments {
    /// Configuration file [default: the one that is found, else ~/.config/junto/junto.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) action: ConnectionsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsAction {
    /// Add a connection
    Add {
        /// What follows `@` in statements
        alias: String,
        /// For example postgres://ada:${env:PGPASSWORD}@db/shop, mysql://…, sqlite:PATH, duckdb:PATH, files:DIR
        url: Option<String>,
        #[command(flatten)]
        values: ConnectionValues,
    },
    /// List the connections
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect, and tell what works, how fast, and what the login may do
    Test {
        /// Connections to test [default: all]
        aliases: Vec<String>,
        /// Test a connection that is not in the file; may be repeated
        #[arg(short = 'c', long = "connection", value_name = "ALIAS=URL")]
        connections: Vec<String>,
    },
    /// Change a connection
    Edit {
        /// The connection
        alias: String,
        /// The new URL
        url: Option<String>,
        #[command(flatten)]
        values: ConnectionValues,
        /// The new alias
        #[arg(long, value_name = "ALIAS")]
        rename: Option<String>,
        /// Remove an option; may be repeated
        #[arg(long, value_name = "OPTION")]
        unset: Vec<String>,
    },
    /// Remove connections
    Remove {
        /// The connections
        #[arg(required = true)]
        aliases: Vec<String>,
    },
    /// Add the connections of another configuration file
    Import {
        /// The other file
        file: PathBuf,
        /// Replace connections that have the same alias
        #[arg(long)]
        replace: bool,
    },
    /// Print connections as a configuration file, without passwords
    Export {
        /// Connections to export [default: all]
        aliases: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionValues {
    /// Name shown to people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Driver, when there is no URL
    #[arg(long)]
    pub(crate) driver: Option<String>,
    /// An option of the driver; may be repeated
    #[arg(short, long = "option", value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
}
