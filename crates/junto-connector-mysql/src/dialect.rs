//! How MySQL and MariaDB spell SQL in a session pinned by `pool`: ANSI quotes, `||`, backslashes as plain characters.
//!
//! Text is compared byte by byte through BINARY, whatever its collation. Dates with a zero in them, which Junto reads as
//! NULL, count as NULL in the server's conditions too.

use arrow_schema::DataType;
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::{Relation, RemotePlan};
use junto_connector::{Expr, Function, Literal, Result, ScanColumn, TextSemantics};
use junto_connector_sql::{
    AggregateCall, Dialect, GroupKey, KeyValues, LikePattern, Operand, datetime, literal_at, standard,
};

use crate::{DRIVER, zero_dates};

/// Separates the type from the collation in a column's source type: `varchar(20) collate latin1_swedish_ci`.
pub(crate) const COLLATE: &str = " collate ";

/// How dates with a zero in them, which Junto reads as NULL, are kept out of what the server computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ZeroDateGuard {
    /// There are none, or they are errors or text.
    Off,
    /// Columns are delivered as stored (the reader turns such dates into NULL); conditions test them.
    Conditions,
    /// Values that the server computes with are NULL for such dates; conditions test them.
    Values,
    /// Every use of a column is NULL for such dates. No index helps then.
    Everywhere,
}

/// The dialect, for one plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MySqlDialect {
    guard: ZeroDateGuard,
    /// Text columns are read as bytes: servers refuse a union of several collations.
    unifies_text: bool,
    /// Keys find the rows with their bytes only, not all that the collation takes for equal.
    exact_keys: bool,
    /// The first table is read in the order it is stored, whatever index the server would choose.
    stored_order: bool,
}

impl MySqlDialect {
    /// The dialect for a plan, with guards as far as the plan needs them.
    pub(crate) fn for_plan(plan: &RemotePlan, zero_dates_are_null: bool) -> Self {
        let guard = if !zero_dates_are_null {
            ZeroDateGuard::Off
        } else if !zero_dates::may_be_false_for_unknown(&plan.root) {
            ZeroDateGuard::Everywhere
        } else if zero_dates::only_filters_and_chooses(&plan.root) {
            ZeroDateGuard::Conditions
        } else {
            ZeroDateGuard::Values
        };
        Self { guard, unifies_text: has_union(&plan.root), exact_keys: false, stored_order: false }
    }

    /// The dialect for single expressions.
    pub(crate) fn plain() -> Self {
        Self { guard: ZeroDateGuard::Off, unifies_text: false, exact_keys: false, stored_order: false }
    }

    /// The dialect that reads the first table in the order it is stored. That must be a table and no view.
    pub(crate) fn in_stored_order(self) -> Self {
        Self { stored_order: true, ..self }
    }

    /// The dialect for one of several lists of keys: a row must not be found by two.
    pub(crate) fn with_exact_keys(self) -> Self {
        Self { exact_keys: true, ..self }
    }

    /// Conditions that hold unless one of the operands is a raw date with a zero in it. No literal is one.
    fn guards(self, operands: &[&Operand]) -> String {
        let tests_conditions = matches!(self.guard, ZeroDateGuard::Conditions | ZeroDateGuard::Values);
        let guarded = operands.iter().filter(|operand| tests_conditions && is_raw_date(operand));
        guarded.map(|operand| format!(" AND TO_DAYS({}) IS NOT NULL", operand.sql)).collect()
    }
}

fn has_union(relation: &Relation) -> bool {
    matches!(relation, Relation::UnionAll { .. }) || relation.inputs().into_iter().any(has_union)
}

/// The column, or NULL for a date with a zero in it.
fn without_zero_dates(column: &ScanColumn, qualified: &str) -> String {
    if is_temporal(&column.data_type) {
        format!("IF(TO_DAYS({qualified}) IS NULL, NULL, {qualified})")
    } else {
        qualified.to_owned()
    }
}

pub(crate) fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

fn is_raw_date(operand: &Operand) -> bool {
    operand.raw && operand.source_type.is_some() && is_temporal(&operand.data_type)
}

fn is_text(operand: &Operand) -> bool {
    matches!(operand.data_type, DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8)
}

fn is_bits(operand: &Operand) -> bool {
    operand.source_type.as_deref().is_some_and(|source_type| source_type.starts_with("bit"))
}

