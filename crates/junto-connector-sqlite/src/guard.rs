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
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
    connection.authorizer(Some(authorize))
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
