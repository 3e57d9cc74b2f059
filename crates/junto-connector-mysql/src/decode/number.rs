//! Numbers and days out of the digits of a cell.

use arrow_buffer::i256;
use junto_connector_sql::decimal::{self, DecimalError};

use crate::wire::Cursor;

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

/// The next cell of a binary row, when it is a decimal of at most eight characters with exactly `scale` digits after the
/// point and no sign; otherwise none, and the cell stays unread. All digits at once: the bytes of an integer are the
/// characters, and each step below puts two neighbours together.
#[inline]
pub(super) fn few_digits(cursor: &mut Cursor<'_>, precision: u8, scale: i8) -> Option<i64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let [length, text @ ..] = *cursor.peek::<9>()?;
    let (length, scale) = (usize::from(length), usize::try_from(scale).ok()?);
    if scale == 0 || length > usize::from(precision.min(8)) || length < scale + 2 {
        return None;
    }
    let whole = length - scale - 1;
    let characters = u64::from_le_bytes(text);
    // A byte that is no digit leaves more than 9 behind, or a high bit.
    let before = characters & ((1 << (8 * whole)) - 1);
    let from_point = characters >> (8 * whole);
    let after = (from_point >> 8) & ((1 << (8 * scale)) - 1);
    let unused = 8 * (8 - whole - scale);
    let digits = ((before | after << (8 * whole)) << unused) ^ (ZEROS << unused);
    let is_odd = (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0;
    if is_odd || from_point as u8 != b'.' {
        return None;
    }
    cursor.skip(length + 1);
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_FFFF_0000_FFFF;
    Some((fours.wrapping_mul(1 + (10_000 << 32)) >> 32) as i64)
}

fn as_text(text: &[u8]) -> Result<&str, DecimalError> {
    std::str::from_utf8(text).map_err(|_| DecimalError::NotANumber)
}

/// First year of [`YEARS`].
const FIRST_YEAR: u16 = 1900;
/// Most years that databases hold: the day before the first of January, and which of [`MONTHS`] they have. Looked up
/// rather than computed, because processors guess wrong which months a column of dates holds.
const YEARS: [(i32, u8); 256] = years();
/// Of common and leap years, by month: days before its first, and how many it has. None in what is no month.
const MONTHS: [[(u16, u8); 16]; 2] = [months(1900), months(1904)];

/// Days since 1970-01-01; none when the calendar has no such day.
#[inline]
pub(super) fn days(year: u16, month: u8, day: u8) -> Option<i32> {
    let Some((before, kind)) = YEARS.get(usize::from(year.wrapping_sub(FIRST_YEAR))) else {
        return computed_days(year, month, day);
    };
    let (before_month, length) = *MONTHS[usize::from(kind & 1)].get(usize::from(month))?;
    // Zero becomes the greatest number.
    (day.wrapping_sub(1) < length).then(|| before + i32::from(before_month) + i32::from(day))
}

const fn years() -> [(i32, u8); 256] {
    let mut years = [(0, 0); 256];
    let mut at = 0;
    while at < years.len() {
        let year = FIRST_YEAR + at as u16;
        years[at] = match computed_days(year, 1, 1) {
            Some(first) => (first - 1, (days_of_month(year, 2) == 29) as u8),
            None => (0, 0),
        };
        at += 1;
    }
    years
}

const fn months(year: u16) -> [(u16, u8); 16] {
    let mut months = [(0, 0); 16];
    let (mut month, mut before) = (1, 0);
    while month <= 12 {
        let length = days_of_month(year, month);
        months[month as usize] = (before, length);
        before += length as u16;
        month += 1;
    }
    months
}

/// As [`days`], for any year.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"; years 0 to 65535, without divisions by variables.
#[cold]
const fn computed_days(year: u16, month: u8, day: u8) -> Option<i32> {
    if month < 1 || month > 12 || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    // A year that begins in March, shifted so that it is never negative.
    let year = year as i32 + 400 - (month <= 2) as i32;
    let shifted_month = if month > 2 { month - 3 } else { month + 9 } as i32;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i32 - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468 - 146_097)
}

const fn days_of_month(year: u16, month: u8) -> u8 {
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
        assert_eq!(few_digits(&mut Cursor::new(b"\x0812345.67"), 15, 2), Some(1_234_567));
        assert_eq!(few_digits(&mut Cursor::new(b"\x040.05...."), 15, 2), Some(5));
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

        /// The quick way agrees with the other, whatever stands there.
        #[test]
        fn few_digits_are_read_right_or_not_at_all(text in "-?[0-9]{0,6}[.]?[0-9]{0,4}|.{0,8}", scale in 0_i8..5) {
            let mut packet = vec![text.len() as u8];
            packet.extend_from_slice(text.as_bytes());
            packet.extend_from_slice(b"12345678");
            let mut cursor = Cursor::new(&packet);
            match few_digits(&mut cursor, 15, scale) {
                Some(value) => {
                    prop_assert_eq!(decimal128(text.as_bytes(), 15, scale), Ok(value.into()));
                    prop_assert_eq!(cursor.remaining(), 8);
                }
                None => prop_assert_eq!(cursor.remaining(), packet.len()),
            }
        }

        #[test]
        fn decimals_come_back(value in any::<i64>(), scale in 0_i8..10) {
            let text = decimal::to_text(&value.to_string(), scale).expect("a number");
            prop_assert_eq!(decimal128(text.as_bytes(), 38, scale), Ok(value.into()));
        }
    }
}
