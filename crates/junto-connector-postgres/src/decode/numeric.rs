//! PostgreSQL's numeric, straight to integers of the planned width; and back, for keys.
//!
//! The binary form is a count of base-10,000 digits, the power of the first, a sign and the number of decimal places
//! shown (src/backend/utils/adt/numeric.c, `numeric_send`).

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Builder, Decimal256Builder};
use arrow::datatypes::i256;
use junto_connector::{Error, Result};

use super::{Cells, Misfit};
use crate::numeric_rules::decimal;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Decimal digits in one digit of the binary form.
const DIGIT_WIDTH: i32 = 4;
/// Digits of the widest decimal, and of the usual one.
const WIDEST: i32 = 76;
const USUAL: i32 = 38;

/// A numeric in parts. `digits` are two bytes each, most significant first.
#[derive(Debug, Clone, Copy)]
struct Numeric<'a> {
    digits: &'a [u8],
    weight: i32,
    negative: bool,
}

impl<'a> Numeric<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Misfit> {
        let Some(([n0, n1, w0, w1, s0, s1, ..], digits)) = bytes.split_first_chunk::<8>() else {
            return Err(Misfit::Malformed("a numeric without header"));
        };
        let negative = match u16::from_be_bytes([*s0, *s1]) {
            0 => false,
            NEGATIVE => true,
            NAN => return Err(Misfit::NoSuchValue("NaN")),
            POSITIVE_INFINITY => return Err(Misfit::NoSuchValue("Infinity")),
            NEGATIVE_INFINITY => return Err(Misfit::NoSuchValue("-Infinity")),
            _ => return Err(Misfit::Malformed("a numeric with another sign")),
        };
        if digits.len() != usize::from(u16::from_be_bytes([*n0, *n1])) * 2 {
            return Err(Misfit::Malformed("a numeric of another length"));
        }
        Ok(Self { digits, weight: i16::from_be_bytes([*w0, *w1]).into(), negative })
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u16> + use<'a> {
        self.digits.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// Power of ten by which the digits, read as one integer, must be multiplied to give value × 10^scale.
    fn exponent(&self, scale: i8) -> i32 {
        let last = self.weight - (self.digits.len() / 2) as i32 + 1;
        last * DIGIT_WIDTH + i32::from(scale)
    }

    /// The value × 10^scale, exactly; `None` when it is not an integer or not within 128 bits.
    fn scaled(&self, scale: i8) -> Option<i128> {
        let mut value: i128 = 0;
        for (digit, width) in self.scaled_digits(scale)? {
            value = value.checked_mul(10_i128.pow(width))?.checked_add(digit.into())?;
        }
        let missing = self.exponent(scale);
        if missing > 0 && value != 0 {
            value = value.checked_mul(10_i128.checked_pow(missing.unsigned_abs())?)?;
        }
        Some(if self.negative { -value } else { value })
    }

    /// As [`Self::scaled`], within 256 bits.
    fn scaled_wide(&self, scale: i8) -> Option<i256> {
        let ten = i256::from_i128(10);
        let mut value = i256::ZERO;
        for (digit, width) in self.scaled_digits(scale)? {
            value = value.checked_mul(ten.checked_pow(width)?)?.checked_add(i256::from_i128(digit.into()))?;
        }
        let missing = self.exponent(scale);
        if missing > 0 && value != i256::ZERO {
            value = value.checked_mul(ten.checked_pow(missing.unsigned_abs())?)?;
        }
        if self.negative { value.checked_neg() } else { Some(value) }
    }

    /// The digits down to 10^-scale, each with its width in decimal digits: four, but for one that the scale cuts.
    /// `None` when a digit below the scale is not zero.
    fn scaled_digits(&self, scale: i8) -> Option<impl Iterator<Item = (u16, u32)> + use<'a>> {
        let exponent = self.exponent(scale);
        // Whole digits below the scale, and the decimal digits to cut from the one before them.
        let (below, cut) = if exponent < 0 { (-exponent / DIGIT_WIDTH, -exponent % DIGIT_WIDTH) } else { (0, 0) };
        let count = self.digits.len() / 2;
        let kept = count.saturating_sub(usize::try_from(below).ok()?);
        let divisor = 10_u16.pow(cut.unsigned_abs());
        let lost = self.digits().skip(kept).any(|digit| digit != 0)
            || kept.checked_sub(1).and_then(|last| self.digits().nth(last)).is_some_and(|last| last % divisor != 0);
        let whole = DIGIT_WIDTH.unsigned_abs();
        let digits = self.digits().take(kept).enumerate().map(move |(at, digit)| {
            if at + 1 == kept { (digit / divisor, whole - cut.unsigned_abs()) } else { (digit, whole) }
        });
        (!lost).then_some(digits)
    }

    /// Decimal digits before and after the point that matter.
    fn extent(&self) -> (i32, i32) {
        let mut integer = 0;
        let mut fraction = 0;
        for (at, digit) in self.digits().enumerate() {
            let power = (self.weight - at as i32) * DIGIT_WIDTH;
            if digit == 0 {
                continue;
            }
            let leading = DIGIT_WIDTH - digit.checked_ilog10().unwrap_or_default() as i32 - 1;
            integer = integer.max(power + DIGIT_WIDTH - leading);
            let trailing = (1..DIGIT_WIDTH).take_while(|n| digit % 10_u16.pow(n.unsigned_abs()) == 0).count() as i32;
            fraction = fraction.max(-(power + trailing));
        }
        (integer, fraction)
    }

    /// The type that would hold the value in place of `planned`, and as many digits after the point again: a plan is not
    /// widened often. None where `planned` is the widest type with these digits.
    fn too_wide(&self, (precision, scale): (u8, i8)) -> Misfit {
        let (integer, fraction) = self.extent();
        let scale = i32::from(scale);
        let wanted = if fraction > scale { fraction * 2 } else { scale };
        let width = if integer + wanted > USUAL || i32::from(precision) > USUAL { WIDEST } else { USUAL };
        let wanted = wanted.min(width - integer).max(fraction);
        let is_wider = width > i32::from(precision) || wanted > scale;
        let fits = integer + wanted <= width && is_wider;
        Misfit::TooWide(i8::try_from(wanted).ok().filter(|_| fits).map(|scale| decimal(width as u8, scale)))
    }
}

