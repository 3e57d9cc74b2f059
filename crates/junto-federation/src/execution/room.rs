//! Room for batches that wait for whoever will read them: a part of the statement's memory, then the disk.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::SpillManager;

/// Where the batches of one stream wait.
pub(super) struct Room {
    pub(super) memory: MemoryReservation,
    most_bytes: usize,
    pub(super) disk: SpillManager,
}

impl Room {
    /// Room for batches of `schema`, in one part of `memory_parts` of the statement's memory. `of`: what they are.
    pub(super) fn new(
        of: &str,
        memory_parts: usize,
        task: &TaskContext,
        schema: SchemaRef,
        metrics: SpillMetrics,
    ) -> Self {
        let memory = MemoryConsumer::new(of).register(task.memory_pool());
        let most_bytes = match task.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / memory_parts,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        let disk = SpillManager::new(task.runtime_env(), metrics, schema)
            .with_compression_type(task.session_config().spill_compression());
        Self { memory, most_bytes, disk }
    }

    /// Whether there is memory for a batch, which is taken then.
    pub(super) fn takes(&self, batch: &RecordBatch) -> bool {
        let bytes = batch.get_array_memory_size();
        self.memory.size().saturating_add(bytes) <= self.most_bytes && self.memory.try_grow(bytes).is_ok()
    }
}
