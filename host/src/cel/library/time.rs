//! Points in time, durations and calendars, as Go reads and takes them apart.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Timestamp, Value};

const DAY: i64 = 86_400;

/// A point in time on a calendar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From one.
    pub(crate) month: i64,
    /// From one.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Days since Sunday.
    weekday: i64,
    /// Days since the first of January.
    day_of_year: i64,
}

impl Civil {
    /// The calendar `offset` seconds east of UTC.
    pub(crate) fn of(time: Timestamp, offset: i64) -> Self {
        let local = time.seconds.saturating_add(offset);
        let days = local.div_euclid(DAY);
        let second = local.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_from_civil(year, 1, 1),
        }
    }
}

/// Days since 1970 of a date of the Gregorian calendar, by counting from March in eras of 400
/// years.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether the text is a date `2006-01-02` that exists.
pub(crate) fn is_date(text: &str) -> bool {
    let mut cursor = Cursor(text.as_bytes());
    cursor.date().is_some() && cursor.0.is_empty()
}

struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let len = self
            .0
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if len < least {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == wanted).then_some(())
    }

    fn date(&mut self) -> Option<(i64, i64, i64)> {
        let year = self.number(4, 4)?;
        self.byte(b'-')?;
        let month = self.number(2, 2)?;
        self.byte(b'-')?;
        let day = self.number(2, 2)?;
        ((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day))
            .then_some((year, month, day))
    }

    /// A fraction of a second in nanoseconds; digits beyond are dropped.
    fn fraction(&mut self) -> Option<u32> {
        if !matches!(self.0, [b'.' | b',', b'0'..=b'9', ..]) {
            return Some(0);
        }
        self.0 = self.0.get(1..)?;
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let digits = std::str::from_utf8(digits.get(..len.min(9))?).ok()?;
        let missing = u32::try_from(9 - digits.len()).ok()?;
        Some(digits.parse::<u32>().ok()? * 10u32.pow(missing))
    }
}

/// Go's reading of RFC 3339, which takes an hour of one digit and a comma before the fraction.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let mut cursor = Cursor(text.as_bytes());
    let (year, month, day) = cursor.date()?;
    cursor.byte(b'T')?;
    let hour = cursor.number(1, 2)?;
    cursor.byte(b':')?;
    let minute = cursor.number(2, 2)?;
    cursor.byte(b':')?;
    let second = cursor.number(2, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = cursor.fraction()?;
    let (sign, rest) = cursor.0.split_first()?;
    cursor.0 = rest;
    let offset = match sign {
        b'Z' => 0,
        b'+' | b'-' => {
            let hours = cursor.number(2, 2)?;
            cursor.byte(b':')?;
            let minutes = cursor.number(2, 2)?;
            if hours > 24 || minutes > 60 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    if !cursor.0.is_empty() {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(Timestamp {
        seconds: seconds - offset,
        nanos,
        offset: i32::try_from(offset).ok()?,
    })
}

/// Go's `time.ParseDuration`, in nanoseconds.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream computes the fraction as a float"
)]
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    const LIMIT: u64 = 1 << 63;
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let whole = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (digits, after) = rest.split_at_checked(whole)?;
        let mut value: u64 = if digits.is_empty() {
            0
        } else {
            digits.parse().ok().filter(|value| *value <= LIMIT)?
        };
        rest = after;
        let (mut fraction, mut scale, mut fraction_digits) = (0u64, 1f64, 0);
        if let Some(after) = rest.strip_prefix('.') {
            let unit = after.trim_start_matches(|c: char| c.is_ascii_digit());
            for digit in after.bytes().take(after.len() - unit.len()) {
                fraction_digits += 1;
                let next = fraction
                    .checked_mul(10)
                    .and_then(|next| next.checked_add(u64::from(digit - b'0')))
                    .filter(|next| *next <= LIMIT);
                let Some(next) = next else { break };
                fraction = next;
                scale *= 10.0;
            }
            rest = unit;
        }
        if digits.is_empty() && fraction_digits == 0 {
            return None;
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at_checked(end)?;
        rest = after;
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        if value > LIMIT / unit {
            return None;
        }
        value *= unit;
        if fraction > 0 {
            value += (fraction as f64 * (unit as f64 / scale)) as u64;
            if value > LIMIT {
                return None;
            }
        }
        total = total.checked_add(value).filter(|total| *total <= LIMIT)?;
    }
    if negative {
        Some(total.wrapping_neg().cast_signed())
    } else {
        i64::try_from(total).ok()
    }
}

