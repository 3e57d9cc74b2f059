//! Where batches wait for whoever will read them: in memory, or on the disk when they are many.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SpillFile, TaskContext};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::SpillManager;
use futures::StreamExt;

use super::apart;

/// A batch that waits.
#[derive(Clone)]
pub(super) enum Stored {
    InMemory(RecordBatch),
    OnDisk(Arc<dyn SpillFile>),
}

/// Where the batches of one stream are kept.
pub(super) struct Room {
    of: &'static str,
    memory: MemoryReservation,
    most_bytes: usize,
    disk: SpillManager,
}

impl Room {
    /// Room for batches of `schema`, `of` what, in at most one part in `memory_part` of the statement's memory.
    pub(super) fn new(
        of: &'static str,
        memory_part: usize,
        task: &TaskContext,
        schema: SchemaRef,
        metrics: SpillMetrics,
    ) -> Self {
        let memory = MemoryConsumer::new(of).register(task.memory_pool());
        let most_bytes = match task.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / memory_part,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        let disk = SpillManager::new(task.runtime_env(), metrics, schema)
            .with_compression_type(task.session_config().spill_compression());
        Self { of, memory, most_bytes, disk }
    }

    pub(super) fn put(&self, batch: RecordBatch) -> Result<Stored> {
        let bytes = batch.get_array_memory_size();
        if self.memory.size().saturating_add(bytes) <= self.most_bytes && self.memory.try_grow(bytes).is_ok() {
            return Ok(Stored::InMemory(batch));
        }
        let file = self.disk.spill_record_batch_and_finish(std::slice::from_ref(&batch), self.of)?;
        Ok(file.map_or(Stored::InMemory(batch), Stored::OnDisk))
    }

    /// The batch, which stays here too.
    pub(super) async fn read(&self, stored: &Stored) -> Result<RecordBatch> {
        match stored {
            Stored::InMemory(batch) => Ok(batch.clone()),
            Stored::OnDisk(file) => {
                let mut rows = self.disk.read_spill_as_stream_unbuffered(Arc::clone(file), None)?;
                match rows.next().await {
                    Some(batch) => Ok(apart(&batch?)?),
                    None => internal_err!("a batch that was put on the disk is not there"),
                }
            }
        }
    }

    /// The batch, which is here no longer.
    pub(super) async fn take(&self, stored: Stored) -> Result<RecordBatch> {
        let batch = self.read(&stored).await?;
        if let Stored::InMemory(batch) = &stored {
            self.memory.shrink(batch.get_array_memory_size());
        }
        Ok(batch)
    }
}