/// A literal, as [`MySqlDialect::literal`] prints text.
fn is_text_literal(operand: &Operand) -> bool {
    operand.source_type.is_none() && (operand.sql.starts_with('\'') || operand.sql.starts_with("_utf8mb4 X'"))
}

fn collation(source_type: Option<&str>) -> Option<&str> {
    source_type?.split_once(COLLATE).map(|(_, collation)| collation)
}

fn character_set(source_type: Option<&str>) -> Option<&str> {
    collation(source_type).map(|collation| collation.split('_').next().unwrap_or_default())
}

/// Whether the column's character set has every character of the literals. The server refuses to compare a column with
/// text that it cannot convert.
fn can_hold(column: &Operand, literals: &str) -> bool {
    character_set(column.source_type.as_deref()) == Some("utf8mb4")
        || (literals.is_ascii() && !literals.contains("_utf8mb4 X'"))
}

/// Whether the operand names a column of a table whose bytes are UTF-8 already, so that nothing has to be converted.
/// Only columns of tables have quoted names; what the server computed may be bytes, whatever column it came from.
fn is_utf8_column(operand: &Operand) -> bool {
    let is_utf8 =
        matches!(character_set(operand.source_type.as_deref()), Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii"));
    is_utf8 && (operand.raw || operand.sql.ends_with('"'))
}

/// What LIKE runs over: characters, compared by their code points. Where only `%` stands for anything, bytes give the
/// same and are searched twice as fast; where the beginning is given, most texts end there and the cast costs more.
fn like_operand(tested: &Operand, like: LikePattern<'_>, pattern: &str) -> String {
    let is_search = like.pattern.starts_with('%') && !like.pattern.contains('_');
    match character_set(tested.source_type.as_deref()) {
        Some(character_set) if is_utf8_column(tested) && can_hold(tested, pattern) => {
            if is_search && like.escape.is_none_or(|escape| escape.is_ascii()) {
                forced_bytes(&tested.sql, tested.source_type.as_deref())
            } else {
                format!("{} COLLATE {character_set}_bin", tested.sql)
            }
        }
        _ => format!("CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin", tested.sql),
    }
}

/// Text in a character set that has every character, also where the server has only its bytes.
fn converted(operand: &Operand) -> Operand {
    let sql = if is_text(operand) { format!("CONVERT({} USING utf8mb4)", operand.sql) } else { operand.sql.clone() };
    Operand { sql, ..operand.clone() }
}

/// The text's UTF-8 bytes, which compare, sort and group as Junto does.
fn bytes_of(operand: &Operand) -> String {
    let is_binary_already = operand.source_type.is_some() && operand.text == TextSemantics::Binary;
    if !is_text(operand) || is_binary_already {
        operand.sql.clone()
    } else if operand.text == TextSemantics::Opaque {
        format!("CAST(CAST({} AS CHAR) AS BINARY)", operand.sql)
    } else {
        forced_bytes(&operand.sql, operand.source_type.as_deref())
    }
}

/// The UTF-8 bytes of a text; what is stored in another character set is converted first.
fn forced_bytes(sql: &str, source_type: Option<&str>) -> String {
    match character_set(source_type) {
        None | Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii") => format!("CAST({sql} AS BINARY)"),
        Some(_) => format!("CAST(CONVERT({sql} USING utf8mb4) AS BINARY)"),
    }
}

fn as_bytes(operand: &Operand) -> Operand {
    Operand { sql: bytes_of(operand), ..operand.clone() }
}

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => "<=>",
    }
}

