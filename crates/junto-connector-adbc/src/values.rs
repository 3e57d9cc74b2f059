//! Values that DuckDB delivers as bytes, because Arrow has no type of theirs: how they read.
//!
//! The layouts are those of DuckDB's `arrow_lossless_conversion` (file `arrow_type_extension.cpp` of its source).

use std::fmt::Write;

use arrow::datatypes::i256;

/// A UUID in its usual spelling, from 16 bytes in the order they are written.
pub(crate) fn uuid_text(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

/// HUGEINT: 16 bytes, least significant first.
pub(crate) fn hugeint(bytes: &[u8]) -> Option<i128> {
    Some(i128::from_le_bytes(bytes.try_into().ok()?))
}

/// UHUGEINT: 16 bytes, least significant first.
pub(crate) fn uhugeint(bytes: &[u8]) -> Option<i256> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(i256::from_parts(u128::from_le_bytes(bytes), 0))
}

/// TIME WITH TIME ZONE: the microseconds in the upper 40 bits, and below them how far the offset in seconds is from
/// its maximum of 15:59:59.
pub(crate) fn time_tz_text(bytes: &[u8]) -> Option<String> {
    const LARGEST_OFFSET: i64 = 16 * 3600 - 1;
    let bits = u64::from_le_bytes(bytes.try_into().ok()?);
    let micros = bits >> 24;
    let offset = LARGEST_OFFSET - (bits & 0xFF_FFFF) as i64;
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        let _ = write!(text, ".{}", format!("{fraction:06}").trim_end_matches('0'));
    }
    let _ = write!(text, "{}{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 3600);
    let (minutes, seconds) = (offset.abs() / 60 % 60, offset.abs() % 60);
    if minutes > 0 || seconds > 0 {
        let _ = write!(text, ":{minutes:02}");
    }
    if seconds > 0 {
        let _ = write!(text, ":{seconds:02}");
    }
    Some(text)
}

/// BIT: a byte that says how many leading bits are padding, then the bits.
pub(crate) fn bit_text(bytes: &[u8]) -> Option<String> {
    let (padding, bits) = bytes.split_first()?;
    let mut text = String::with_capacity(bits.len() * 8);
    for byte in bits {
        let _ = write!(text, "{byte:08b}");
    }
    text.get(usize::from(*padding)..).map(str::to_owned)
}

/// BIGNUM: three bytes with the number of digits' bytes, then the bytes of the magnitude, most significant first.
/// The top bit is set for numbers from zero up; all bits are inverted for those below.
pub(crate) fn bignum_text(bytes: &[u8]) -> Option<String> {
    let negative = bytes.first()? & 0x80 == 0;
    let magnitude = bytes.get(3..)?;
    // Decimal digits in groups of nine, least significant first.
    let mut groups: Vec<u64> = vec![0];
    for byte in magnitude {
        let mut carry = u64::from(if negative { !byte } else { *byte });
        for group in &mut groups {
            let value = *group * 256 + carry;
            *group = value % 1_000_000_000;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let (highest, rest) = groups.split_last()?;
    let mut text = format!("{}{highest}", if negative { "-" } else { "" });
    for group in rest.iter().rev() {
        let _ = write!(text, "{group:09}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_duckdb_prints_them() {
        let uuid = [101, 236, 140, 138, 2, 2, 71, 225, 151, 21, 241, 196, 67, 198, 236, 208];
        assert_eq!(uuid_text(&uuid).as_deref(), Some("65ec8c8a-0202-47e1-9715-f1c443c6ecd0"));
        assert_eq!(time_tz_text(&[167, 147, 0, 0, 28, 218, 139, 10]).as_deref(), Some("12:34:56+05:30"));
        assert_eq!(bit_text(&[3, 245]).as_deref(), Some("10101"));
        assert_eq!(bignum_text(&[0x80, 0, 1, 0]).as_deref(), Some("0"));
        assert_eq!(bignum_text(&[0x80, 0, 5, 1, 0, 0, 0, 0]).as_deref(), Some("4294967296"));
        assert_eq!(bignum_text(&[0x7f, 0xff, 0xfe, 0xfe]).as_deref(), Some("-1"));
        assert_eq!(hugeint(&[255; 16]), Some(-1));
        assert_eq!(
            uhugeint(&[255; 16]).map(|v| v.to_string()).as_deref(),
            Some("340282366920938463463374607431768211455")
        );
        assert_eq!(uuid_text(&[1]), None);
    }
}
