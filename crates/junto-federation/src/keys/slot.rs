//! Where a tap leaves the keys it found and scans wait for them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{CastOptions, cast, cast_with_options, is_not_null, lexsort_to_indices, max, min, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::row::{RowConverter, SortField};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Distinct keys of the finished side of one join, shared by its tap and the scans that use them.
pub struct KeySlot {
    wants_nulls: bool,
    limit: usize,
    state: Mutex<State>,
    done: watch::Sender<bool>,
}

enum State {
    /// Partitions still collecting, and what they found.
    Collecting {
        partitions: usize,
        found: Found,
    },
    Finished(Arrived),
}

/// What the finished side of a join says of its keys.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// The distinct keys; none when there were too many, or no memory for them.
    pub(crate) keys: Option<RecordBatch>,
    /// Per key column, its least and greatest value, as an array of two; none for types without bounds.
    bounds: Vec<Option<ArrayRef>>,
}

struct Found {
    types: Vec<DataType>,
    converter: RowConverter,
    /// Encoded keys; `None` once given up.
    keys: Option<hashbrown::HashSet<Box<[u8]>>>,
    bytes: usize,
    reservation: Option<MemoryReservation>,
    /// Per key column.
    bounds: Vec<Bounds>,
}

/// Least and greatest value of a key column.
#[derive(Debug, Clone, Copy)]
enum Bounds {
    /// Of a type whose values are not numbered.
    Unknown,
    /// Nothing has been seen yet.
    Empty,
    Between(i64, i64),
}

/// Bytes a stored key costs beyond its own.
const KEY_OVERHEAD: usize = 32;

impl KeySlot {
    /// A slot for keys of `types`, filled by `partitions` taps, of at most `limit` keys.
    pub(crate) fn new(types: Vec<DataType>, partitions: usize, limit: usize, wants_nulls: bool) -> Result<Self> {
        let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        let found = Found {
            converter: RowConverter::new(fields)?,
            bounds: types.iter().map(Bounds::of).collect(),
            types,
            keys: Some(hashbrown::HashSet::new()),
            bytes: 0,
            reservation: None,
        };
        Ok(Self {
            wants_nulls,
            limit,
            state: Mutex::new(State::Collecting { partitions, found }),
            done: watch::channel(false).0,
        })
    }

    /// Whether rows with NULL keys join too.
    pub fn wants_nulls(&self) -> bool {
        self.wants_nulls
    }

    /// Adds the keys of a batch; rows with a NULL in any column hold no key.
    pub(crate) fn add(&self, columns: &[ArrayRef], reservation: impl FnOnce() -> MemoryReservation) -> Result<()> {
        let mut state = self.state.lock();
        let State::Collecting { found, .. } = &mut *state else { return Ok(()) };
        for (bounds, column) in found.bounds.iter_mut().zip(columns) {
            bounds.widen(column);
        }
        let Some(keys) = &mut found.keys else { return Ok(()) };
        let rows = found.converter.convert_columns(columns)?;
        let before = found.bytes;
        for (index, row) in rows.iter().enumerate() {
            if columns.iter().any(|column| column.is_null(index)) || keys.contains(row.data()) {
                continue;
            }
            found.bytes += row.data().len() + KEY_OVERHEAD;
            keys.insert(row.data().into());
        }
        let too_many = keys.len() > self.limit;
        let reserved = found.reservation.get_or_insert_with(reservation).try_grow(found.bytes - before).is_ok();
        if too_many || !reserved {
            found.keys = None;
            found.reservation = None;
        }
        Ok(())
    }

    /// One tap is at its end. The last one sorts the keys and wakes the scans.
    pub(crate) fn finish_partition(&self) {
        let mut state = self.state.lock();
        let State::Collecting { partitions, found } = &mut *state else { return };
        *partitions = partitions.saturating_sub(1);
        if *partitions > 0 {
            return;
        }
        let keys = found.keys.take().and_then(|keys| found.sorted(keys).ok());
        let bounds = found.bounds.iter().zip(&found.types).map(|(bounds, data_type)| bounds.values(data_type));
        *state = State::Finished(Arrived { keys, bounds: bounds.collect() });
        drop(state);
        self.done.send_replace(true);
    }

    /// Waits until all taps are at their end.
    pub(crate) async fn wait(&self) -> Arrived {
        let mut done = self.done.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = done.wait_for(|done| *done).await;
        match &*self.state.lock() {
            State::Finished(arrived) => arrived.clone(),
            State::Collecting { .. } => Arrived { keys: None, bounds: Vec::new() },
        }
    }

    /// Number of keys, once they are known and not too many.
    pub fn found(&self) -> Option<usize> {
        match &*self.state.lock() {
            State::Finished(arrived) => arrived.keys.as_ref().map(RecordBatch::num_rows),
            State::Collecting { .. } => None,
        }
    }

