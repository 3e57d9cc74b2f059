//! What a session is set up for, and the one SET that pins it.

/// What a session is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Junto's own statements: pinned to one spelling, read-only.
    Generated,
    /// The user's statements: the server's own dialect.
    Native { read_only: bool },
}

/// The server, as far as its variables differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) is_mariadb: bool,
    /// In the server's words: `8.0.36-ubuntu`.
    pub(super) version: &'a str,
}

impl Product<'_> {
    /// Since version 8 MySQL answers questions about tables from what it knew a day ago, unless told not to.
    fn remembers_statistics(self) -> bool {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        !self.is_mariadb && major.is_some_and(|major| major >= 8)
    }
}

/// The SET of a session. What could change the meaning or the number of rows of a statement is pinned.
pub(super) fn session_statement(session: Session, product: Product<'_>, own_sql_mode: &str) -> String {
    let prefix = if product.is_mariadb { "tx" } else { "transaction" };
    // A reader that waits for another source must not be cut off: the server's default is a minute.
    let common = "SESSION time_zone = '+00:00', SESSION net_write_timeout = 86400";
    match session {
        Session::Generated => {
            let fresh =
                if product.remembers_statistics() { ", SESSION information_schema_stats_expiry = 0" } else { "" };
            // MariaDB keeps what a subquery found for a value, and finds it again for all values that the column's
            // collation takes for equal, although the subquery compares bytes.
            let exact = if product.is_mariadb { ", SESSION optimizer_switch = 'subquery_cache=off'" } else { "" };
            // Transactions that read in parallel need a snapshot, which lesser isolation does not keep.
            format!(
                "SET NAMES utf8mb4 COLLATE utf8mb4_bin, {common}, SESSION sql_mode = \
                 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES', \
                 SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1, \
                 SESSION {prefix}_isolation = 'REPEATABLE-READ', SESSION {prefix}_read_only = 1{fresh}{exact}"
            )
        }
        Session::Native { read_only: only } => format!(
            "SET NAMES utf8mb4, {common}, SESSION sql_mode = '{}', SESSION {prefix}_read_only = {}",
            own_sql_mode.replace('\'', ""),
            u8::from(only)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARIADB: Product<'_> = Product { is_mariadb: true, version: "10.11.6-MariaDB" };

    #[test]
    fn generated_statements_have_one_spelling_and_native_ones_the_servers() {
        let generated = session_statement(Session::Generated, MARIADB, "ANSI");
        assert!(generated.contains("NO_BACKSLASH_ESCAPES") && generated.contains("tx_read_only = 1"), "{generated}");
        assert!(generated.contains("subquery_cache=off"), "{generated}");
        let mysql = Product { is_mariadb: false, version: "8.0.36" };
        let native = session_statement(Session::Native { read_only: false }, mysql, "ANSI");
        assert!(native.contains("sql_mode = 'ANSI'") && native.contains("transaction_read_only = 0"), "{native}");
    }

    #[test]
    fn only_servers_that_remember_statistics_are_told_not_to() {
        let is_told = |is_mariadb, version| {
            let product = Product { is_mariadb, version };
            session_statement(Session::Generated, product, "").contains("information_schema_stats_expiry")
        };
        assert!(is_told(false, "8.4.0") && !is_told(false, "5.7.44-log") && !is_told(true, "11.4.2-MariaDB"));
    }
}
