//! What statements on our connections may do: read, and nothing else.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

/// Pragmas that only ask, whatever their argument.
const ASKING_PRAGMAS: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "database_list",
    "collation_list",
    "function_list",
    "compile_options",
    "data_version",
];

/// Pragmas that ask without an argument and change something with one.
const ASKING_WITHOUT_VALUE: &[&str] =
    &["encoding", "page_count", "page_size", "freelist_count", "user_version", "application_id", "schema_version"];

/// Functions that reach out of the database.
const REFUSED_FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"];

/// SQLite's name for the database of temporary tables.
const TEMPORARY: &str = "temp";
/// Pages of 4 KB that temporary tables of one connection may have: 1 GB.
const TEMPORARY_PAGES: u32 = 262_144;

/// Locks a new connection down.
///
/// Layers, each enough by itself against what it names: the file is open for reading; `query_only` stops writes in the
/// virtual machine; the authorizer refuses all but reading when a statement is prepared, pragmas that would lift
/// `query_only` and ATTACH among it; `defensive` and untrusted schema stop a hostile file from reaching out.
pub(crate) fn lock_down(connection: &mut Connection) -> rusqlite::Result<()> {
    for (config, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        // "x" is a name, never a text by accident.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(config, value)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.execute_batch("PRAGMA cache_size = -8192;")?;
    lock(connection)
}

/// Lets statements do nothing but read from here on.
pub(crate) fn lock(connection: &mut Connection) -> rusqlite::Result<()> {
    unguarded(connection, "PRAGMA query_only = ON;")?;
    connection.authorizer(Some(authorize))
}

/// Keeps temporary tables in memory, at most [`TEMPORARY_PAGES`] of them: none is ever written to a file.
pub(crate) fn hold_temporary_tables_in_memory(connection: &mut Connection) -> rusqlite::Result<()> {
    let sql = format!("PRAGMA temp_store = MEMORY; PRAGMA temp.max_page_count = {TEMPORARY_PAGES};");
    unguarded(connection, &sql)?;
    lock(connection)
}

/// Lets statements make and change temporary tables too, until [`lock`].
///
/// `query_only` would stop these as well. The other layers stand: the authorizer refuses a statement that changes
/// anything but temporary tables when it is prepared, and a file that is open for reading cannot be written.
pub(crate) fn let_temporary_tables_change(connection: &mut Connection) -> rusqlite::Result<()> {
    unguarded(connection, "PRAGMA query_only = OFF;")?;
    connection.authorizer(Some(authorize_temporary))
}

/// Runs statements of ours that the authorizer refuses to all others. It is missing afterwards.
fn unguarded(connection: &mut Connection, sql: &str) -> rusqlite::Result<()> {
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    connection.execute_batch(sql)
}

fn authorize_temporary(context: AuthContext<'_>) -> Authorization {
    let is_temporary = context.database_name == Some(TEMPORARY);
    match context.action {
        AuthAction::Transaction { .. } => Authorization::Allow,
        AuthAction::CreateTempTable { .. } | AuthAction::Insert { .. } | AuthAction::Update { .. } if is_temporary => {
            Authorization::Allow
        }
        _ => authorize(context),
    }
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    let known = |list: &[&str], name: &str| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => !known(REFUSED_FUNCTIONS, function_name),
        AuthAction::Pragma { pragma_name, pragma_value } => {
            known(ASKING_PRAGMAS, pragma_name) || (pragma_value.is_none() && known(ASKING_WITHOUT_VALUE, pragma_name))
        }
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}
