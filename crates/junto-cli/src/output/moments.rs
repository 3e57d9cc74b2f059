//! Dates, times and intervals in ISO 8601, for every value their types can hold.
//!
//! `chrono` ends at the year 262143, sources do not (PostgreSQL: 294276). Years above 9999 are written with all their
//! digits, years before 1 as the astronomical year (`-0043` is 44 BC). PostgreSQL's infinities arrive as the smallest
//! and largest value of the type.

const SECONDS_PER_DAY: i64 = 86_400;

/// `YYYY-MM-DD` of days since 1970-01-01.
pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) {
    if let Some(text) = infinity(days, i64::from(i32::MIN), i64::from(i32::MAX)) {
        return out.extend_from_slice(text);
    }
    let (year, month, day) = civil(days);
    if year < 0 {
        out.push(b'-');
    }
    push_padded(year.unsigned_abs(), 4, out);
    out.push(b'-');
    push_padded(month, 2, out);
    out.push(b'-');
    push_padded(day, 2, out);
}

/// `YYYY-MM-DDTHH:MM:SS`, with a fraction when there is one and `Z` when it is an instant. `ticks` counts
/// 10^-`digits` seconds since 1970.
pub(crate) fn write_timestamp(ticks: i64, digits: u32, zoned: bool, out: &mut Vec<u8>) {
    if let Some(text) = infinity(ticks, i64::MIN, i64::MAX) {
        return out.extend_from_slice(text);
    }
    let per_day = SECONDS_PER_DAY * 10_i64.pow(digits);
    write_date(ticks.div_euclid(per_day), out);
    out.push(b'T');
    write_time(ticks.rem_euclid(per_day), digits, out);
    if zoned {
        out.push(b'Z');
    }
}

/// `HH:MM:SS`, with a fraction when there is one.
pub(crate) fn write_time(ticks: i64, digits: u32, out: &mut Vec<u8>) {
    let per_second = 10_i64.pow(digits);
    let (seconds, fraction) =
        (ticks.div_euclid(per_second).unsigned_abs(), ticks.rem_euclid(per_second).unsigned_abs());
    push_padded(seconds / 3600, 2, out);
    out.push(b':');
    push_padded(seconds / 60 % 60, 2, out);
    out.push(b':');
    push_padded(seconds % 60, 2, out);
    push_fraction(fraction, digits, out);
}

/// `PT36H5M1.5S`, negative as `-PT…`.
pub(crate) fn write_duration(ticks: i64, digits: u32, out: &mut Vec<u8>) {
    if ticks < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(b"P");
    push_clock(ticks.unsigned_abs(), digits, "", true, out);
}

/// `P1Y2M3DT4H5M6.7S`; each part has its own sign, because months, days and seconds do not add up to one length.
pub(crate) fn write_interval(months: i32, days: i32, nanoseconds: i64, out: &mut Vec<u8>) {
    out.push(b'P');
    let mut part = |number: i32, letter: u8| {
        if number != 0 {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            out.push(letter);
        }
    };
    part(months / 12, b'Y');
    part(months % 12, b'M');
    part(days, b'D');
    let sign = if nanoseconds < 0 { "-" } else { "" };
    push_clock(nanoseconds.unsigned_abs(), 9, sign, months == 0 && days == 0, out);
}

/// `T4H5M6.7S` without its zero parts; `T0S` when there is nothing and `needed`.
fn push_clock(ticks: u64, digits: u32, sign: &str, needed: bool, out: &mut Vec<u8>) {
    let per_second = 10_u64.pow(digits);
    let (seconds, fraction) = (ticks / per_second, ticks % per_second);
    if ticks == 0 {
        return out.extend_from_slice(if needed { b"T0S" } else { b"" });
    }
    out.push(b'T');
    for (number, letter) in [(seconds / 3600, b'H'), (seconds / 60 % 60, b'M')] {
        if number != 0 {
            out.extend_from_slice(sign.as_bytes());
            push_padded(number, 1, out);
            out.push(letter);
        }
    }
    if seconds % 60 != 0 || fraction != 0 {
        out.extend_from_slice(sign.as_bytes());
        push_padded(seconds % 60, 1, out);
        push_fraction(fraction, digits, out);
        out.push(b'S');
    }
}

fn infinity(value: i64, least: i64, greatest: i64) -> Option<&'static [u8]> {
    match value {
        value if value == greatest => Some(b"infinity"),
        value if value == least => Some(b"-infinity"),
        _ => None,
    }
}

/// `.` and the digits of `fraction`, without trailing zeros; nothing for zero.
fn push_fraction(fraction: u64, digits: u32, out: &mut Vec<u8>) {
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    push_padded(fraction, digits as usize, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

fn push_padded(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

/// Year, month and day of days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097).unsigned_abs();
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era as i64 + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn dates_of_all_ages() {
        let date = |days| text(|out| write_date(days, out));
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(-719_528), "0000-01-01");
        assert_eq!(date(-735_160), "-0043-03-15");
        assert_eq!(date(106_751_991), "294247-01-10");
        assert_eq!(date(i64::from(i32::MAX)), "infinity");
        assert_eq!(date(i64::from(i32::MIN)), "-infinity");
    }

    #[test]
    fn timestamps_have_the_digits_they_need() {
        let stamp = |ticks, digits, zoned| text(|out| write_timestamp(ticks, digits, zoned, out));
        assert_eq!(stamp(0, 6, false), "1970-01-01T00:00:00");
        assert_eq!(stamp(-1, 6, true), "1969-12-31T23:59:59.999999Z");
        assert_eq!(stamp(1_500, 3, true), "1970-01-01T00:00:01.5Z");
        assert_eq!(stamp(i64::MAX, 6, true), "infinity");
        assert_eq!(stamp(i64::MIN, 6, false), "-infinity");
    }

    #[test]
    fn times_and_lengths() {
        assert_eq!(text(|out| write_time(86_399_000_001, 6, out)), "23:59:59.000001");
        assert_eq!(text(|out| write_duration(-130_501, 3, out)), "-PT2M10.501S");
        assert_eq!(text(|out| write_duration(838 * 3600, 0, out)), "PT838H");
        assert_eq!(text(|out| write_duration(0, 6, out)), "PT0S");
        assert_eq!(text(|out| write_interval(14, 3, -1_500_000_000, out)), "P1Y2M3DT-1.5S");
        assert_eq!(text(|out| write_interval(0, 0, 0, out)), "PT0S");
    }
}
