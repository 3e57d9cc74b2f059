//! The parser's rules for federated statements: PostgreSQL's, with one switch set differently and one operator bound as
//! PostgreSQL binds it.

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use std::any::TypeId;

/// PostgreSQL's rules, except that the name of a named argument is a name and not any expression: to find out, the
/// parser reads each argument twice, which takes 2ⁿ steps for n nested calls.
#[derive(Debug)]
pub(crate) struct FederatedRules;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

macro_rules! as_in_postgres {
    ($($method:ident),* $(,)?) => {
        $(fn $method(&self) -> bool { POSTGRES.$method() })*
    };
}

impl Dialect for FederatedRules {
    fn dialect(&self) -> TypeId {
        POSTGRES.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        distinct_from(parser, expr).or_else(|| POSTGRES.parse_infix(parser, expr, precedence))
    }

    as_in_postgres! {
        supports_unicode_string_literal, supports_filter_during_aggregation, supports_group_by_expr,
        allow_extract_custom, allow_extract_single_quotes, supports_create_index_with_clause,
        supports_explain_with_utility_options, supports_listen_notify, supports_factorial_operator,
        supports_bitwise_shift_operators, supports_comment_on, supports_load_extension,
        supports_named_fn_args_with_colon_operator, supports_empty_projections, supports_nested_comments,
        supports_string_escape_constant, supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets, supports_geometric_types, supports_set_names,
        supports_alter_column_type_using, supports_notnull_operator, supports_interval_options,
        supports_insert_table_alias, supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias, supports_comma_separated_trim, supports_xml_expressions,
    }
}

/// `… IS [NOT] DISTINCT FROM x`, none for anything else. The parser of `sqlparser` 0.62 takes all that follows for `x`, so
/// that `a IS DISTINCT FROM b AND c` would compare `a` with `b AND c`.
fn distinct_from(parser: &mut Parser<'_>, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let is_distinct = parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]);
    if !is_distinct && !parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
        return None;
    }
    let build = if is_distinct { Expr::IsDistinctFrom } else { Expr::IsNotDistinctFrom };
    let right = parser.parse_subexpr(POSTGRES.prec_value(Precedence::Is));
    Some(right.map(|right| build(Box::new(expr.clone()), Box::new(right))))
}
