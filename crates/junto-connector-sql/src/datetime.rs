//! Calendar dates, times of day and timestamps, between text and Arrow's integers. Proleptic Gregorian calendar.

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01. Month and day may be out of range; check with [`is_date`].
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as i32
}

/// Year, month and day of a day counted from 1970-01-01.
pub fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

/// Whether the calendar has this day.
pub fn is_date(year: i32, month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && day >= 1 && civil_from_days(days_from_civil(year, month, day)) == (year, month, day)
}

/// `2024-02-29`; years beyond 0 to 9999 get a sign.
pub fn date_to_text(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// `23:59:59`, with six decimals when there is a fraction. Takes hours beyond 24 and negative times.
pub fn time_to_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}"),
    }
}

/// `2024-02-29 23:59:59`, with six decimals when there is a fraction.
pub fn timestamp_to_text(micros: i64) -> String {
    let days = micros.div_euclid(MICROS_PER_DAY) as i32;
    format!("{} {}", date_to_text(days), time_to_text(micros.rem_euclid(MICROS_PER_DAY)))
}

/// Days since 1970-01-01 of `YYYY-MM-DD` (four or more digits of year, optional sign); none for anything else.
pub fn parse_date(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes() {
        [b'-', ..] => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    };
    let (year, rest) = rest.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if !(4..=6).contains(&year.len()) {
        return None;
    }
    let year = sign * number(year)? as i32;
    let (month, day) = (two_digits(month)?, two_digits(day)?);
    is_date(year, month, day).then(|| days_from_civil(year, month, day))
}

/// Microseconds of `[-]HH:MM[:SS[.ffffff]]`, hours up to 999: the caller decides whether it must be a time of day.
/// More than six decimals only when the rest are zeros.
pub fn parse_time(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (hours, rest) = rest.split_once(':')?;
    if !(1..=3).contains(&hours.len()) {
        return None;
    }
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "00"));
    let (seconds, fraction) = seconds.split_once('.').map_or((seconds, None), |(whole, part)| (whole, Some(part)));
    let (minutes, seconds) = (two_digits(minutes)?, two_digits(seconds)?);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let whole = i64::from(number(hours)?) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    let fraction = fraction.map_or(Some(0), parse_fraction)?;
    Some(sign * (whole * MICROS_PER_SECOND + fraction))
}

/// A timestamp as written, with its distance from UTC if it says one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedTimestamp {
    /// Microseconds since 1970-01-01T00:00:00 on the clock that was written.
    pub micros: i64,
    /// East of UTC, in seconds.
    pub offset_seconds: Option<i32>,
}

impl ParsedTimestamp {
    /// Microseconds since 1970-01-01T00:00:00Z; a timestamp without offset is taken to be in UTC.
    pub fn utc_micros(self) -> i64 {
        self.micros - i64::from(self.offset_seconds.unwrap_or(0)) * MICROS_PER_SECOND
    }
}

/// `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]][Z|±HH[[:]MM]]]`; none for anything else.
pub fn parse_timestamp(text: &str) -> Option<ParsedTimestamp> {
    let split = text.find([' ', 'T', 't']);
    let Some(split) = split else {
        let micros = i64::from(parse_date(text)?).checked_mul(MICROS_PER_DAY)?;
        return Some(ParsedTimestamp { micros, offset_seconds: None });
    };
    let days = parse_date(&text[..split])?;
    let rest = &text[split + 1..];
    let (time, offset_seconds) = match rest.find(['Z', 'z', '+', '-']) {
        Some(0) => return None,
        Some(at) => (rest[..at].trim_end_matches(' '), Some(parse_offset(&rest[at..])?)),
        None => (rest, None),
    };
    let time = parse_time(time).filter(|micros| (0..MICROS_PER_DAY).contains(micros))?;
    let micros = i64::from(days).checked_mul(MICROS_PER_DAY)?.checked_add(time)?;
    Some(ParsedTimestamp { micros, offset_seconds })
}

fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes() {
        b"Z" | b"z" => return Some(0),
        [b'+', ..] => (1, &text[1..]),
        [b'-', ..] => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (two_digits(hours)?, two_digits(minutes)?),
        None if rest.len() == 4 => (two_digits(rest.get(..2)?)?, two_digits(rest.get(2..)?)?),
        None => (two_digits(rest)?, 0),
    };
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

fn parse_fraction(text: &str) -> Option<i64> {
    let (kept, rest) = text.split_at_checked(6).unwrap_or((text, ""));
    if kept.is_empty() || rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    Some(i64::from(number(kept)?) * 10_i64.pow(6 - kept.len() as u32))
}

fn two_digits(text: &str) -> Option<u32> {
    if text.len() == 2 { number(text) } else { None }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_dates_and_refuses_days_that_do_not_exist() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        for text in ["1900-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "0000-00-00", "24-01-01", "x", "2024-01-01 "]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn reads_times_and_timestamps() {
        assert_eq!(parse_time("00:00:01.5"), Some(1_500_000));
        assert_eq!(parse_time("-838:59:59"), Some(-3_020_399_000_000));
        assert_eq!(parse_time("01:02"), Some(3_720_000_000));
        assert_eq!(parse_time("24:60:00"), None);
        assert_eq!(parse_time("00:00:00.1234567"), None);
        assert_eq!(parse_time("00:00:00.1234560"), Some(123_456));
        let utc = |text| parse_timestamp(text).map(ParsedTimestamp::utc_micros);
        assert_eq!(utc("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(utc("1970-01-01 01:00:00+01:00"), Some(0));
        assert_eq!(utc("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(utc("1970-01-02"), Some(MICROS_PER_DAY));
        for text in ["1970-01-01 ", "1970-01-01 24:00:00", "1970-01-01 00:00:00+99", "1970-01-01T", "ä1970-01-01 x"] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_and_back(days in days_from_civil(-9999, 1, 1)..days_from_civil(99999, 12, 31)) {
            prop_assert_eq!(parse_date(&date_to_text(days)), Some(days));
        }

        #[test]
        fn timestamps_and_back(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
            let parsed = parse_timestamp(&timestamp_to_text(micros)).expect("own text");
            prop_assert_eq!(parsed.micros, micros);
        }

        #[test]
        fn hostile_text_never_panics(text in ".{0,30}") {
            let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text));
        }
    }
}