/// The offset from UTC, in seconds, of a zone at a point in time.
fn offset(zone: &str, time: Timestamp) -> Result<i64, Failure> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let number = |text: &str| {
            text.parse::<i64>().map_err(|_| {
                Failure::argument(format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
            })
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let minutes = if zone.starts_with('-') {
            hours.saturating_mul(60).saturating_sub(minutes)
        } else {
            hours.saturating_mul(60).saturating_add(minutes)
        };
        return Ok(minutes.saturating_mul(60));
    }
    if matches!(zone, "" | "UTC" | "Local") {
        return Ok(0);
    }
    if zone.contains("..") || zone.starts_with('/') || zone.contains('\\') {
        return Err(Failure::argument("time: invalid location name"));
    }
    let unknown = || Failure::argument(format!("unknown time zone {zone}"));
    let found: TimeZone = TimeZoneDatabase::bundled().get(zone).map_err(|_| unknown())?;
    // Go's names are file names: letters count.
    if found.iana_name() != Some(zone) {
        return Err(unknown());
    }
    let instant = jiff::Timestamp::from_second(time.seconds).map_err(|_| unknown())?;
    Ok(i64::from(found.to_offset(instant).seconds()))
}

fn part<'a>(
    name: &str,
    args: &[Value<'a>],
    of_time: fn(&Civil, u32) -> i64,
    of_duration: Option<fn(i64) -> i64>,
) -> Result<Value<'a>, Failure> {
    let value = match (args, of_duration) {
        ([Value::Timestamp(time)], _) => of_time(&Civil::of(*time, 0), time.nanos),
        ([Value::Timestamp(time), Value::String(zone)], _) => {
            of_time(&Civil::of(*time, offset(zone.as_str(), *time)?), time.nanos)
        }
        ([Value::Duration(nanos)], Some(of_duration)) => of_duration(*nanos),
        _ => return Err(mismatch(name, args)),
    };
    Ok(Value::Int(value))
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    fn get_full_year<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
        part("getFullYear", args, |civil, _| civil.year, None)
    }
    Some(match name {
        "getFullYear" => get_full_year,
        "getMonth" => |_, args| part("getMonth", args, |civil, _| civil.month - 1, None),
        "getDayOfMonth" => |_, args| part("getDayOfMonth", args, |civil, _| civil.day - 1, None),
        "getDate" => |_, args| part("getDate", args, |civil, _| civil.day, None),
        "getDayOfWeek" => |_, args| part("getDayOfWeek", args, |civil, _| civil.weekday, None),
        "getDayOfYear" => |_, args| part("getDayOfYear", args, |civil, _| civil.day_of_year, None),
        "getHours" => |_, args| {
            let of_duration: fn(i64) -> i64 = |nanos| nanos / 3_600_000_000_000;
            part("getHours", args, |civil, _| civil.hour, Some(of_duration))
        },
        "getMinutes" => |_, args| {
            let of_duration: fn(i64) -> i64 = |nanos| nanos / 60_000_000_000;
            part("getMinutes", args, |civil, _| civil.minute, Some(of_duration))
        },
        "getSeconds" => |_, args| {
            let of_duration: fn(i64) -> i64 = |nanos| nanos / 1_000_000_000;
            part("getSeconds", args, |civil, _| civil.second, Some(of_duration))
        },
        "getMilliseconds" => |_, args| {
            let of_duration: fn(i64) -> i64 = |nanos| nanos / 1_000_000;
            part("getMilliseconds", args, |_, nanos| i64::from(nanos / 1_000_000), Some(of_duration))
        },
        _ => return None,
    })
}
