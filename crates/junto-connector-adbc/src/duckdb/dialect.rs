//! How DuckDB spells SQL.

use arrow::datatypes::DataType;
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::{Function, Literal, Result, ScanColumn, TextSemantics, TypeClass};
use junto_connector_sql::{AggregateCall, Dialect, KeyValues, Operand, standard};

use super::capabilities::DECIMAL_DIGITS;
use super::types::{Reading, reading};

/// Statements name at most this many keys one by one; more are bound as lists.
pub(super) const KEYS_AS_LITERALS: usize = 4;

/// DuckDB 1.x. Differs from standard SQL in type names, byte literals, and in how floats are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct DuckDb;

impl Dialect for DuckDb {
    fn name(&self) -> &'static str {
        super::DRIVER
    }

    fn literal(&self, literal: &Literal) -> Result<String> {
        match literal {
            Literal::Binary(bytes) => {
                let hex = standard::hex_literal(bytes);
                Ok(format!("from_hex({})", hex.trim_start_matches('X')))
            }
            other => standard::literal(self.name(), other),
        }
    }

    fn type_name(&self, data_type: &DataType) -> Result<String> {
        Ok(match data_type {
            DataType::Int8 => "TINYINT".into(),
            DataType::UInt8 => "UTINYINT".into(),
            DataType::UInt16 => "USMALLINT".into(),
            DataType::UInt32 => "UINTEGER".into(),
            DataType::UInt64 => "UBIGINT".into(),
            DataType::Float64 => "DOUBLE".into(),
            DataType::Binary => "BLOB".into(),
            other => standard::type_name(self.name(), other)?,
        })
    }

    /// What Junto reads as text leaves DuckDB as text that is compared by its bytes, so that every operator above does.
    fn scan_column(&self, column: &ScanColumn, qualified: &str) -> String {
        match reading(&column.source_type, &column.data_type) {
            Reading::Plain if column.text == TextSemantics::Loose => format!("({qualified} COLLATE \"binary\")"),
            Reading::Plain => qualified.to_owned(),
            Reading::Text => format!("CAST({qualified} AS VARCHAR)"),
            Reading::Json => format!("CAST(to_json({qualified}) AS VARCHAR)"),
        }
    }

    fn compared_column(&self, column: &ScanColumn, qualified: &str) -> String {
        self.scan_column(column, qualified)
    }

    /// Floats: Arrow orders -NaN below everything and -0.0 below 0.0, DuckDB has one NaN above everything and one zero.
    /// The condition keeps every row that either would.
    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> Result<String> {
        let is_float = |operand: &Operand| TypeClass::of(&operand.data_type) == TypeClass::Float;
        let loosened = match op {
            CompareOp::Lt | CompareOp::LtEq => CompareOp::LtEq,
            CompareOp::Gt | CompareOp::GtEq => CompareOp::GtEq,
            _ => return Ok(standard::compare(op, left, right)),
        };
        if !is_float(left) && !is_float(right) {
            return Ok(standard::compare(op, left, right));
        }
        Ok(format!("{} OR isnan({}) OR isnan({})", standard::compare(loosened, left, right), left.sql, right.sql))
    }

    /// Decimals only. DuckDB multiplies and adds decimals of up to 18 digits in 18 digits: wide operands keep it from
    /// overflowing where the result's type has room.
    fn arithmetic(&self, op: ArithmeticOp, left: &Operand, right: &Operand, data_type: &DataType) -> Result<String> {
        let scale_of = |data_type: &DataType| match data_type {
            DataType::Decimal128(_, scale) => Ok(*scale),
            other => Err(self.unsupported(&format!("arithmetic of {other}"))),
        };
        let scale = scale_of(data_type)?;
        let wide = |operand: &Operand| -> Result<Operand> {
            let scale = if op == ArithmeticOp::Multiply { scale_of(&operand.data_type)? } else { scale };
            Ok(Operand { sql: format!("CAST({} AS DECIMAL(38,{scale}))", operand.sql), ..operand.clone() })
        };
        let name = self.type_name(data_type)?;
        Ok(format!("CAST({} AS {name})", standard::arithmetic(op, &wide(left)?, &wide(right)?)))
    }

    fn function(&self, function: Function, args: &[Operand], data_type: &DataType) -> Result<String> {
        let list = || args.iter().map(|arg| arg.sql.as_str()).collect::<Vec<_>>().join(", ");
        let typed = |sql: String| Ok(format!("CAST({sql} AS {})", self.type_name(data_type)?));
        match function {
            Function::CharLength => typed(format!("length({})", list())),
            Function::OctetLength => typed(format!("strlen({})", list())),
            Function::Year | Function::Month | Function::Day => typed(standard::function(function, args)),
            _ => Ok(standard::function(function, args)),
        }
    }

    /// SUM of integers is a HUGEINT and SUM of decimals has 38 digits: the planned type is asked for, if it has no more.
    fn aggregate(&self, call: &AggregateCall<'_>) -> Result<String> {
        if call.function != AggregateFunction::Sum {
            return Ok(standard::aggregate(call));
        }
        let data_type = match call.data_type {
            DataType::Decimal256(_, scale) => &DataType::Decimal128(DECIMAL_DIGITS, *scale),
            other => other,
        };
        Ok(format!("CAST({} AS {})", standard::aggregate(call), self.type_name(data_type)?))
    }

    /// Bound lists become a table that is joined by hash; measured faster than literals from ten keys on.
    fn key_predicate(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        let KeyValues::Parameters { nulls, .. } = keys else {
            return standard::key_predicate(self, columns, keys);
        };
        let names = columns.iter().map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ");
        let lists = (1..=columns.len()).map(|number| format!("unnest(${number})")).collect::<Vec<_>>().join(", ");
        let condition = format!("({names}) IN (SELECT {lists})");
        match columns {
            [first, ..] if nulls => Ok(format!("{condition} OR {}", self.is_null(first, false)?)),
            _ => Ok(condition),
        }
    }
}