/// Decimal digits before the point, and after it as PostgreSQL shows them; `None` for what no decimal holds.
pub(crate) fn numeric_extent(bytes: &[u8]) -> Option<(i32, i32)> {
    let (integer, fraction) = Numeric::parse(bytes).ok()?.extent();
    Some((integer, fraction.max(shown_places(bytes).into())))
}

/// Decimal places that PostgreSQL shows.
fn shown_places(bytes: &[u8]) -> u16 {
    bytes.get(6..8).map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// A numeric as PostgreSQL writes it.
pub(super) fn numeric_text(bytes: &[u8]) -> Result<String, Misfit> {
    let numeric = match Numeric::parse(bytes) {
        Ok(numeric) => numeric,
        Err(Misfit::NoSuchValue(special)) => return Ok(special.into()),
        Err(misfit) => return Err(misfit),
    };
    let places = usize::from(shown_places(bytes));
    let digit = |power: i32| {
        let at = usize::try_from(numeric.weight - power).ok();
        at.and_then(|at| numeric.digits().nth(at)).unwrap_or_default()
    };
    let integer: String = (0..=numeric.weight.max(0)).rev().map(|power| format!("{:04}", digit(power))).collect();
    let groups = i32::try_from(places.div_ceil(4)).unwrap_or_default();
    let fraction: String = (1..=groups).map(|power| format!("{:04}", digit(-power))).collect();
    let integer = integer.trim_start_matches('0');
    let sign = if numeric.negative { "-" } else { "" };
    let integer = if integer.is_empty() { "0" } else { integer };
    let fraction = fraction.get(..places).unwrap_or(&fraction);
    Ok(if places == 0 { format!("{sign}{integer}") } else { format!("{sign}{integer}.{fraction}") })
}

/// A numeric as an unsigned integer.
pub(super) fn unsigned_numeric(bytes: &[u8]) -> Result<u64, Misfit> {
    let value = Numeric::parse(bytes)?.scaled(0).and_then(|value| u64::try_from(value).ok());
    value.ok_or(Misfit::NoSuchValue("an integer beyond the planned width"))
}

/// Decimals of at most 38 digits.
pub(super) struct Decimal128Cells {
    builder: Decimal128Builder,
    precision: u8,
    scale: i8,
    /// 10^precision.
    bound: i128,
}

impl Decimal128Cells {
    pub(super) fn new(precision: u8, scale: i8, rows: usize) -> Result<Self> {
        let builder = Decimal128Builder::with_capacity(rows).with_precision_and_scale(precision, scale);
        let bound = 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX);
        Ok(Self { builder: builder.map_err(|cause| Error::internal(cause.to_string()))?, precision, scale, bound })
    }
}

impl Cells for Decimal128Cells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let numeric = Numeric::parse(bytes)?;
        match numeric.scaled(self.scale).filter(|value| value.abs() < self.bound) {
            Some(value) => self.builder.append_value(value),
            None => return Err(numeric.too_wide((self.precision, self.scale))),
        }
        Ok(())
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

/// Decimals of at most 76 digits.
pub(super) struct Decimal256Cells {
    builder: Decimal256Builder,
    precision: u8,
    scale: i8,
    bound: i256,
}

