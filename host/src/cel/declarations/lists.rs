//! Lists, maps and sets.

use super::Shape::{
    Bool, Bytes, Double, Duration, Dyn, Int, List, Map, Optional, Str, Timestamp, Uint, Var,
};
use super::{Function, global, member};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "distinct",
        &[member("list_distinct", &[List(&Var(0))], List(&Var(0)))],
    ),
    (
        "first",
        &[member("list_first", &[List(&Var(0))], Optional(&Var(0)))],
    ),
    (
        "flatten",
        &[
            member("list_flatten", &[List(&List(&Var(0)))], List(&Var(0))),
            member("list_flatten_int", &[List(&Dyn), Int], List(&Dyn)),
        ],
    ),
    (
        "includes",
        &[member("list_includes_dyn_dyn", &[Dyn, Dyn], Bool)],
    ),
    (
        "indexOf",
        &[
            member("string_index_of_string", &[Str, Str], Int),
            member("string_index_of_string_int", &[Str, Str, Int], Int),
            member("list_a_index_of_int", &[List(&Var(0)), Var(0)], Int),
        ],
    ),
    (
        "isSorted",
        &[
            member("list_int_is_sorted_bool", &[List(&Int)], Bool),
            member("list_uint_is_sorted_bool", &[List(&Uint)], Bool),
            member("list_double_is_sorted_bool", &[List(&Double)], Bool),
            member("list_bool_is_sorted_bool", &[List(&Bool)], Bool),
            member("list_duration_is_sorted_bool", &[List(&Duration)], Bool),
            member("list_timestamp_is_sorted_bool", &[List(&Timestamp)], Bool),
            member("list_string_is_sorted_bool", &[List(&Str)], Bool),
            member("list_bytes_is_sorted_bool", &[List(&Bytes)], Bool),
        ],
    ),
    (
        "join",
        &[
            member("list_join", &[List(&Str)], Str),
            member("list_join_string", &[List(&Str), Str], Str),
        ],
    ),
    (
        "last",
        &[member("list_last", &[List(&Var(0))], Optional(&Var(0)))],
    ),
    (
        "lastIndexOf",
        &[
            member("string_last_index_of_string", &[Str, Str], Int),
            member("string_last_index_of_string_int", &[Str, Str, Int], Int),
            member("list_a_last_index_of_int", &[List(&Var(0)), Var(0)], Int),
        ],
    ),
    ("lists.range", &[global("lists_range", &[Int], List(&Int))]),
    (
        "max",
        &[
            member("list_int_max_int", &[List(&Int)], Int),
            member("list_uint_max_uint", &[List(&Uint)], Uint),
            member("list_double_max_double", &[List(&Double)], Double),
            member("list_bool_max_bool", &[List(&Bool)], Bool),
            member("list_duration_max_duration", &[List(&Duration)], Duration),
            member(
                "list_timestamp_max_timestamp",
                &[List(&Timestamp)],
                Timestamp,
            ),
            member("list_string_max_string", &[List(&Str)], Str),
            member("list_bytes_max_bytes", &[List(&Bytes)], Bytes),
        ],
    ),
    (
        "min",
        &[
            member("list_int_min_int", &[List(&Int)], Int),
            member("list_uint_min_uint", &[List(&Uint)], Uint),
            member("list_double_min_double", &[List(&Double)], Double),
            member("list_bool_min_bool", &[List(&Bool)], Bool),
            member("list_duration_min_duration", &[List(&Duration)], Duration),
            member(
                "list_timestamp_min_timestamp",
                &[List(&Timestamp)],
                Timestamp,
            ),
            member("list_string_min_string", &[List(&Str)], Str),
            member("list_bytes_min_bytes", &[List(&Bytes)], Bytes),
        ],
    ),
    (
        "reverse",
        &[member("list_reverse", &[List(&Var(0))], List(&Var(0)))],
    ),
    (
        "sets.contains",
        &[global(
            "list_sets_contains_list",
            &[List(&Var(0)), List(&Var(0))],
            Bool,
        )],
    ),
    (
        "sets.equivalent",
        &[global(
            "list_sets_equivalent_list",
            &[List(&Var(0)), List(&Var(0))],
            Bool,
        )],
    ),
    (
        "sets.intersects",
        &[global(
            "list_sets_intersects_list",
            &[List(&Var(0)), List(&Var(0))],
            Bool,
        )],
    ),
    (
        "size",
        &[
            global("size_bytes", &[Bytes], Int),
            member("bytes_size", &[Bytes], Int),
            global("size_list", &[List(&Var(0))], Int),
            member("list_size", &[List(&Var(0))], Int),
            global("size_map", &[Map(&Var(0), &Var(1))], Int),
            member("map_size", &[Map(&Var(0), &Var(1))], Int),
            global("size_string", &[Str], Int),
            member("string_size", &[Str], Int),
        ],
    ),
    (
        "slice",
        &[member(
            "list_slice",
            &[List(&Var(0)), Int, Int],
            List(&Var(0)),
        )],
    ),
    (
        "sort",
        &[
            member("list_int_sort", &[List(&Int)], List(&Int)),
            member("list_uint_sort", &[List(&Uint)], List(&Uint)),
            member("list_double_sort", &[List(&Double)], List(&Double)),
            member("list_bool_sort", &[List(&Bool)], List(&Bool)),
            member(
                "list_google.protobuf.Duration_sort",
                &[List(&Duration)],
                List(&Duration),
            ),
            member(
                "list_google.protobuf.Timestamp_sort",
                &[List(&Timestamp)],
                List(&Timestamp),
            ),
            member("list_string_sort", &[List(&Str)], List(&Str)),
            member("list_bytes_sort", &[List(&Bytes)], List(&Bytes)),
        ],
    ),
    (
        "sum",
        &[
            member("list_int_sum_int", &[List(&Int)], Int),
            member("list_uint_sum_uint", &[List(&Uint)], Uint),
            member("list_double_sum_double", &[List(&Double)], Double),
            member("list_duration_sum_duration", &[List(&Duration)], Duration),
        ],
    ),
];
