//! How PostgreSQL spells what the generator writes, with the meaning Junto gives it.
//!
//! Text is compared by its bytes. Equality under a deterministic collation is that already and keeps its index; an
//! order, a loose collation and text of unknown origin get `COLLATE "C"`.

use arrow::datatypes::DataType;
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::{Function, Literal, Result, ScanColumn, TextSemantics};
use junto_connector_sql::dialect::LikePattern;
use junto_connector_sql::{AggregateCall, Dialect, GroupKey, KeyValues, Operand, standard};

use crate::types::{COLLATE, compared_expression, is_padded, is_text, is_uuid, read_expression, sql_type};

/// PostgreSQL's dialect. Relies on the settings every session starts with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn name(&self) -> &'static str {
        crate::DRIVER
    }

    fn literal(&self, literal: &Literal) -> Result<String> {
        Ok(match literal {
            // A NULL without a type is a text as soon as a query has delivered it.
            Literal::Null(data_type) => match self.type_name(data_type) {
                Ok(name) => format!("NULL::{name}"),
                Err(_) => "NULL".into(),
            },
            // Unsigned digits of this size are numeric, and stay it under the minus.
            Literal::Int(i64::MIN) => "'-9223372036854775808'::bigint".into(),
            Literal::Float(value) if value.is_nan() => "'NaN'::float8".into(),
            Literal::Float(value) if value.is_infinite() => {
                format!("'{}Infinity'::float8", if *value < 0.0 { "-" } else { "" })
            }
            Literal::Float(value) => format!("'{value:e}'::float8"),
            Literal::Binary(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("'\\x{hex}'::bytea")
            }
            Literal::Date(i32::MAX) => "DATE 'infinity'".into(),
            Literal::Date(i32::MIN) => "DATE '-infinity'".into(),
            Literal::Timestamp { micros: i64::MAX, utc } => format!("'infinity'::{}", timestamp_type(*utc)),
            Literal::Timestamp { micros: i64::MIN, utc } => format!("'-infinity'::{}", timestamp_type(*utc)),
            other => standard::literal(self.name(), other)?,
        })
    }

    fn type_name(&self, data_type: &DataType) -> Result<String> {
        match data_type {
            DataType::Decimal128(..) | DataType::Decimal256(..) => standard::type_name(self.name(), data_type),
            _ => sql_type(data_type).map_or_else(|| standard::type_name(self.name(), data_type), Ok),
        }
    }

    fn scan_column(&self, column: &ScanColumn, qualified: &str) -> String {
        read_expression(&column.source_type, &column.data_type, qualified)
    }

    fn compared_column(&self, column: &ScanColumn, qualified: &str) -> String {
        compared_expression(&column.source_type, &column.data_type, qualified)
    }

    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> Result<String> {
        if !is_text(&left.data_type) || !is_text(&right.data_type) {
            return Ok(standard::compare(op, left, right));
        }
        let of_type =
            |test: fn(&str) -> bool, operand: &Operand| operand.raw && operand.source_type.as_deref().is_some_and(test);
        let own_uuid = |operand: &Operand| {
            of_type(is_uuid, operand) || (is_literal(operand) && is_canonical_uuid_literal(&operand.sql))
        };
        // The order of uuids is that of their canonical text.
        if own_uuid(left) && own_uuid(right) && (of_type(is_uuid, left) || of_type(is_uuid, right)) {
            return Ok(standard::compare(op, left, right));
        }
        let exact = compare_bytes(op, left, right);
        // The column's own equality finds rows by index, the exact one decides.
        let loose =
            |operand: &Operand| operand.raw && (of_type(is_padded, operand) || operand.text == TextSemantics::Loose);
        let through_index = (loose(left) && is_literal(right)) || (loose(right) && is_literal(left));
        Ok(if op == CompareOp::Eq && through_index {
            format!("{} = {} AND {exact}", left.sql, right.sql)
        } else {
            exact
        })
    }

    fn in_list(&self, tested: &Operand, list: &[Literal], negated: bool) -> Result<String> {
        let values = list.iter().map(|literal| self.literal(literal)).collect::<Result<Vec<_>>>()?;
        let not = if negated { "NOT " } else { "" };
        let within = |tested: &str| format!("{tested} {not}IN ({})", values.join(", "));
        if !is_text(&tested.data_type) {
            return Ok(within(&tested.sql));
        }
        if tested.raw && tested.source_type.as_deref().is_some_and(is_uuid) {
            let canonical = values.iter().all(|value| is_canonical_uuid_literal(value));
            return Ok(within(if canonical { tested.sql.clone() } else { text_form(tested) }.as_str()));
        }
        let padded = tested.raw && tested.source_type.as_deref().is_some_and(is_padded);
        let loose = tested.text == TextSemantics::Loose;
        let exact = within(&if is_bytewise_equal(tested) { text_form(tested) } else { forced(tested) });
        Ok(if (padded || loose) && tested.raw && !negated {
            format!("{} AND {exact}", within(&tested.sql))
        } else {
            exact
        })
    }

    fn like(&self, tested: &Operand, like: LikePattern<'_>) -> Result<String> {
        let sql = if is_bytewise_equal(tested) { text_form(tested) } else { forced(tested) };
        standard::like(self, &Operand { sql, ..tested.clone() }, like)
    }

    fn arithmetic(&self, op: ArithmeticOp, left: &Operand, right: &Operand, data_type: &DataType) -> Result<String> {
        let widened = |operand: &Operand| match data_type {
            DataType::Int64 => format!("{}::bigint", operand.sql),
            _ => operand.sql.clone(),
        };
        let wide = |operand: &Operand| Operand { sql: widened(operand), ..operand.clone() };
        Ok(standard::arithmetic(op, &wide(left), &wide(right)))
    }

    fn function(&self, function: Function, args: &[Operand], data_type: &DataType) -> Result<String> {
        let call = standard::function(function, args);
        Ok(match (function, args) {
            // PostgreSQL has no year 0: the year before 1 is -1.
            (Function::Year, [date]) => format!(
                "(EXTRACT(YEAR FROM {0})::integer + CASE WHEN EXTRACT(YEAR FROM {0}) < 0 THEN 1 ELSE 0 END)",
                date.sql
            ),
            (Function::Month | Function::Day, _) => format!("CAST({call} AS {})", self.type_name(data_type)?),
            _ => call,
        })
    }

    fn aggregate(&self, call: &AggregateCall<'_>) -> Result<String> {
        let argument = call.argument.map(|argument| Operand { sql: aggregated(call, argument), ..argument.clone() });
        let sql = standard::aggregate(&AggregateCall { argument: argument.as_ref(), ..call.clone() });
        let extreme = matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
        Ok(match call.data_type {
            DataType::Boolean if extreme => format!("CAST({sql} AS boolean)"),
            DataType::Binary if extreme => format!("decode({sql}, 'hex')"),
            // Sums of integers have another type. A cast to so many digits behind the point as were planned would round what has
            // more; the reader notices.
            DataType::Decimal128(..) | DataType::Decimal256(..) if call.function == AggregateFunction::Sum => {
                format!("CAST({sql} AS numeric)")
            }
            _ if call.function == AggregateFunction::Sum => {
                format!("CAST({sql} AS {})", self.type_name(call.data_type)?)
            }
            _ => sql,
        })
    }

    fn group_key(&self, operand: &Operand) -> GroupKey {
        let sql = if is_text(&operand.data_type) && !is_bytewise_equal(operand) {
            forced(operand)
        } else {
            operand.sql.clone()
        };
        GroupKey { key: sql.clone(), output: sql }
    }

    fn distinct_by_groups(&self, columns: &[Operand]) -> bool {
        columns.iter().any(|operand| is_text(&operand.data_type) && !is_bytewise_equal(operand))
    }

    fn sort_key(&self, operand: &Operand, descending: bool, nulls_first: Option<bool>) -> String {
        let sql = if is_text(&operand.data_type) && !is_bytewise_ordered(operand) {
            forced(operand)
        } else {
            operand.sql.clone()
        };
        standard::sort_key(&sql, descending, nulls_first)
    }

    /// Keys of text arrive as `text[]`; where a uuid or padded column is compared by itself they are cast once.
    fn key_predicate(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        let KeyValues::Parameters { nulls, .. } = keys else {
            return standard::key_predicate(self, columns, keys);
        };
        let parameter = |(at, column): (usize, &Operand)| {
            let own = column.source_type.as_deref().filter(|_| column.raw && is_text(&column.data_type));
            let cast = match own {
                Some(source) if is_uuid(source) => "::uuid[]",
                Some(source) if is_padded(source) => "::bpchar[]",
                _ => "",
            };
            format!("${}{cast}", at + 1)
        };
        let parameters: Vec<String> = columns.iter().enumerate().map(parameter).collect();
        let names = columns.iter().map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ");
        let condition = match parameters.as_slice() {
            [single] => format!("{names} = ANY({single})"),
            several => format!("({names}) IN (SELECT * FROM unnest({}))", several.join(", ")),
        };
        Ok(match columns.first() {
            Some(first) if nulls => format!("{condition} OR {}", self.is_null(first, false)?),
            _ => condition,
        })
    }
}