    /// The chosen key columns in the types of the columns they are asked of, sorted and distinct.
    ///
    /// A key that its column's type cannot hold matches nothing and is left out. `None` when a type has no exact
    /// conversion, and keys cannot be used.
    pub(crate) fn project(
        &self,
        keys: &RecordBatch,
        columns: &[usize],
        types: &[DataType],
    ) -> Result<Option<RecordBatch>> {
        let mut arrays = Vec::with_capacity(columns.len());
        for (column, to) in columns.iter().zip(types) {
            let Some(array) = converted(keys.column(*column), to)? else { return Ok(None) };
            arrays.push(array);
        }
        distinct(&arrays, types, keys.num_rows()).map(Some)
    }
}

impl Arrived {
    /// Least and greatest value of a key column in the type of the column they are asked of; NULL where that cannot hold
    /// one, and then that end is open. None when nothing is known, or when there is no key at all.
    pub(crate) fn bounds(&self, column: usize, to: &DataType) -> Result<Option<ArrayRef>> {
        match self.bounds.get(column).and_then(Option::as_ref) {
            Some(bounds) => converted(bounds, to),
            None => Ok(None),
        }
    }
}

impl Bounds {
    fn of(data_type: &DataType) -> Self {
        let numbered = data_type.is_integer() || matches!(data_type, DataType::Date32 | DataType::Timestamp(..));
        if numbered { Bounds::Empty } else { Bounds::Unknown }
    }

    /// NULLs hold no key.
    fn widen(&mut self, column: &ArrayRef) {
        if matches!(self, Bounds::Unknown) || column.null_count() == column.len() {
            return;
        }
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let numbers = cast_with_options(column, &DataType::Int64, &options).ok();
        // A number beyond the range of `i64` becomes NULL: then nothing is known any more.
        let numbers = numbers.filter(|numbers| numbers.null_count() == column.null_count());
        let numbers = numbers.as_ref().map(AsArray::as_primitive::<Int64Type>);
        *self = match (numbers.and_then(min), numbers.and_then(max), *self) {
            (Some(least), Some(greatest), Bounds::Between(low, high)) => {
                Bounds::Between(least.min(low), greatest.max(high))
            }
            (Some(least), Some(greatest), _) => Bounds::Between(least, greatest),
            _ => Bounds::Unknown,
        };
    }

    fn values(self, data_type: &DataType) -> Option<ArrayRef> {
        match self {
            Bounds::Between(least, greatest) => cast(&Int64Array::from(vec![least, greatest]), data_type).ok(),
            Bounds::Unknown | Bounds::Empty => None,
        }
    }
}

impl Found {
    fn sorted(&self, keys: hashbrown::HashSet<Box<[u8]>>) -> Result<RecordBatch> {
        let mut keys: Vec<Box<[u8]>> = keys.into_iter().collect();
        keys.sort_unstable();
        let parser = self.converter.parser();
        let arrays = self.converter.convert_rows(keys.iter().map(|key| parser.parse(key)))?;
        batch(arrays, &self.types, keys.len())
    }
}

