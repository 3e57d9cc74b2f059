//! Names of types in CAST and literals. Times are microseconds, as in every source.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{DataType as SqlType, TimezoneInfo};

/// Plans the types DataFusion would plan otherwise; the rest is DataFusion's.
#[derive(Debug)]
pub(crate) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            SqlType::Timestamp(..) | SqlType::TimestampNtz(_) | SqlType::Datetime(_) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                DataType::Time64(TimeUnit::Microsecond)
            }
            SqlType::Uuid | SqlType::JSON | SqlType::JSONB => DataType::Utf8View,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}