fn timestamp_type(utc: bool) -> &'static str {
    if utc { "timestamptz" } else { "timestamp" }
}

fn is_literal(operand: &Operand) -> bool {
    operand.sql.starts_with('\'')
}

/// Whether the text of a literal, in its quotes, is a uuid as PostgreSQL writes it.
pub(crate) fn is_canonical_uuid_literal(literal: &str) -> bool {
    literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).is_some_and(is_canonical_uuid)
}

/// Whether a text is a uuid as PostgreSQL writes it: lower case, with hyphens.
pub(crate) fn is_canonical_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The argument in a form that the aggregate exists for and in which it means what Junto means.
fn aggregated(call: &AggregateCall<'_>, argument: &Operand) -> String {
    let extreme = matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
    match &argument.data_type {
        text if is_text(text) && (extreme || (call.distinct && !is_bytewise_equal(argument))) => forced(argument),
        // There is no min(boolean), and no min(bytea) before version 18; hexadecimal keeps the order of the bytes.
        DataType::Boolean if extreme => format!("{}::integer", argument.sql),
        DataType::Binary if extreme => format!("encode({}, 'hex') COLLATE \"C\"", argument.sql),
        _ => argument.sql.clone(),
    }
}

/// The operand as text, as it is read.
fn text_form(operand: &Operand) -> String {
    match operand.source_type.as_deref() {
        Some(source) if operand.raw && (is_uuid(source) || is_padded(source)) => format!("{}::text", operand.sql),
        _ => operand.sql.clone(),
    }
}

