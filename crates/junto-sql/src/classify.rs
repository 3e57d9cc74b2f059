//! What a statement does, told from its syntax tree rather than from its first word.

use crate::Dialect;
use sqlparser::ast::{
    CopySource, CopyTarget, Expr, Query, Select, Set, SetExpr, Statement, UtilityOption, Value, Visit, Visitor,
};
use sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// What a statement does at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatementKind {
    /// Reads only, as far as the text tells: functions may still write.
    Read,
    /// Changes or locks rows, or may: INSERT, SELECT … FOR UPDATE, CALL, COPY.
    Write,
    /// Changes the structure, rights or storage of a database.
    Ddl,
    /// Changes settings of the session.
    Session,
    /// Begins or ends a transaction.
    Transaction,
    /// Not understood.
    Unknown,
}

/// What `statement` does.
pub fn classify(statement: &Statement) -> StatementKind {
    use Statement as S;
    match statement {
        S::Query(query) => classify_query(query),
        S::Explain { analyze, statement, options, .. } => {
            if *analyze || analyzes(options.as_deref()) {
                classify(statement)
            } else {
                StatementKind::Read
            }
        }
        S::Copy { source, to, target, .. } => classify_copy(source, *to, target),
        S::Insert(_) | S::Update(_) | S::Delete(_) | S::Merge(_) | S::Truncate(_) | S::Directory { .. } => {
            StatementKind::Write
        }
        // EXECUTE runs what was prepared, and CALL what a procedure holds.
        S::Call(_) | S::Execute { .. } | S::Lock(_) | S::LockTables { .. } | S::NOTIFY { .. } => StatementKind::Write,
        S::LoadData { .. } | S::Unload { .. } | S::ExportData(_) | S::CopyIntoSnowflake { .. } => StatementKind::Write,
        S::Prepare { statement, .. } => match classify(statement) {
            StatementKind::Read => StatementKind::Session,
            other => other,
        },
        S::StartTransaction { .. } | S::Commit { .. } | S::Rollback { .. } | S::Savepoint { .. } => {
            StatementKind::Transaction
        }
        S::ReleaseSavepoint { .. } | S::UnlockTables | S::Set(Set::SetTransaction { .. }) => StatementKind::Transaction,
        S::Set(_) | S::Reset(_) | S::Use(_) | S::Discard { .. } | S::Deallocate { .. } | S::Declare { .. } => {
            StatementKind::Session
        }
        S::Open(_) | S::Close { .. } | S::LISTEN { .. } | S::UNLISTEN { .. } | S::Kill { .. } | S::Load { .. } => {
            StatementKind::Session
        }
        S::Pragma { is_eq: true, .. } | S::AttachDatabase { .. } | S::AttachDuckDBDatabase { .. } => {
            StatementKind::Session
        }
        S::DetachDuckDBDatabase { .. } | S::Install { .. } => StatementKind::Session,
        S::Pragma { .. } | S::Fetch { .. } => StatementKind::Read,
        _ if is_show(statement) => StatementKind::Read,
        _ if is_ddl(statement) => StatementKind::Ddl,
        _ => StatementKind::Unknown,
    }
}

/// What a native text does; the worst of several statements, [`StatementKind::Unknown`] if it does not parse.
///
/// Only for labels and early refusals: the database itself enforces read-only sessions.
pub fn classify_native(text: &str, dialect: Dialect) -> StatementKind {
    let Ok(statements) = Parser::parse_sql(dialect.parser_rules(), text) else { return StatementKind::Unknown };
    let kinds = statements.iter().map(classify);
    kinds.max_by_key(|kind| severity(*kind)).unwrap_or(StatementKind::Unknown)
}

fn severity(kind: StatementKind) -> u8 {
    match kind {
        StatementKind::Read => 0,
        StatementKind::Session => 1,
        StatementKind::Transaction => 2,
        StatementKind::Write => 3,
        StatementKind::Ddl => 4,
        StatementKind::Unknown => 5,
    }
}

/// `EXPLAIN (ANALYZE) …` runs the statement, `EXPLAIN (ANALYZE off) …` does not.
fn analyzes(options: Option<&[UtilityOption]>) -> bool {
    options.unwrap_or_default().iter().any(|option| {
        option.name.value.eq_ignore_ascii_case("analyze")
            && !option.arg.as_ref().is_some_and(|arg| {
                let text = match arg {
                    Expr::Value(value) => match &value.value {
                        Value::Boolean(on) => on.to_string(),
                        Value::Number(number, _) => number.clone(),
                        other => other.clone().into_string().unwrap_or_default(),
                    },
                    other => other.to_string(),
                };
                ["false", "off", "0"].iter().any(|no| text.eq_ignore_ascii_case(no))
            })
    })
}