impl Decimal256Cells {
    pub(super) fn new(precision: u8, scale: i8, rows: usize) -> Result<Self> {
        let builder = Decimal256Builder::with_capacity(rows).with_precision_and_scale(precision, scale);
        let bound = i256::from_i128(10).checked_pow(precision.into()).unwrap_or(i256::MAX);
        Ok(Self { builder: builder.map_err(|cause| Error::internal(cause.to_string()))?, precision, scale, bound })
    }
}

impl Cells for Decimal256Cells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let numeric = Numeric::parse(bytes)?;
        let fits = |value: &i256| *value < self.bound && value.checked_neg().is_some_and(|value| value < self.bound);
        match numeric.scaled_wide(self.scale).filter(fits) {
            Some(value) => self.builder.append_value(value),
            None => return Err(numeric.too_wide((self.precision, self.scale))),
        }
        Ok(())
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

/// The binary form of a decimal given by its unscaled integer.
pub(crate) fn numeric_bytes(unscaled: &str, scale: i8) -> Vec<u8> {
    let (negative, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, unscaled),
    };
    // Pad so that the point falls between two base-10,000 digits.
    let places = usize::from(scale.max(0).unsigned_abs());
    let mut text =
        format!("{digits}{}", "0".repeat((4 - places % 4) % 4 + usize::from((-scale).max(0).unsigned_abs())));
    text.insert_str(0, &"0".repeat((4 - text.len() % 4) % 4));
    let digit = |group: &[u8]| group.iter().fold(0_i16, |value, byte| value * 10 + i16::from(byte - b'0'));
    let groups: Vec<i16> = text.as_bytes().chunks(4).map(digit).collect();
    let weight = groups.len() as i16 - places.div_ceil(4) as i16 - 1;
    let mut bytes = Vec::with_capacity(8 + groups.len() * 2);
    bytes.extend((groups.len() as i16).to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend((if negative { NEGATIVE } else { 0 }).to_be_bytes());
    bytes.extend((places as u16).to_be_bytes());
    bytes.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    fn check(unscaled: &str, scale: i8) {
        let bytes = numeric_bytes(unscaled, scale);
        let numeric = Numeric::parse(&bytes).expect("well formed");
        assert_eq!(
            numeric.scaled(scale).map(|value| value.to_string()).as_deref(),
            Some(unscaled),
            "{unscaled}e-{scale}"
        );
        assert_eq!(numeric.scaled_wide(scale).map(|value| value.to_string()).as_deref(), Some(unscaled));
    }

    #[test]
    fn decimals_survive_the_way_there_and_back() {
        for unscaled in ["0", "1", "-1", "123456", "-99999999999999999999999999999999999999", "10000", "100000000"] {
            for scale in [0, 1, 2, 3, 4, 5, 9, 20, 38] {
                check(unscaled, scale);
            }
        }
    }

    #[test]
    fn what_does_not_fit_says_what_would() {
        let mut cells = Decimal128Cells::new(38, 2, 1).expect("a valid type");
        let wide = numeric_bytes("12345", 3);
        assert_eq!(cells.value(&wide), Err(Misfit::TooWide(Some(DataType::Decimal128(38, 6)))));
        let huge = numeric_bytes(&"9".repeat(60), 0);
        assert_eq!(cells.value(&huge), Err(Misfit::TooWide(Some(DataType::Decimal256(76, 2)))));
        let tiny = numeric_bytes("1", 30);
        assert_eq!(cells.value(&tiny), Err(Misfit::TooWide(Some(DataType::Decimal256(76, 60)))));
        let beyond = numeric_bytes(&"9".repeat(77), 0);
        assert_eq!(cells.value(&beyond), Err(Misfit::TooWide(None)));
        let mut widest = Decimal256Cells::new(76, 60, 1).expect("a valid type");
        assert_eq!(widest.value(&numeric_bytes(&"9".repeat(20), 0)), Err(Misfit::TooWide(None)));
        assert_eq!(cells.value(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), Err(Misfit::NoSuchValue("NaN")));
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [&[][..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0, 0x12, 0x34, 0, 0], &[0xff; 9]] {
            assert!(Numeric::parse(bytes).is_err(), "{bytes:?}");
        }
        // The lowest weight and the highest digits a header can claim.
        for weight in [i16::MIN, i16::MAX] {
            let [w0, w1] = weight.to_be_bytes();
            let bytes = [0, 1, w0, w1, 0, 0, 0, 0, 0xff, 0xff];
            let mut cells = Decimal256Cells::new(76, 38, 1).expect("a valid type");
            assert_eq!(cells.value(&bytes), Err(Misfit::TooWide(None)));
        }
    }
}