fn batch(arrays: Vec<ArrayRef>, types: &[DataType], rows: usize) -> Result<RecordBatch> {
    let fields = types.iter().enumerate().map(|(i, t)| Field::new(format!("k{i}"), t.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// `array` in the type `to`; values that do not fit become NULL. `None` for conversions that are not exact.
fn converted(array: &ArrayRef, to: &DataType) -> Result<Option<ArrayRef>> {
    let from = array.data_type();
    if from == to {
        return Ok(Some(Arc::clone(array)));
    }
    let text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let exact = (from.is_integer() && to.is_integer()) || (text(from) && text(to));
    if !exact {
        return Ok(None);
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    Ok(Some(cast_with_options(array, to, &options)?))
}

/// Sorted distinct rows without NULLs.
fn distinct(arrays: &[ArrayRef], types: &[DataType], rows: usize) -> Result<RecordBatch> {
    let mut keep = vec![true; rows];
    for array in arrays {
        let valid = is_not_null(array)?;
        keep.iter_mut().enumerate().for_each(|(row, keep)| *keep &= valid.value(row));
    }
    let sort: Vec<_> =
        arrays.iter().map(|values| arrow::compute::SortColumn { values: Arc::clone(values), options: None }).collect();
    let order = lexsort_to_indices(&sort, None)?;
    let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
    let converter = RowConverter::new(fields)?;
    let encoded = converter.convert_columns(arrays)?;
    let mut chosen: Vec<u32> = Vec::with_capacity(rows);
    for index in order.values().iter().copied().filter(|index| keep[*index as usize]) {
        let repeats = chosen.last().is_some_and(|last| encoded.row(*last as usize) == encoded.row(index as usize));
        if !repeats {
            chosen.push(index);
        }
    }
    let indices = UInt32Array::from(chosen);
    let taken = arrays.iter().map(|array| take(array, &indices, None)).collect::<Result<Vec<_>, _>>();
    batch(taken.map_err(DataFusionError::from)?, types, indices.len())
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySlot").field("limit", &self.limit).field("found", &self.found()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, StringViewArray, UInt64Array};
    use arrow::datatypes::Int32Type;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    fn reservation(bytes: usize) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        MemoryConsumer::new("test").register(&pool)
    }

    fn integers(values: &[Option<i64>]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn found(slot: &KeySlot) -> Option<RecordBatch> {
        futures::executor::block_on(slot.wait()).keys
    }

    #[test]
    fn keys_are_distinct_sorted_and_without_nulls() {
        let slot = KeySlot::new(vec![DataType::Int64], 2, 10, false).expect("integers are sortable");
        slot.add(&[integers(&[Some(3), None, Some(-1), Some(3)])], || reservation(1 << 20)).expect("same type");
        slot.finish_partition();
        assert_eq!(slot.found(), None, "one of two partitions is still collecting");
        slot.add(&[integers(&[Some(2), Some(-1)])], || reservation(1 << 20)).expect("same type");
        slot.finish_partition();
        let keys = found(&slot).expect("few keys");
        assert_eq!(keys.column(0).as_primitive::<Int64Type>().values(), &[-1, 2, 3]);
    }

    #[test]
    fn too_many_keys_or_no_memory_for_them_mean_no_keys() {
        let many = KeySlot::new(vec![DataType::Int64], 1, 2, false).expect("integers are sortable");
        many.add(&[integers(&[Some(1), Some(2), Some(3)])], || reservation(1 << 20)).expect("same type");
        many.finish_partition();
        assert!(found(&many).is_none());
        let poor = KeySlot::new(vec![DataType::Int64], 1, 10, false).expect("integers are sortable");
        poor.add(&[integers(&[Some(1), Some(2)])], || reservation(8)).expect("same type");
        poor.finish_partition();
        assert!(found(&poor).is_none());
    }

    #[test]
    fn a_key_its_column_cannot_hold_is_left_out() {
        let slot = KeySlot::new(vec![DataType::Int64], 1, 10, false).expect("integers are sortable");
        slot.add(&[integers(&[Some(7), Some(1 << 40), Some(7)])], || reservation(1 << 20)).expect("same type");
        slot.finish_partition();
        let keys = found(&slot).expect("few keys");
        let narrow = slot.project(&keys, &[0], &[DataType::Int32]).expect("cast").expect("exact");
        assert_eq!(narrow.column(0).as_primitive::<Int32Type>(), &Int32Array::from(vec![7]));
        let inexact = slot.project(&keys, &[0], &[DataType::Float64]).expect("no cast is tried");
        assert!(inexact.is_none(), "2^53 and its neighbour are one double");
    }

    #[test]
    fn one_column_of_a_composite_key_is_distinct_by_itself() {
        let types = vec![DataType::Int64, DataType::Utf8View];
        let slot = KeySlot::new(types, 1, 10, false).expect("sortable");
        let words: ArrayRef = Arc::new(StringViewArray::from(vec![Some("b"), Some("a"), None]));
        slot.add(&[integers(&[Some(1), Some(1), Some(2)]), words], || reservation(1 << 20)).expect("same types");
        slot.finish_partition();
        let keys = found(&slot).expect("few keys");
        assert_eq!(keys.num_rows(), 2, "a row with a NULL in any column holds no key");
        let first = slot.project(&keys, &[0], &[DataType::Int64]).expect("no cast").expect("exact");
        assert_eq!(first.column(0).as_primitive::<Int64Type>().values(), &[1]);
    }

    #[test]
    fn bounds_outlive_too_many_keys() {
        let slot = KeySlot::new(vec![DataType::Int64, DataType::UInt64], 1, 1, false).expect("sortable");
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![Some(1), Some(u64::MAX), None]));
        slot.add(&[integers(&[Some(9), None, Some(-4)]), huge], || reservation(1 << 20)).expect("same types");
        slot.add(&[integers(&[Some(1 << 40)]), Arc::new(UInt64Array::from(vec![7]))], || reservation(1 << 20))
            .expect("same types");
        slot.finish_partition();
        let arrived = futures::executor::block_on(slot.wait());
        assert!(arrived.keys.is_none());
        let wide = arrived.bounds(0, &DataType::Int64).expect("cast").expect("known");
        assert_eq!(wide.as_primitive::<Int64Type>(), &Int64Array::from(vec![-4, 1 << 40]));
        let narrow = arrived.bounds(0, &DataType::Int32).expect("cast").expect("known");
        assert_eq!(
            narrow.as_primitive::<Int32Type>(),
            &Int32Array::from(vec![Some(-4), None]),
            "the upper end is open"
        );
        assert!(arrived.bounds(1, &DataType::UInt64).expect("no cast").is_none(), "beyond what bounds can hold");
    }
}