fn classify_copy(source: &CopySource, to: bool, target: &CopyTarget) -> StatementKind {
    match (source, target) {
        (CopySource::Query(query), CopyTarget::Stdout) if to => classify_query(query),
        (CopySource::Table { .. }, CopyTarget::Stdout) if to => StatementKind::Read,
        _ => StatementKind::Write,
    }
}

fn classify_query(query: &Query) -> StatementKind {
    let mut effects = Effects { kind: StatementKind::Read };
    let _ = query.visit(&mut effects);
    effects.kind
}

/// Looks for whatever in a query is more than reading.
struct Effects {
    kind: StatementKind,
}

impl Effects {
    fn note(&mut self, kind: StatementKind) {
        if severity(kind) > severity(self.kind) {
            self.kind = kind;
        }
    }
}

impl Visitor for Effects {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.note(StatementKind::Write);
        }
        if matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)) {
            self.note(StatementKind::Write);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.note(StatementKind::Ddl);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.note(classify(statement));
        ControlFlow::Continue(())
    }
}

fn is_show(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::ShowFunctions { .. }
            | S::ShowVariable { .. }
            | S::ShowStatus { .. }
            | S::ShowVariables { .. }
            | S::ShowCreate { .. }
            | S::ShowColumns { .. }
            | S::ShowCatalogs { .. }
            | S::ShowDatabases { .. }
            | S::ShowProcessList { .. }
            | S::ShowSchemas { .. }
            | S::ShowCharset(_)
            | S::ShowObjects(_)
            | S::ShowTables { .. }
            | S::ShowViews { .. }
            | S::ShowCollation { .. }
            | S::ExplainTable { .. }
    )
}

fn is_ddl(statement: &Statement) -> bool {
    creates(statement) || alters(statement) || drops(statement)
}

fn creates(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::CreateView(_)
            | S::CreateTable(_)
            | S::CreateVirtualTable { .. }
            | S::CreateIndex(_)
            | S::CreateRole(_)
            | S::CreateSecret { .. }
            | S::CreateServer(_)
            | S::CreatePolicy(_)
            | S::CreateConnector(_)
            | S::CreateOperator(_)
            | S::CreateOperatorFamily(_)
            | S::CreateOperatorClass(_)
            | S::CreateExtension(_)
            | S::CreateCollation(_)
            | S::CreateSchema { .. }
            | S::CreateDatabase { .. }
            | S::CreateFunction(_)
            | S::CreateTrigger(_)
            | S::CreateProcedure { .. }
            | S::CreateMacro { .. }
            | S::CreateStage { .. }
            | S::CreateSequence { .. }
            | S::CreateDomain(_)
            | S::CreateType { .. }
            | S::CreateUser(_)
    )
}

fn alters(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::AlterTable(_)
            | S::AlterSchema(_)
            | S::AlterIndex { .. }
            | S::AlterView { .. }
            | S::AlterFunction(_)
            | S::AlterType(_)
            | S::AlterCollation(_)
            | S::AlterOperator(_)
            | S::AlterOperatorFamily(_)
            | S::AlterOperatorClass(_)
            | S::AlterRole { .. }
            | S::AlterPolicy(_)
            | S::AlterConnector { .. }
            | S::AlterUser(_)
            | S::RenameTable(_)
            | S::Comment { .. }
            | S::Grant(_)
            | S::Deny(_)
            | S::Revoke(_)
            | S::Analyze(_)
            | S::Vacuum(_)
            | S::OptimizeTable { .. }
            | S::Flush { .. }
            | S::Msck(_)
    )
}

fn drops(statement: &Statement) -> bool {
    use Statement as S;
    matches!(
        statement,
        S::Drop { .. }
            | S::DropFunction(_)
            | S::DropDomain(_)
            | S::DropProcedure { .. }
            | S::DropSecret { .. }
            | S::DropPolicy(_)
            | S::DropConnector { .. }
            | S::DropExtension(_)
            | S::DropOperator(_)
            | S::DropOperatorFamily(_)
            | S::DropOperatorClass(_)
            | S::DropTrigger(_)
    )
}
