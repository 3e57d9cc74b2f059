//! `avg` of decimals that rounds its last digit (DataFusion's own cuts).

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};

use super::changed::{Change, Changed};
use super::numbers::with_guard_digit;

/// DataFusion's `avg` with one digit more, which is rounded away: half away from zero, as in PostgreSQL.
pub(crate) fn function() -> AggregateUDF {
    let inner = avg_udaf();
    AggregateUDF::new_from_impl(Average {
        signature: inner.signature().clone(),
        aliases: inner.aliases().to_vec(),
        inner,
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    inner: Arc<AggregateUDF>,
    signature: Signature,
    aliases: Vec<String>,
}

/// The arguments for an average with a digit more, and its type without it; nothing if it is not rounded.
fn longer<'a>(args: &AccumulatorArgs<'a>) -> Option<(AccumulatorArgs<'a>, DataType)> {
    let data_type = args.return_type().clone();
    let longer = with_guard_digit(&data_type)?;
    let return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(longer));
    Some((AccumulatorArgs { return_field, ..args.clone() }, data_type))
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let Some((args, data_type)) = longer(&args) else { return self.inner.inner().accumulator(args) };
        Ok(Box::new(Changed { inner: self.inner.inner().accumulator(args)?, change: Rounded(data_type) }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.inner().state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let Some((args, data_type)) = longer(&args) else { return self.inner.inner().create_groups_accumulator(args) };
        Ok(Box::new(Changed { inner: self.inner.inner().create_groups_accumulator(args)?, change: Rounded(data_type) }))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let Some((args, data_type)) = longer(&args) else { return self.inner.inner().create_sliding_accumulator(args) };
        Ok(Box::new(Changed {
            inner: self.inner.inner().create_sliding_accumulator(args)?,
            change: Rounded(data_type),
        }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.inner().order_sensitivity()
    }
}

/// Becomes a value of this type at its end.
#[derive(Debug)]
struct Rounded(DataType);

impl Change for Rounded {
    fn results(&self, results: ArrayRef) -> Result<ArrayRef> {
        Ok(cast(&results, &self.0)?)
    }

    fn result(&self, result: ScalarValue) -> Result<ScalarValue> {
        result.cast_to(&self.0)
    }
}
