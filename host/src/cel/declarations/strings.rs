//! Strings and regular expressions.

use super::Shape::{Bool, Dyn, Int, List, Str};
use super::{Function, global, member};

pub(super) const FUNCTIONS: &[Function] = &[
    ("charAt", &[member("string_char_at_int", &[Str, Int], Str)]),
    ("contains", &[member("contains_string", &[Str, Str], Bool)]),
    ("endsWith", &[member("ends_with_string", &[Str, Str], Bool)]),
    ("find", &[member("string_find_string", &[Str, Str], Str)]),
    (
        "findAll",
        &[
            member("string_find_all_string", &[Str, Str], List(&Str)),
            member("string_find_all_string_int", &[Str, Str, Int], List(&Str)),
        ],
    ),
    (
        "format",
        &[member("string_format", &[Str, List(&Dyn)], Str)],
    ),
    ("lowerAscii", &[member("string_lower_ascii", &[Str], Str)]),
    (
        "matches",
        &[
            global("matches", &[Str, Str], Bool),
            member("matches_string", &[Str, Str], Bool),
        ],
    ),
    (
        "replace",
        &[
            member("string_replace_string_string", &[Str, Str, Str], Str),
            member(
                "string_replace_string_string_int",
                &[Str, Str, Str, Int],
                Str,
            ),
        ],
    ),
    (
        "split",
        &[
            member("string_split_string", &[Str, Str], List(&Str)),
            member("string_split_string_int", &[Str, Str, Int], List(&Str)),
        ],
    ),
    (
        "startsWith",
        &[member("starts_with_string", &[Str, Str], Bool)],
    ),
    ("strings.quote", &[global("strings_quote", &[Str], Str)]),
    (
        "substring",
        &[
            member("string_substring_int", &[Str, Int], Str),
            member("string_substring_int_int", &[Str, Int, Int], Str),
        ],
    ),
    ("trim", &[member("string_trim", &[Str], Str)]),
    ("upperAscii", &[member("string_upper_ascii", &[Str], Str)]),
];