impl Dialect for MySqlDialect {
    fn name(&self) -> &'static str {
        DRIVER
    }

    /// MariaDB moves a condition on a derived table into the HAVING of that, where it looks its names up once more and finds
    /// those of the tables there as well.
    fn confuses_aliases(&self) -> bool {
        true
    }

    fn first_table_hint(&self) -> &'static str {
        if self.stored_order { " USE INDEX (PRIMARY)" } else { "" }
    }

    /// A text has no characters exactly when it has no bytes, which need no counting.
    fn faster(&self, expr: &Expr) -> Option<Expr> {
        let Expr::Compare { op, left, right } = expr else { return None };
        match (&**left, &**right) {
            (Expr::Function { function: Function::CharLength, args, data_type }, Expr::Literal(Literal::Int(0))) => {
                let function = Function::OctetLength;
                let bytes = Expr::Function { function, args: args.clone(), data_type: data_type.clone() };
                Some(Expr::compare(*op, bytes, (**right).clone()))
            }
            _ => None,
        }
    }

    /// Backslashes are plain characters in a pinned session. Text with control characters goes as hexadecimal.
    fn literal(&self, literal: &Literal) -> Result<String> {
        match literal {
            Literal::Text(text) if text.bytes().any(|byte| byte < b' ' || byte == 0x7F) => {
                Ok(format!("_utf8mb4 {}", standard::hex_literal(text.as_bytes())))
            }
            Literal::Timestamp { micros, utc: true } => {
                self.literal(&Literal::Timestamp { micros: *micros, utc: false })
            }
            Literal::Date(days) if !has_four_digit_year(&datetime::date_to_text(*days)) => {
                Err(self.unsupported("a date outside the years 1 to 9999 in a condition"))
            }
            Literal::Time(_) | Literal::Interval { .. } => Err(self.unsupported("a time in a condition")),
            other => standard::literal(DRIVER, other),
        }
    }

    fn type_name(&self, data_type: &DataType) -> Result<String> {
        Ok(match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "SIGNED".into(),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => "UNSIGNED".into(),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) if *precision <= 65 => {
                format!("DECIMAL({precision},{scale})")
            }
            DataType::Float64 => "DOUBLE".into(),
            DataType::Date32 => "DATE".into(),
            DataType::Timestamp(..) => "DATETIME(6)".into(),
            other => return Err(self.unsupported(&format!("a cast to {other}"))),
        })
    }

    fn scan_column(&self, column: &ScanColumn, qualified: &str) -> String {
        if self.unifies_text && column.source_type.contains(COLLATE) {
            return forced_bytes(qualified, Some(&column.source_type));
        }
        match self.guard {
            ZeroDateGuard::Off | ZeroDateGuard::Conditions => qualified.to_owned(),
            ZeroDateGuard::Values | ZeroDateGuard::Everywhere => without_zero_dates(column, qualified),
        }
    }

    fn compared_column(&self, column: &ScanColumn, qualified: &str) -> String {
        match self.guard {
            ZeroDateGuard::Everywhere => without_zero_dates(column, qualified),
            _ => qualified.to_owned(),
        }
    }

    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> Result<String> {
        // A day of the calendar never equals a date with a zero in it.
        let cannot_match = op == CompareOp::Eq && is_raw_date(left) != is_raw_date(right);
        let guards = if cannot_match { String::new() } else { self.guards(&[left, right]) };
        let operator = symbol(op);
        let exact = format!("{} {operator} {}", bytes_of(left), bytes_of(right));
        let exact = if op == CompareOp::IsDistinctFrom { format!("NOT ({exact})") } else { exact };
        if op == CompareOp::Eq && is_text(left) && (may_use_index(left, right) || may_use_index(right, left)) {
            return Ok(format!("{} = {} AND {exact}", left.sql, right.sql));
        }
        Ok(format!("{exact}{guards}"))
    }

    fn in_list(&self, tested: &Operand, list: &[Literal], negated: bool) -> Result<String> {
        let values = list.iter().map(|literal| self.literal(literal)).collect::<Result<Vec<_>>>()?.join(", ");
        let not = if negated { "NOT " } else { "" };
        let exact = format!("{} {not}IN ({values})", bytes_of(tested));
        let is_forced = is_text(tested) && bytes_of(tested) != tested.sql;
        if !negated && is_forced && tested.raw && can_hold(tested, &values) {
            return Ok(format!("{} IN ({values}) AND {exact}", tested.sql));
        }
        let guards = if negated { self.guards(&[tested]) } else { String::new() };
        Ok(format!("{exact}{guards}"))
    }

    fn is_null(&self, tested: &Operand, negated: bool) -> Result<String> {
        let is_guarded = !self.guards(&[tested]).is_empty();
        Ok(match (is_guarded, negated) {
            (true, false) => format!("TO_DAYS({}) IS NULL", tested.sql),
            (true, true) => format!("TO_DAYS({}) IS NOT NULL", tested.sql),
            (false, false) => format!("{} IS NULL", tested.sql),
            (false, true) => format!("{} IS NOT NULL", tested.sql),
        })
    }

    fn like(&self, tested: &Operand, like: LikePattern<'_>) -> Result<String> {
        if like.case_insensitive {
            return Err(self.unsupported("ILIKE"));
        }
        let pattern = self.literal(&Literal::Text(like.pattern.into()))?;
        let sql = like_operand(tested, like, &pattern);
        let exact = standard::like(self, &Operand { sql, ..tested.clone() }, like)?;
        // Under the column's collation an index finds the texts that begin so, and that holds whenever the characters are
        // equal. A view may show `_bin` for a mixture of collations, under which nothing can be compared.
        let begins = !like.negated && !like.pattern.starts_with(['%', '_']);
        let is_column = tested.raw && tested.text == TextSemantics::Loose && can_hold(tested, &pattern);
        let is_mixed = collation(tested.source_type.as_deref()).is_none_or(|collation| collation.ends_with("_bin"));
        if begins && is_column && !is_mixed {
            return Ok(format!("({exact} AND {})", standard::like(self, tested, like)?));
        }
        Ok(exact)
    }

    fn arithmetic(&self, op: ArithmeticOp, left: &Operand, right: &Operand, _data_type: &DataType) -> Result<String> {
        match op {
            ArithmeticOp::Divide | ArithmeticOp::Modulo => Err(self.unsupported("division")),
            _ => Ok(standard::arithmetic(op, left, right)),
        }
    }

    /// Arithmetic is done in 64 bits or in decimals of up to 65 digits anyway, so widening needs no cast.
    fn cast(&self, operand: &Operand, to: &DataType) -> Result<String> {
        if widens(&operand.data_type, to) {
            return Ok(format!("({})", operand.sql));
        }
        Ok(format!("CAST({} AS {})", operand.sql, self.type_name(to)?))
    }

    fn function(&self, function: Function, args: &[Operand], _data_type: &DataType) -> Result<String> {
        let prepared = args.iter().map(|arg| match function {
            Function::CharLength | Function::Substring | Function::OctetLength if is_utf8_column(arg) => arg.clone(),
            // By characters, not bytes.
            Function::CharLength | Function::Substring => converted(arg),
            // Operands of one kind, whatever their collations.
            _ => as_bytes(arg),
        });
        Ok(standard::function(function, &prepared.collect::<Vec<_>>()))
    }

    fn case(
        &self,
        branches: &[(String, Operand)],
        otherwise: Option<&Operand>,
        _data_type: &DataType,
    ) -> Result<String> {
        let branches: Vec<_> = branches.iter().map(|(when, then)| (when.clone(), as_bytes(then))).collect();
        Ok(standard::case(&branches, otherwise.map(as_bytes).as_ref()))
    }

    fn aggregate(&self, call: &AggregateCall<'_>) -> Result<String> {
        let compares = call.distinct || matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
        let argument = call.argument.map(|argument| {
            let sql = if !compares {
                argument.sql.clone()
            } else if is_bits(argument) {
                // MariaDB delivers the least of bits as the digits of a number, under the type of bits.
                format!("({} + 0)", argument.sql)
            } else {
                bytes_of(argument)
            };
            Operand { sql, ..argument.clone() }
        });
        Ok(standard::aggregate(&AggregateCall { argument: argument.as_ref(), ..*call }))
    }

    fn group_key(&self, operand: &Operand) -> GroupKey {
        let key = bytes_of(operand);
        GroupKey { output: key.clone(), key }
    }

    fn distinct_by_groups(&self, columns: &[Operand]) -> bool {
        columns.iter().any(|column| bytes_of(column) != column.sql)
    }

    /// NULLs come first in ascending and last in descending order; anything else needs a key of its own.
    fn sort_key(&self, operand: &Operand, descending: bool, nulls_first: Option<bool>) -> String {
        let sql = bytes_of(operand);
        let key = standard::sort_key(&sql, descending, None);
        match nulls_first {
            Some(true) if descending => format!("{sql} IS NULL DESC, {key}"),
            Some(false) if !descending => format!("{sql} IS NULL, {key}"),
            _ => key,
        }
    }

    fn limit(&self, skip: u64, fetch: Option<u64>) -> String {
        standard::limit(skip, Some(fetch.unwrap_or(u64::MAX)))
    }

    /// Keys under the column's own collation, so that its index is used: more rows than asked for at most.
    fn key_predicate(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        let found = self.found_by_index(columns, keys)?;
        let bytes: Vec<Operand> = columns.iter().map(as_bytes).collect();
        if !self.exact_keys || bytes.iter().zip(columns).all(|(bytes, column)| bytes.sql == column.sql) {
            return Ok(found);
        }
        Ok(format!("({found}) AND ({})", standard::key_predicate(self, &bytes, keys)?))
    }
}

