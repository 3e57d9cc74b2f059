//! `sum` that does not wrap (DataFusion's own does, silently).

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, ArrowNativeTypeOp, AsArray};
use arrow::compute::{cast, sum_checked};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, DecimalType, FieldRef};
use datafusion::common::{DataFusionError, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use super::changed::{Change, Changed};

/// Digits of a decimal that a result of 38 has no room for the rows of. A sum of fewer cannot wrap: ten digits more are
/// ten thousand million rows.
const WIDE: u8 = 29;
/// The same of a result of 76.
const WIDER: u8 = 67;

/// DataFusion's `sum` behind a coercion of its own: 64-bit integers are summed as decimal(20), shorter ones in 64 bits, as
/// in PostgreSQL. Sums of decimals have ten digits more, at most 38; more is an error.
pub(crate) fn function() -> AggregateUDF {
    AggregateUDF::new_from_impl(WideSum {
        inner: sum_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WideSum {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for WideSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return datafusion::common::plan_err!("sum takes one argument, not {}", arguments.len());
        };
        Ok(vec![match argument {
            DataType::Int64 | DataType::UInt64 | DataType::UInt32 => DataType::Decimal128(20, 0),
            integer if integer.is_integer() => DataType::Int32,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Null => DataType::Float64,
            decimal if decimal.is_decimal() => decimal.clone(),
            DataType::Duration(_) | DataType::Interval(_) => argument.clone(),
            other => return datafusion::common::plan_err!("sum does not take values of type {other}"),
        }])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Int32] => Ok(DataType::Int64),
            _ => self.inner.inner().return_type(arguments),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match argument(&args) {
            Argument::Short => Ok(Box::new(Changed { inner: self.inner.inner().accumulator(args)?, change: Widened })),
            Argument::Usual => self.inner.inner().accumulator(args),
            Argument::Wide => checked_sum::<Decimal128Type>(&self.inner, args),
            Argument::Wider => checked_sum::<Decimal256Type>(&self.inner, args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.inner().state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(match argument(&args) {
            Argument::Short => {
                Box::new(Changed { inner: self.inner.inner().create_groups_accumulator(args)?, change: Widened })
            }
            Argument::Usual => self.inner.inner().create_groups_accumulator(args)?,
            Argument::Wide => checked_groups::<Decimal128Type>(args.return_type()),
            Argument::Wider => checked_groups::<Decimal256Type>(args.return_type()),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match argument(&args) {
            Argument::Wide | Argument::Wider if !args.is_distinct => self.accumulator(args),
            Argument::Short => {
                Ok(Box::new(Changed { inner: self.inner.inner().create_sliding_accumulator(args)?, change: Widened }))
            }
            _ => self.inner.inner().create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument {
    /// Integers of 32 bits, summed in 64.
    Short,
    /// What DataFusion sums well.
    Usual,
    /// Decimals so wide that their sum may have no room in 128 bits.
    Wide,
    /// The same of 256.
    Wider,
}

fn argument(args: &AccumulatorArgs<'_>) -> Argument {
    match args.expr_fields.first().map(|field| field.data_type()) {
        Some(DataType::Int32) => Argument::Short,
        Some(DataType::Decimal128(WIDE.., _)) => Argument::Wide,
        Some(DataType::Decimal256(WIDER.., _)) => Argument::Wider,
        _ => Argument::Usual,
    }
}

fn checked_sum<T: DecimalType + Debug>(sum: &AggregateUDF, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let data_type = args.return_type().clone();
    Ok(if args.is_distinct {
        Box::new(CheckedDistinct::<T> { inner: sum.inner().accumulator(args)?, data_type, values: PhantomData })
    } else {
        Box::new(CheckedSum::<T>::new(data_type))
    })
}

/// Sums short integers as those of 64 bits.
#[derive(Debug)]
struct Widened;

impl Change for Widened {
    fn values(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        Ok(values.iter().map(|values| cast(values, &DataType::Int64)).collect::<std::result::Result<_, _>>()?)
    }
}

/// A sum of decimals that fails when it needs more digits than there are.
#[derive(Debug)]
struct CheckedSum<T: DecimalType> {
    sum: T::Native,
    /// Values summed; without any, the sum is NULL.
    count: usize,
    data_type: DataType,
}

impl<T: DecimalType + Debug> CheckedSum<T> {
    fn new(data_type: DataType) -> Self {
        Self { sum: T::Native::ZERO, count: 0, data_type }
    }

    fn value(&self) -> Result<ScalarValue> {
        ScalarValue::new_primitive::<T>((self.count > 0).then_some(self.sum), &self.data_type)
    }
}

impl<T: DecimalType + Debug> Accumulator for CheckedSum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = summed::<T>(values)?;
        self.sum = checked::<T>(self.sum.add_checked(sum).ok())?;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (sum, count) = summed::<T>(values)?;
        self.sum = checked::<T>(self.sum.sub_checked(sum).ok())?;
        self.count -= count;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.value()
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// DataFusion's sums per group, which fail when one needs more digits.
fn checked_groups<T: DecimalType + Debug + Send + Sync>(data_type: &DataType) -> Box<dyn GroupsAccumulator> {
    let overflow = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&overflow);
    let add = move |sum: &mut T::Native, value: T::Native| match checked::<T>(sum.add_checked(value).ok()) {
        Ok(added) => *sum = added,
        Err(_) => noticed.store(true, Ordering::Relaxed),
    };
    let inner = Box::new(PrimitiveGroupsAccumulator::<T, _>::new(data_type, add));
    Box::new(Changed { inner: inner as Box<dyn GroupsAccumulator>, change: Overflow(overflow) })
}

/// Set when a sum has too many digits.
#[derive(Debug)]
struct Overflow(Arc<AtomicBool>);

impl Change for Overflow {
    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(overflow()) } else { Ok(()) }
    }
}

/// The sum of different decimals: DataFusion's, added up again with care.
#[derive(Debug)]
struct CheckedDistinct<T> {
    inner: Box<dyn Accumulator>,
    data_type: DataType,
    values: PhantomData<T>,
}

impl<T: DecimalType + Debug> Accumulator for CheckedDistinct<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.inner.state()?;
        let [ScalarValue::List(values)] = state.as_slice() else {
            return internal_err!("the state of a sum of different values is their list");
        };
        let mut sum = CheckedSum::<T>::new(self.data_type.clone());
        sum.update_batch(&[ArrayRef::clone(values.values())])?;
        sum.value()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

/// Sum and number of the values that are not NULL.
fn summed<T: DecimalType>(values: &[ArrayRef]) -> Result<(T::Native, usize)> {
    let [values] = values else { return internal_err!("sum takes one argument") };
    let sum = sum_checked(values.as_primitive::<T>())?;
    Ok((sum.unwrap_or(T::Native::ZERO), values.len() - values.null_count()))
}

fn checked<T: DecimalType>(sum: Option<T::Native>) -> Result<T::Native> {
    sum.filter(|sum| T::is_valid_decimal_precision(*sum, T::MAX_PRECISION)).ok_or_else(overflow)
}

fn overflow() -> DataFusionError {
    exec_datafusion_err!("overflow: a sum has more digits than a decimal")
}
