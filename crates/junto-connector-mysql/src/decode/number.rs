//! Numbers and days out of the digits of a cell.

use arrow_buffer::i256;
use junto_connector_sql::decimal::{self, DecimalError};

/// Digits without a sign; none for anything else, and for more than 19 of them.
#[inline]
pub(super) fn unsigned(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u64::from(digit))
    })
}

/// A whole number in text form, also one written as a decimal with zeros after the point.
pub(super) fn integer(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    decimal::parse::<i128>(text, 38, 0).ok()
}

/// A decimal in text form, scaled. What a server writes for a `decimal(p,s)` takes the short way: at most 18 digits,
/// exactly `scale` of them after the point.
#[inline]
pub(super) fn decimal128(text: &[u8], precision: u8, scale: i8) -> Result<i128, DecimalError> {
    match short_decimal(text, precision, scale) {
        Some(value) => Ok(value.into()),
        None => decimal::parse(as_text(text)?, precision, scale),
    }
}

/// A decimal of up to 76 digits in text form, scaled.
pub(super) fn decimal256(text: &[u8], precision: u8, scale: i8) -> Result<i256, DecimalError> {
    decimal::parse(as_text(text)?, precision, scale)
}

/// The short way of [`decimal128`]; none when it takes the long one.
#[inline]
pub(super) fn short_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i64> {
    let (is_negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let scale = usize::try_from(scale).ok()?;
    if text.len() > 19 || text.len() > usize::from(precision) {
        return None;
    }
    let mut number = 0_i64;
    let (whole, fraction) = if scale == 0 {
        (text, &[][..])
    } else {
        let (whole, fraction) = text.split_at_checked(text.len().checked_sub(scale + 1)?)?;
        (whole, fraction.strip_prefix(b".")?)
    };
    if whole.len() + fraction.len() > 18 || whole.is_empty() {
        return None;
    }
    for byte in whole.iter().chain(fraction) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if is_negative { -number } else { number })
}

fn as_text(text: &[u8]) -> Result<&str, DecimalError> {
    std::str::from_utf8(text).map_err(|_| DecimalError::NotANumber)
}

/// Days since 1970-01-01; none when the calendar has no such day.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"; years 0 to 65535, without divisions by variables.
#[inline]
pub(super) fn days(year: u16, month: u8, day: u8) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    // A year that begins in March, shifted so that it is never negative.
    let year = i32::from(year) + 400 - i32::from(month <= 2);
    let shifted_month = i32::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i32::from(day) - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468 - 146_097)
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use junto_connector_sql::datetime;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal128(b"-12345.67", 15, 2), Ok(-1234567));
        assert_eq!(decimal128(b"0.05", 2, 2), Ok(5));
        assert_eq!(decimal128(b"7", 38, 2), Ok(700));
        let widest = "99999999999999999999999999999999999999";
        assert_eq!(decimal128(widest.as_bytes(), 38, 0), Ok(widest.parse().expect("fits")));
        assert_eq!(decimal128(b"1.234", 15, 2), Err(DecimalError::ScaleLost));
        assert_eq!(decimal128(b"1-34.00", 15, 2), Err(DecimalError::NotANumber));
        assert_eq!(integer(b"18446744073709551615"), Some(u64::MAX.into()));
    }

    proptest! {
        #[test]
        fn days_agree_with_the_calendar(year in 0_u16..10_000, month in 0_u8..15, day in 0_u8..40) {
            let (y, m, d) = (i32::from(year), u32::from(month), u32::from(day));
            let expected = datetime::is_date(y, m, d).then(|| datetime::days_from_civil(y, m, d));
            prop_assert_eq!(days(year, month, day), expected);
        }

        #[test]
        fn decimals_come_back(value in any::<i64>(), scale in 0_i8..10) {
            let text = decimal::to_text(&value.to_string(), scale).expect("a number");
            prop_assert_eq!(decimal128(text.as_bytes(), 38, scale), Ok(value.into()));
        }
    }
}