impl MySqlDialect {
    /// A condition on key columns that their indexes serve. Of several columns, the first is tested by itself too,
    /// because servers use no index for rows of values.
    fn found_by_index(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        let predicate = standard::key_predicate(self, columns, keys)?;
        let KeyValues::Values(values) = keys else { return Ok(predicate) };
        if columns.iter().any(|column| is_text(column) && !can_hold(column, &predicate)) {
            let converted: Vec<Operand> = columns.iter().map(converted).collect();
            return standard::key_predicate(self, &converted, keys);
        }
        match columns {
            [first, _, ..] if values.values.num_rows() > 0 && !values.nulls => {
                let mut firsts = Vec::new();
                for row in 0..values.values.num_rows() {
                    let sql = self.literal(&literal_at(values.values.column(0), row)?)?;
                    if firsts.last() != Some(&sql) {
                        firsts.push(sql);
                    }
                }
                Ok(format!("{} IN ({}) AND {predicate}", first.sql, firsts.join(", ")))
            }
            _ => Ok(predicate),
        }
    }
}

/// Whether `column = other` under the column's collation is a condition of its own worth having: an index can serve it,
/// and it holds whenever the bytes are equal.
fn may_use_index(column: &Operand, other: &Operand) -> bool {
    let is_column = column.raw && column.source_type.is_some() && column.text == TextSemantics::Loose;
    let collation_of = |operand: &Operand| collation(operand.source_type.as_deref()).map(str::to_owned);
    let same_collation = collation_of(column).is_some() && collation_of(column) == collation_of(other);
    is_column && ((is_text_literal(other) && can_hold(column, &other.sql)) || (other.raw && same_collation))
}