/// The operand as text that compares by its bytes.
fn forced(operand: &Operand) -> String {
    format!("({} COLLATE \"C\")", text_form(operand))
}

/// Whether equality of the operand is known to be that of the bytes, with no collation of its own that could clash.
fn is_bytewise_equal(operand: &Operand) -> bool {
    is_literal(operand)
        || (operand.text != TextSemantics::Loose
            && operand.source_type.as_deref().is_some_and(|source| !source.contains(COLLATE)))
}

/// Whether the order of the operand is known to be that of the bytes.
fn is_bytewise_ordered(operand: &Operand) -> bool {
    is_bytewise_equal(operand) && operand.text == TextSemantics::Binary && text_form(operand) == operand.sql
}

fn compare_bytes(op: CompareOp, left: &Operand, right: &Operand) -> String {
    let order = matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq);
    let test = if order { is_bytewise_ordered } else { is_bytewise_equal };
    // A column with a collation of its own against a literal: the column's collation rules, without a clash.
    let own_collation = |column: &Operand, other: &Operand| {
        !order && is_literal(other) && column.source_type.is_some() && column.text != TextSemantics::Loose
    };
    let as_is = (test(left) && test(right)) || own_collation(left, right) || own_collation(right, left);
    let sql = |operand: &Operand, form: fn(&Operand) -> String| Operand { sql: form(operand), ..operand.clone() };
    if as_is {
        return standard::compare(op, &sql(left, text_form), &sql(right, text_form));
    }
    // Of a semi-join's right side PostgreSQL may keep what differs in the column's own collation only, whatever compares.
    let right_form = if right.text == TextSemantics::Loose { forced } else { text_form };
    standard::compare(op, &sql(left, forced), &sql(right, right_form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(source_type: &str, text: TextSemantics) -> Operand {
        Operand {
            sql: "c".into(),
            data_type: DataType::Utf8View,
            text,
            source_type: Some(source_type.into()),
            raw: true,
        }
    }

    fn literal(text: &str) -> Operand {
        let sql = PostgresDialect.literal(&Literal::Text(text.into())).expect("can be written");
        Operand { sql, data_type: DataType::Utf8View, text: TextSemantics::Binary, source_type: None, raw: false }
    }

    fn check(op: CompareOp, left: Operand, right: Operand, expected: &str) {
        assert_eq!(PostgresDialect.compare(op, &left, &right).expect("can be written"), expected);
    }

    #[test]
    fn text_compares_by_bytes_and_keeps_its_index_where_it_can() {
        use TextSemantics::{Binary, BinaryEquality, Loose};
        let (eq, less) = (CompareOp::Eq, CompareOp::Lt);
        check(eq, column("text", BinaryEquality), literal("a"), "c = 'a'");
        check(less, column("text", BinaryEquality), literal("a"), "(c COLLATE \"C\") < 'a'");
        check(less, column("text", Binary), literal("a"), "c < 'a'");
        check(eq, column("text", Loose), literal("a"), "c = 'a' AND (c COLLATE \"C\") = 'a'");
        check(CompareOp::NotEq, column("text", Loose), literal("a"), "(c COLLATE \"C\") <> 'a'");
        check(eq, column("character(3)", BinaryEquality), literal("a "), "c = 'a ' AND c::text = 'a '");
        check(less, column("character(3)", Binary), literal("a"), "(c::text COLLATE \"C\") < 'a'");
        check(eq, column("text COLLATE \"x\"", BinaryEquality), literal("a"), "c = 'a'");
        check(
            eq,
            column("text COLLATE \"x\"", BinaryEquality),
            column("text", BinaryEquality),
            "(c COLLATE \"C\") = c",
        );
        let forced_both = "(c COLLATE \"C\") = (c COLLATE \"C\")";
        check(eq, column("text", BinaryEquality), column("text", Loose), forced_both);
    }

    #[test]
    fn uuids_compare_by_themselves_only_with_canonical_text() {
        let uuid = || column("uuid", TextSemantics::Binary);
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        check(CompareOp::Eq, uuid(), literal(canonical), &format!("c = '{canonical}'"));
        check(CompareOp::Eq, uuid(), literal("A0EEBC99"), "c::text = 'A0EEBC99'");
        check(CompareOp::Gt, uuid(), uuid(), "c > c");
    }

    #[test]
    fn hostile_text_stays_in_its_literal() {
        assert_eq!(literal("x\\' OR true --").sql, "'x\\'' OR true --'");
        assert!(PostgresDialect.literal(&Literal::Text("a\0b".into())).is_err());
    }
}
