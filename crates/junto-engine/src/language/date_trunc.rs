//! `date_trunc` of dates so far away that DataFusion, which counts their nanoseconds, has no number for them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::numeric::{add_wrapping, sub_wrapping};
use arrow::datatypes::{DataType, FieldRef, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::functions::datetime::date_trunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Microseconds of 400 years, after which the calendar repeats itself, weekdays included.
const PERIOD: i64 = 146_097 * 86_400_000_000;

/// DataFusion's function, over timestamps of the years 1770 to 2170 in the place of others.
pub(crate) fn function() -> ScalarUDF {
    let inner = date_trunc();
    let (signature, aliases) = (inner.signature().clone(), inner.aliases().to_vec());
    ScalarUDF::new_from_impl(DateTrunc { inner, signature, aliases })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
    signature: Signature,
    aliases: Vec<String>,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &'static str {
        "date_trunc"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        internal_err!("{} has its argument's type", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(input)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(argument) = args.args.get_mut(1) else { return self.inner.invoke_with_args(args) };
        let DataType::Timestamp(TimeUnit::Microsecond, zone) = argument.data_type() else {
            return self.inner.invoke_with_args(args);
        };
        let values = argument.to_array(args.number_rows)?;
        let near = values.as_primitive::<TimestampMicrosecondType>().unary::<_, Int64Type>(near);
        let values = values.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
        if near.values() == values.values() {
            return self.inner.invoke_with_args(args);
        }
        let periods = sub_wrapping(&values, &near)?;
        let as_timestamps = |values: &dyn Array| -> ArrayRef {
            let values = values.as_primitive::<Int64Type>().reinterpret_cast::<TimestampMicrosecondType>();
            Arc::new(values.with_timezone_opt(zone.clone()))
        };
        *argument = ColumnarValue::Array(as_timestamps(&near));
        let rows = args.number_rows;
        let cut = self.inner.invoke_with_args(args)?.into_array(rows)?;
        let cut = cut.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
        Ok(ColumnarValue::Array(as_timestamps(add_wrapping(&cut, &periods)?.as_ref())))
    }
}

/// The same moment of the calendar in the years 1770 to 2170.
fn near(micros: i64) -> i64 {
    let within = micros.rem_euclid(PERIOD);
    if within < PERIOD / 2 { within } else { within - PERIOD }
}
