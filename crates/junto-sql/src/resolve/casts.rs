//! Casts as PostgreSQL understands them, in terms of what the engine has.

use super::rewrite::{call, number};
use sqlparser::ast::{CharacterLength, DataType, Expr};

/// The engine's function that is its argument, under a name that tells casts apart. DataFusion names `x` and `x::date`
/// alike, and no operator of its has two columns of one name.
pub const NAMED: &str = "junto_named";

/// Microseconds.
const DIGITS_OF_SECONDS: u64 = 6;

/// Settles a cast whose names are bound; other expressions stay.
///
/// ```text
/// x::int          junto_named(x::int)
/// x::varchar(3)   left(junto_named(x::varchar), 3)
/// x::char(3)      rtrim(left(junto_named(x::varchar), 3), ' ')
/// ```
///
/// # Errors
/// What is not available, if the type is one of those.
pub(super) fn settle(expr: &mut Expr) -> Result<(), String> {
    let Expr::Cast { data_type, .. } = expr else { return Ok(()) };
    check_precision(data_type)?;
    let text = sized_text(data_type);
    if text.is_some() {
        *data_type = DataType::Varchar(None);
    }
    let cast = std::mem::replace(expr, Expr::Tuple(Vec::new()));
    *expr = call(NAMED, vec![cast]);
    let Some((length, is_blank_padded)) = text else { return Ok(()) };
    let named = std::mem::replace(expr, Expr::Tuple(Vec::new()));
    *expr = call("left", vec![named, Expr::value(number(length))]);
    if is_blank_padded {
        // Blanks at the end of a `char(n)` do not count, neither when it is compared nor when it becomes longer.
        let cut = std::mem::replace(expr, Expr::Tuple(Vec::new()));
        *expr = call("rtrim", vec![cut, super::rewrite::text(" ")]);
    }
    Ok(())
}

/// Refuses times of fewer digits: PostgreSQL rounds to them, and the engine would ignore them.
pub(super) fn check_precision(data_type: &DataType) -> Result<(), String> {
    let digits = match data_type {
        DataType::Timestamp(digits, _) | DataType::Time(digits, _) => *digits,
        DataType::Datetime(digits) | DataType::TimestampNtz(digits) => *digits,
        _ => None,
    };
    match digits {
        Some(digits) if digits < DIGITS_OF_SECONDS => Err(format!("type {data_type} is not available")),
        _ => Ok(()),
    }
}

/// The length of a text type that has one, and whether it is that of `char`.
fn sized_text(data_type: &DataType) -> Option<(usize, bool)> {
    use DataType as T;
    let (length, is_blank_padded) = match data_type {
        T::Varchar(length) | T::CharVarying(length) | T::CharacterVarying(length) | T::Nvarchar(length) => {
            (length.as_ref()?, false)
        }
        T::Char(Some(length)) | T::Character(Some(length)) => (length, true),
        T::Char(None) | T::Character(None) => return Some((1, true)),
        _ => return None,
    };
    match length {
        CharacterLength::IntegerLength { length, .. } => Some((usize::try_from(*length).ok()?, is_blank_padded)),
        CharacterLength::Max => None,
    }
}
