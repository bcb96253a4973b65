//! Parts of timestamps and durations.

use super::Shape::{Duration, Int, Str, Timestamp};
use super::{Function, member};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "getDate",
        &[
            member("timestamp_to_day_of_month_1_based", &[Timestamp], Int),
            member(
                "timestamp_to_day_of_month_1_based_with_tz",
                &[Timestamp, Str],
                Int,
            ),
        ],
    ),
    (
        "getDayOfMonth",
        &[
            member("timestamp_to_day_of_month", &[Timestamp], Int),
            member("timestamp_to_day_of_month_with_tz", &[Timestamp, Str], Int),
        ],
    ),
    (
        "getDayOfWeek",
        &[
            member("timestamp_to_day_of_week", &[Timestamp], Int),
            member("timestamp_to_day_of_week_with_tz", &[Timestamp, Str], Int),
        ],
    ),
    (
        "getDayOfYear",
        &[
            member("timestamp_to_day_of_year", &[Timestamp], Int),
            member("timestamp_to_day_of_year_with_tz", &[Timestamp, Str], Int),
        ],
    ),
    (
        "getFullYear",
        &[
            member("timestamp_to_year", &[Timestamp], Int),
            member("timestamp_to_year_with_tz", &[Timestamp, Str], Int),
        ],
    ),
    (
        "getHours",
        &[
            member("timestamp_to_hours", &[Timestamp], Int),
            member("timestamp_to_hours_with_tz", &[Timestamp, Str], Int),
            member("duration_to_hours", &[Duration], Int),
        ],
    ),
    (
        "getMilliseconds",
        &[
            member("timestamp_to_milliseconds", &[Timestamp], Int),
            member("timestamp_to_milliseconds_with_tz", &[Timestamp, Str], Int),
            member("duration_to_milliseconds", &[Duration], Int),
        ],
    ),
    (
        "getMinutes",
        &[
            member("timestamp_to_minutes", &[Timestamp], Int),
            member("timestamp_to_minutes_with_tz", &[Timestamp, Str], Int),
            member("duration_to_minutes", &[Duration], Int),
        ],
    ),
    (
        "getMonth",
        &[
            member("timestamp_to_month", &[Timestamp], Int),
            member("timestamp_to_month_with_tz", &[Timestamp, Str], Int),
        ],
    ),
    (
        "getSeconds",
        &[
            member("timestamp_to_seconds", &[Timestamp], Int),
            member("timestamp_to_seconds_tz", &[Timestamp, Str], Int),
            member("duration_to_seconds", &[Duration], Int),
        ],
    ),
];
