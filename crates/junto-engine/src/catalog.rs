//! What the engine remembers of tables: structure and statistics, with their age.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use junto_connector::{Connector, Result, TableInfo, TableStatistics};
use junto_types::Alias;
use parking_lot::Mutex;

/// How long a table is trusted without asking. A scan that meets another structure asks again at once.
const FRESH: Duration = Duration::from_mins(1);

type Key = (Alias, Option<String>, String);

/// A table as it was when it was read.
#[derive(Debug, Clone)]
pub(crate) struct CachedTable {
    pub(crate) info: Arc<TableInfo>,
    pub(crate) statistics: Arc<TableStatistics>,
    read_at: Instant,
}

/// Tables by the names statements used.
#[derive(Debug, Default)]
pub(crate) struct CatalogCache {
    tables: Mutex<HashMap<Key, CachedTable>>,
    /// Columns that turned out to hold wider numbers than their source said, with the type that holds them.
    widened: Mutex<HashMap<(Alias, String), DataType>>,
}

impl CatalogCache {
    /// The table a statement means by `schema` and `table`.
    pub(crate) async fn table(
        &self,
        alias: &Alias,
        connector: &Arc<dyn Connector>,
        schema: Option<&str>,
        table: &str,
    ) -> Result<CachedTable> {
        let key = (alias.clone(), schema.map(str::to_owned), table.to_owned());
        if let Some(cached) = self.tables.lock().get(&key).filter(|cached| cached.read_at.elapsed() < FRESH) {
            return Ok(cached.clone());
        }
        let mut info = connector.table(schema, table).await?;
        for column in &mut info.columns {
            if let Some(wide) = self.widened.lock().get(&(alias.clone(), column.name.clone()))
                && column.data_type.is_decimal()
            {
                column.data_type = wide.clone();
            }
        }
        // A source that refuses statistics still answers; the plan may be slower.
        let statistics = match connector.statistics(&info.name).await {
            Ok(statistics) => statistics,
            Err(error) => {
                tracing::debug!(connection = %alias, table = %info.name, %error, "no statistics");
                TableStatistics::rows_only(info.row_estimate)
            }
        };
        let cached = CachedTable { info: Arc::new(info), statistics: Arc::new(statistics), read_at: Instant::now() };
        self.tables.lock().insert(key, cached.clone());
        Ok(cached)
    }

    /// Plans columns of this name with a wider type from now on, on this connection.
    pub(crate) fn widen(&self, alias: &Alias, column: &str, wanted: DataType) {
        self.widened.lock().insert((alias.clone(), column.to_owned()), wanted);
        self.forget(alias);
    }

    /// Forgets all tables of a connection.
    pub(crate) fn forget(&self, alias: &Alias) {
        self.tables.lock().retain(|(known, _, _), _| known != alias);
    }
}
