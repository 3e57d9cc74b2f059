//! The queries of one read: one, one per part of a table, or one per list of keys.

use std::sync::Arc;

use junto_connector::plan::RemotePlan;
use junto_connector::{Error, Keys, OpenRequest, Result};
use junto_connector_sql::parts::PartQueue;
use junto_connector_sql::{KeyValues, generate_part, tagged};
use uuid::Uuid;

use crate::capabilities::MAX_KEYS;
use crate::dialect::MySqlDialect;

/// What one query reads of a plan.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Whole,
    /// The part of the first table for which this condition holds.
    Part(String),
    /// The rows with these keys, and perhaps others.
    Keys(Keys),
    /// The rows with these keys and no others, which another list may bring.
    OneListOfSeveral(Keys),
}

/// Queries still to be sent, shared by the connections that send them.
#[derive(Debug)]
pub(super) struct Queries {
    plan: Arc<RemotePlan>,
    dialect: MySqlDialect,
    statement: Uuid,
    max_statement_bytes: usize,
    waiting: PartQueue<Piece>,
}

/// Pieces that one connection took from the queue and had to divide.
pub(super) type Halves = Vec<Piece>;

impl Queries {
    pub(super) fn new(
        request: &OpenRequest,
        dialect: MySqlDialect,
        max_statement_bytes: usize,
        pieces: Vec<Piece>,
    ) -> Self {
        Self {
            plan: Arc::clone(&request.plan),
            dialect,
            statement: request.context.statement,
            max_statement_bytes,
            waiting: PartQueue::new(pieces),
        }
    }

    /// SQL of the next query; none after the last. Lists of keys whose text would be too long are halved; the rest of
    /// them waits in `halves` for the next call.
    pub(super) fn next(&self, halves: &mut Halves) -> Result<Option<String>> {
        while let Some(piece) = halves.pop().or_else(|| self.waiting.take()) {
            let sql = self.sql(&piece)?;
            if sql.len() <= self.max_statement_bytes {
                return Ok(Some(sql));
            }
            match piece {
                Piece::Keys(keys) | Piece::OneListOfSeveral(keys) if keys.values.num_rows() > 1 => {
                    halves.extend(halved(&keys));
                }
                _ => return Err(self.too_long(sql.len())),
            }
        }
        Ok(None)
    }

    fn sql(&self, piece: &Piece) -> Result<String> {
        let mut dialect = self.dialect;
        let (keys, part) = match piece {
            Piece::Whole => (None, None),
            Piece::Part(condition) => (None, Some(condition.as_str())),
            Piece::Keys(keys) => (Some(KeyValues::Values(keys)), None),
            Piece::OneListOfSeveral(keys) => {
                dialect = dialect.with_exact_keys();
                (Some(KeyValues::Values(keys)), None)
            }
        };
        Ok(tagged(&self.statement, &generate_part(&dialect, &self.plan, keys, part)?))
    }

    fn too_long(&self, bytes: usize) -> Error {
        let most = self.max_statement_bytes;
        Error::Resource {
            what: format!("the statement of {bytes} bytes is longer than the {most} bytes this server takes"),
        }
    }
}

/// Both halves, the first one last: it is taken next.
fn halved(keys: &Keys) -> [Piece; 2] {
    let (rows, half) = (keys.values.num_rows(), keys.values.num_rows() / 2);
    let part = |from, rows, nulls| {
        Piece::OneListOfSeveral(Keys { columns: keys.columns.clone(), values: keys.values.slice(from, rows), nulls })
    };
    [part(half, rows - half, false), part(0, half, keys.nulls)]
}

/// What the queries of a read over one connection bring.
pub(super) fn pieces(keys: Option<&Keys>) -> Vec<Piece> {
    let Some(keys) = keys else { return vec![Piece::Whole] };
    match lists(keys).collect::<Vec<_>>() {
        lists if lists.len() == 1 => lists.into_iter().map(Piece::Keys).collect(),
        lists => lists.into_iter().map(Piece::OneListOfSeveral).collect(),
    }
}

/// Keys in lists of at most [`MAX_KEYS`]; NULL goes with the first.
pub(super) fn lists(keys: &Keys) -> impl Iterator<Item = Keys> {
    keys.lists(MAX_KEYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use junto_connector::plan::Relation;
    use junto_connector::{ScanColumn, StatementContext, TextSemantics};
    use junto_types::TableName;

    fn keys(rows: usize, nulls: bool) -> Keys {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, false)]));
        let values = Int64Array::from_iter_values(0..rows as i64);
        let values = RecordBatch::try_new(schema, vec![Arc::new(values)]).expect("one column");
        Keys { columns: vec![0], values, nulls }
    }

    fn request() -> OpenRequest {
        let column = ScanColumn {
            name: "k".into(),
            source_type: "bigint".into(),
            data_type: DataType::Int64,
            nullable: false,
            text: TextSemantics::Binary,
        };
        let root = Relation::Scan { table: TableName::new("s", "t"), columns: vec![column] };
        let context = StatementContext::new(None);
        OpenRequest { plan: Arc::new(RemotePlan { root }), keys: None, batch_rows: 1, context }
    }

    #[test]
    fn keys_are_asked_for_in_lists() {
        let sizes = |rows, nulls| {
            lists(&keys(rows, nulls)).map(|list| (list.values.num_rows(), list.nulls)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(25_000, true), [(10_000, true), (10_000, false), (5_000, false)]);
        assert_eq!(sizes(0, true), [(0, true)]);
        assert!(sizes(0, false).is_empty());
    }

    #[test]
    fn lists_that_are_too_long_are_halved_in_order() {
        let shortest = 130;
        let queries = Queries::new(&request(), MySqlDialect::plain(), shortest, vec![Piece::Keys(keys(10, true))]);
        let (mut halves, mut sent) = (Vec::new(), Vec::new());
        while let Some(sql) = queries.next(&mut halves).expect("short enough") {
            assert!(sql.len() <= shortest);
            sent.push(sql);
        }
        assert!(sent.len() > 1 && sent[0].contains("IS NULL"), "{sent:?}");
        assert_eq!(sent.iter().filter(|sql| sql.contains("IS NULL")).count(), 1);
        let text = sent.concat();
        assert!((0..10).all(|key| text.contains(&format!("{key}"))), "{text}");
        let tiny = Queries::new(&request(), MySqlDialect::plain(), 10, vec![Piece::Whole]);
        assert!(matches!(tiny.next(&mut halves), Err(Error::Resource { .. })));
    }

    #[test]
    fn parts_are_conditions_of_the_first_table() {
        let pieces = vec![Piece::Part("t0.\"k\" < 5".into()), Piece::Part("t0.\"k\" >= 5".into())];
        let queries = Queries::new(&request(), MySqlDialect::plain(), 1_000, pieces);
        let first = queries.next(&mut Vec::new()).expect("a query").expect("two parts");
        assert!(first.ends_with("FROM \"s\".\"t\" AS t0 WHERE t0.\"k\" < 5"), "{first}");
    }
}
