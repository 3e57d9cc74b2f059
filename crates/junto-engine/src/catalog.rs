//! What the engine remembers of tables: structure and statistics, with their age.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use junto_connector::{Connector, Result, TableInfo, TableStatistics};
use junto_federation::RemoteEstimates;
use junto_types::Alias;
use parking_lot::Mutex;

/// How long a table is trusted without asking. A scan that meets another structure asks again at once.
const FRESH: Duration = Duration::from_mins(1);
/// How old statistics may be that a statement plans with while newer ones are fetched in the background.
const USABLE: Duration = Duration::from_hours(1);

type Key = (Alias, Option<String>, String);

/// A table as it was when it was read.
#[derive(Debug, Clone)]
pub(crate) struct CachedTable {
    pub(crate) info: Arc<TableInfo>,
    pub(crate) statistics: Arc<TableStatistics>,
    /// What the source expected of conditions since then.
    pub(crate) estimates: Arc<RemoteEstimates>,
    read_at: Instant,
    measured_at: Instant,
}

/// Tables by the names statements used.
#[derive(Debug, Default)]
pub(crate) struct CatalogCache {
    tables: Mutex<HashMap<Key, CachedTable>>,
    /// Columns that turned out to hold wider numbers than their source said, with the type that holds them.
    widened: Mutex<HashMap<(Alias, String), DataType>>,
}

impl CatalogCache {
    /// The table a statement means by `schema` and `table`. Its structure is at most [`FRESH`] old; statistics may be
    /// older, for they only decide how a statement runs.
    pub(crate) async fn table(
        self: &Arc<Self>,
        alias: &Alias,
        connector: &Arc<dyn Connector>,
        schema: Option<&str>,
        table: &str,
    ) -> Result<CachedTable> {
        let key = (alias.clone(), schema.map(str::to_owned), table.to_owned());
        let known = self.tables.lock().get(&key).cloned();
        if let Some(fresh) = known.as_ref().filter(|known| known.read_at.elapsed() < FRESH) {
            return Ok(fresh.clone());
        }
        let mut info = connector.table(schema, table).await?;
        for column in &mut info.columns {
            if let Some(wide) = self.widened.lock().get(&(alias.clone(), column.name.clone()))
                && column.data_type.is_decimal()
            {
                column.data_type = wider(&column.data_type, wide);
            }
        }
        let usable = known.filter(|known| known.measured_at.elapsed() < USABLE && is_alike(&known.info, &info));
        let cached = if let Some(known) = usable {
            tokio::spawn(Arc::clone(self).measure_again(key.clone(), Arc::clone(connector), Arc::clone(&known.info)));
            CachedTable { read_at: Instant::now(), ..known }
        } else {
            let statistics = Arc::new(measured(alias, connector, &info).await);
            let now = Instant::now();
            CachedTable { info: Arc::new(info), statistics, estimates: Arc::default(), read_at: now, measured_at: now }
        };
        self.tables.lock().insert(key, cached.clone());
        Ok(cached)
    }

    /// Replaces the statistics of a table, unless it was forgotten or has another structure by then.
    async fn measure_again(self: Arc<Self>, key: Key, connector: Arc<dyn Connector>, info: Arc<TableInfo>) {
        let statistics = measured(&key.0, &connector, &info).await;
        if let Some(known) = self.tables.lock().get_mut(&key).filter(|known| known.info == info) {
            known.statistics = Arc::new(statistics);
            known.estimates = Arc::default();
            known.measured_at = Instant::now();
        }
    }

    /// Plans columns of this name with a wider type from now on, on this connection. Says whether that changes anything:
    /// what a source computes from columns has no type of its own here.
    pub(crate) fn widen(&self, alias: &Alias, column: &str, wanted: DataType) -> bool {
        let has_column = |((known, ..), table): (&Key, &CachedTable)| {
            known == alias && table.info.columns.iter().any(|one| one.name == column)
        };
        if !self.tables.lock().iter().any(has_column) {
            return false;
        }
        let key = (alias.clone(), column.to_owned());
        let mut widened = self.widened.lock();
        let before = widened.get(&key);
        let wanted = before.map_or_else(|| wanted.clone(), |before| wider(before, &wanted));
        if before == Some(&wanted) {
            return false;
        }
        widened.insert(key, wanted);
        drop(widened);
        self.forget(alias);
        true
    }

    /// Forgets all tables of a connection.
    pub(crate) fn forget(&self, alias: &Alias) {
        self.tables.lock().retain(|(known, _, _), _| known != alias);
    }
}

/// A decimal that holds what a column holds by its own type, and what was found in one of its name.
fn wider(own: &DataType, found: &DataType) -> DataType {
    let digits = |of: &DataType| match of {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    let (Some(own), Some(wide)) = (digits(own), digits(found)) else { return found.clone() };
    if wide.0 >= own.0 && wide.1 >= own.1 {
        return found.clone();
    }
    let before_point = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let scale = own.1.max(wide.1);
    let precision = before_point(own).max(before_point(wide)) + i16::from(scale);
    match u8::try_from(precision).unwrap_or(DECIMAL256_MAX_PRECISION) {
        precision @ ..=DECIMAL128_MAX_PRECISION => DataType::Decimal128(precision, scale),
        precision => DataType::Decimal256(precision.min(DECIMAL256_MAX_PRECISION), scale),
    }
}

/// Whether two readings are of one structure, with rows of about one number.
fn is_alike(known: &TableInfo, now: &TableInfo) -> bool {
    let doubled = |a: u64, b: u64| a > b.saturating_mul(2);
    let rows = match (known.row_estimate, now.row_estimate) {
        (Some(a), Some(b)) => !doubled(a, b) && !doubled(b, a),
        (a, b) => a == b,
    };
    rows && *known == TableInfo { row_estimate: known.row_estimate, ..now.clone() }
}

/// What a source knows of a table. One that refuses statistics still answers; the plan may be slower.
async fn measured(alias: &Alias, connector: &Arc<dyn Connector>, info: &TableInfo) -> TableStatistics {
    match connector.statistics(&info.name).await {
        Ok(statistics) => statistics,
        Err(error) => {
            tracing::debug!(connection = %alias, table = %info.name, %error, "no statistics");
            TableStatistics::rows_only(info.row_estimate)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_decimals_hold_both() {
        use DataType::{Decimal128, Decimal256};
        for (own, found, both) in [
            (Decimal128(38, 0), Decimal128(38, 2), Decimal128(38, 2)),
            (Decimal128(18, 4), Decimal256(39, 0), Decimal256(43, 4)),
            (Decimal128(10, 4), Decimal128(12, 0), Decimal128(16, 4)),
            (Decimal256(76, 4), Decimal256(76, 0), Decimal256(76, 4)),
        ] {
            assert_eq!(wider(&own, &found), both);
        }
    }
}
