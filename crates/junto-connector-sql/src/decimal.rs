//! Decimal text to and from scaled integers, exactly or not at all.

use arrow::datatypes::i256;

/// Why a text is not a decimal of the wanted precision and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a finite decimal number.
    NotANumber,
    /// More digits than the precision has room for.
    TooWide,
    /// Digits other than 0 after the scale's last place.
    ScaleLost,
}

/// An integer that decimal digits are appended to.
pub trait Unscaled: Copy {
    const ZERO: Self;
    /// `self * 10 + digit`, or none on overflow.
    fn push(self, digit: u8) -> Option<Self>;
    fn negated(self) -> Self;
}

impl Unscaled for i128 {
    const ZERO: Self = 0;

    fn push(self, digit: u8) -> Option<Self> {
        self.checked_mul(10)?.checked_add(digit.into())
    }

    fn negated(self) -> Self {
        -self
    }
}

impl Unscaled for i256 {
    const ZERO: Self = i256::ZERO;

    fn push(self, digit: u8) -> Option<Self> {
        self.checked_mul(i256::from_i128(10))?.checked_add(i256::from_i128(digit.into()))
    }

    fn negated(self) -> Self {
        self.wrapping_neg()
    }
}

/// The number `text` times 10^scale. Takes `-12.50`, `+3`, `.5`, `5.` and exponents (`1e-05`); no spaces.
///
/// # Errors
/// See [`DecimalError`]. Zeros after the last place of the scale lose nothing and are no error.
pub fn parse<T: Unscaled>(text: &str, precision: u8, scale: i8) -> Result<T, DecimalError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mantissa, exponent) = match digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&digits[..at], parse_exponent(&digits[at + 1..])?),
        None => (digits, 0),
    };
    let whole_digits = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    // Power of ten of the next digit in the scaled integer; digits below power 0 do not fit the scale.
    let mut power = whole_digits as i64 - 1 + exponent + i64::from(scale);
    let mut value = T::ZERO;
    let mut significant = 0_u32;
    let mut seen = false;
    for (at, byte) in mantissa.iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'.' if at == whole_digits => continue,
            _ => return Err(DecimalError::NotANumber),
        };
        seen = true;
        if power < 0 && digit != 0 {
            return Err(DecimalError::ScaleLost);
        }
        if power >= 0 && (digit != 0 || significant > 0) {
            significant += 1;
            value = value.push(digit).ok_or(DecimalError::TooWide)?;
        }
        power -= 1;
    }
    if !seen {
        return Err(DecimalError::NotANumber);
    }
    if significant > 0 {
        for _ in 0..=power {
            significant += 1;
            value = value.push(0).ok_or(DecimalError::TooWide)?;
        }
    }
    if significant > u32::from(precision) {
        return Err(DecimalError::TooWide);
    }
    Ok(if negative { value.negated() } else { value })
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::NotANumber)?;
    let exponent: i64 = text.parse().map_err(|_| DecimalError::NotANumber)?;
    if exponent.abs() > 100_000 { Err(DecimalError::TooWide) } else { Ok(exponent) }
}

/// Text of `unscaled / 10^scale`, without exponent; none when `unscaled` is not an integer with optional sign.
pub fn to_text(unscaled: &str, scale: i8) -> Option<String> {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places = usize::from(scale.unsigned_abs());
    Some(if scale <= 0 {
        let zeros = if digits.bytes().all(|byte| byte == b'0') { 0 } else { places };
        format!("{sign}{digits}{}", "0".repeat(zeros))
    } else if digits.len() > places {
        let (whole, fraction) = digits.split_at(digits.len() - places);
        format!("{sign}{whole}.{fraction}")
    } else {
        format!("{sign}0.{digits:0>places$}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_fits_and_names_what_does_not() {
        let read = |text, precision, scale| parse::<i128>(text, precision, scale);
        assert_eq!(read("-12.50", 5, 2), Ok(-1250));
        assert_eq!(read("+.5", 2, 2), Ok(50));
        assert_eq!(read("7.", 1, 0), Ok(7));
        assert_eq!(read("1.2300", 3, 2), Ok(123));
        assert_eq!(read("1e3", 4, 0), Ok(1000));
        assert_eq!(read("1.5E-1", 3, 2), Ok(15));
        assert_eq!(read("0e99", 1, 0), Ok(0));
        assert_eq!(read("1200", 2, -2), Ok(12));
        assert_eq!(read("000123", 3, 0), Ok(123));
        assert_eq!(read("1.234", 9, 2), Err(DecimalError::ScaleLost));
        assert_eq!(read("1234", 3, 0), Err(DecimalError::TooWide));
        assert_eq!(read("1e30", 38, 20), Err(DecimalError::TooWide));
        for text in ["", "-", ".", "1.2.3", "NaN", " 1", "1e", "0x1", "--1"] {
            assert_eq!(read(text, 9, 2), Err(DecimalError::NotANumber), "{text:?}");
        }
        let wide = "9".repeat(76);
        assert_eq!(parse::<i256>(&wide, 76, 0).expect("fits").to_string(), wide);
    }

    proptest! {
        #[test]
        fn text_and_back(unscaled in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in -10_i8..=38) {
            let text = to_text(&unscaled.to_string(), scale).expect("an integer");
            prop_assert_eq!(parse::<i128>(&text, 38, scale), Ok(unscaled));
            prop_assert_eq!(parse::<i256>(&text, 38, scale), Ok(i256::from_i128(unscaled)));
        }
    }
}
