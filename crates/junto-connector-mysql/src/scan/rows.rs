//! Rows of one query, decoded as they arrive.

use std::time::Instant;

use arrow_array::RecordBatch;
use junto_connector::{Result, StatementContext};

use crate::decode::{RowDecoder, RowFormat};
use crate::error::{before_deadline, timed_out};
use crate::pool::Lease;
use crate::wire::{Failure, RowPacket};

/// A batch ends at this size even if it has fewer rows than asked for: rows can be megabytes.
const MAX_BATCH_BYTES: usize = 16 << 20;
/// Rows decoded at a time, column by column: they should stay in the processor's cache.
const RUN_ROWS: usize = 512;

/// Rows of one query.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) lease: Lease,
    pub(crate) decoder: RowDecoder,
    pub(crate) has_ended: bool,
}

impl Rows {
    /// The next batch; none after the last. The end is only believed when the server says so.
    pub(crate) async fn next_batch(
        &mut self,
        batch_rows: usize,
        context: &StatementContext,
        since: Instant,
    ) -> Result<Option<RecordBatch>, Failure> {
        let connection = self.lease.connection()?;
        while !self.has_ended && self.decoder.rows() < batch_rows && self.decoder.bytes() < MAX_BATCH_BYTES {
            if self.decoder.format() == RowFormat::Binary {
                let run = connection.buffered_binary_rows((batch_rows - self.decoder.rows()).min(RUN_ROWS))?;
                if !run.packets.is_empty() {
                    self.decoder.append_run(run)?;
                    continue;
                }
            }
            match connection.buffered_row()? {
                Some(RowPacket::Row(packet)) => self.decoder.append(packet)?,
                Some(RowPacket::End) => self.has_ended = true,
                None => before_deadline(context, since, connection.fill()).await?,
            }
        }
        if self.decoder.rows() == 0 {
            return Ok(None);
        }
        context.metrics.add_rows(self.decoder.rows() as u64, self.decoder.bytes() as u64);
        // A reader that always finds bytes waiting would never notice the deadline.
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Err(timed_out(since).into());
        }
        Ok(Some(self.decoder.finish()?))
    }
}