/// Whether every value of `from` is a value of `to` for the server without a cast.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let signed = |data_type: &T| matches!(data_type, T::Int8 | T::Int16 | T::Int32 | T::Int64);
    match (from, to) {
        (T::Decimal128(p, from), T::Decimal128(wider, to) | T::Decimal256(wider, to))
        | (T::Decimal256(p, from), T::Decimal256(wider, to)) => from == to && p <= wider,
        (from, T::Decimal128(precision, 0) | T::Decimal256(precision, 0)) => {
            most_digits(from).is_some_and(|digits| digits <= *precision)
        }
        (from, to) if signed(from) && signed(to) => from.primitive_width() <= to.primitive_width(),
        _ => from == to,
    }
}

/// Digits of the largest number of an integer type.
pub(crate) fn most_digits(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

fn has_four_digit_year(text: &str) -> bool {
    !text.starts_with(['-', '+']) && !text.starts_with("0000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use junto_connector_sql::generate;
    use junto_types::TableName;

    fn column(name: &str, source_type: &str, data_type: DataType, text: TextSemantics) -> ScanColumn {
        ScanColumn { name: name.into(), source_type: source_type.into(), data_type, nullable: true, text }
    }

    fn scan() -> Relation {
        let general = "varchar(9) collate utf8mb4_general_ci";
        let latin = "varchar(9) collate latin1_swedish_ci";
        Relation::Scan {
            table: TableName::new("s", "we\"ird"),
            columns: vec![
                column("a", general, DataType::Utf8View, TextSemantics::Loose),
                column("l", latin, DataType::Utf8View, TextSemantics::Loose),
                column("d", "date", DataType::Date32, TextSemantics::Binary),
            ],
        }
    }

    fn selected(predicate: Expr) -> String {
        let plan = RemotePlan { root: Relation::Filter { input: Box::new(scan()), predicate } };
        generate(&MySqlDialect::for_plan(&plan, true), &plan, None).expect("can be spelled")
    }

    fn condition(predicate: Expr) -> String {
        let sql = selected(predicate);
        sql.split_once(" WHERE ").map(|(_, condition)| condition.to_owned()).expect("a condition")
    }

    fn compared(op: CompareOp, column: usize, literal: Literal) -> String {
        condition(Expr::compare(op, Expr::Column(column), Expr::Literal(literal)))
    }

    #[test]
    fn text_is_equal_by_its_bytes_and_found_by_its_index() {
        let text = |text: &str| Literal::Text(text.into());
        let exact = "CAST(t0.\"a\" AS BINARY) = CAST('it''s \\' AS BINARY)";
        assert_eq!(compared(CompareOp::Eq, 0, text("it's \\")), format!("t0.\"a\" = 'it''s \\' AND {exact}"));
        assert_eq!(compared(CompareOp::Lt, 0, text("b")), "CAST(t0.\"a\" AS BINARY) < CAST('b' AS BINARY)");
        let latin = compared(CompareOp::Eq, 1, text("\u{65E5}"));
        assert!(latin.starts_with("CAST(CONVERT(t0.\"l\" USING utf8mb4) AS BINARY) ="), "{latin}");
        assert!(compared(CompareOp::Eq, 0, text("a\0")).contains("_utf8mb4 X'6100'"));
    }

    #[test]
    fn text_that_is_utf8_already_is_not_converted() {
        let matched = |column, pattern: &str, negated| {
            let expr = Box::new(Expr::Column(column));
            condition(Expr::Like { expr, pattern: pattern.into(), escape: None, negated, case_insensitive: false })
        };
        let like = |column, pattern| matched(column, pattern, true);
        assert!(like(0, "%special%requests%").starts_with("CAST(t0.\"a\" AS BINARY) NOT LIKE '%special%"));
        assert!(like(0, "%sp_cial%").starts_with("t0.\"a\" COLLATE utf8mb4_bin NOT LIKE '%sp_cial%"));
        assert!(like(0, "special%").starts_with("t0.\"a\" COLLATE utf8mb4_bin NOT LIKE 'special%"));
        let begins = matched(0, "spe%", false);
        assert!(begins.starts_with("(t0.\"a\" COLLATE utf8mb4_bin LIKE 'spe%'"), "{begins}");
        assert!(begins.contains(" AND t0.\"a\" LIKE 'spe%'"), "an index serves it: {begins}");
        assert!(like(1, "%special%").starts_with("CONVERT(t0.\"l\" USING utf8mb4) COLLATE utf8mb4_bin NOT LIKE"));
        let longer = |column, than| {
            let (function, args) = (Function::CharLength, vec![Expr::Column(column)]);
            let length = Expr::Function { function, args, data_type: DataType::Int64 };
            condition(Expr::compare(CompareOp::Gt, length, Expr::Literal(Literal::Int(than))))
        };
        assert_eq!(longer(0, 2), "CHAR_LENGTH(t0.\"a\") > 2");
        assert_eq!(longer(1, 2), "CHAR_LENGTH(CONVERT(t0.\"l\" USING utf8mb4)) > 2");
        assert_eq!(longer(0, 0), "OCTET_LENGTH(t0.\"a\") > 0", "whether there are any is not counted");
    }

    #[test]
    fn dates_with_zeros_are_tested_beside_the_raw_column() {
        let day = Literal::Date(0);
        assert_eq!(compared(CompareOp::Eq, 2, day.clone()), "t0.\"d\" = DATE '1970-01-01'");
        let less = "t0.\"d\" < DATE '1970-01-01' AND TO_DAYS(t0.\"d\") IS NOT NULL";
        assert_eq!(compared(CompareOp::Lt, 2, day.clone()), less);
        let not = Expr::Not(Box::new(Expr::compare(CompareOp::Lt, Expr::Column(2), Expr::Literal(day))));
        let lower =
            Expr::Function { function: Function::Lower, args: vec![Expr::Column(0)], data_type: DataType::Utf8View };
        let of_text = Expr::compare(CompareOp::Eq, lower, Expr::Literal(Literal::Text("a".into())));
        assert!(!selected(of_text).contains("TO_DAYS"), "dates are only delivered");
        assert_eq!(condition(not), "NOT (IF(TO_DAYS(t0.\"d\") IS NULL, NULL, t0.\"d\") < DATE '1970-01-01')");
    }

    #[test]
    fn nulls_are_sorted_where_the_plan_says() {
        let text = TextSemantics::Binary;
        let operand = Operand { sql: "x".into(), data_type: DataType::Int64, text, source_type: None, raw: false };
        let key = |descending, nulls_first| MySqlDialect::plain().sort_key(&operand, descending, nulls_first);
        assert_eq!(key(false, Some(true)), "x ASC");
        assert_eq!(key(false, Some(false)), "x IS NULL, x ASC");
        assert_eq!(key(true, Some(false)), "x DESC");
        assert_eq!(key(true, Some(true)), "x IS NULL DESC, x DESC");
        assert_eq!((key(false, None), key(true, None)), ("x ASC".into(), "x DESC".into()), "an index gives the order");
    }
}
