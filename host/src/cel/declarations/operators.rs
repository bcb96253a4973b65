//! Operators, and what macros call.

use super::Shape::{
    Bool, Bytes, Double, Duration, Dyn, Int, List, Map, Optional, Str, Timestamp, Uint, Var,
};
use super::{Function, global, member};

pub(super) const FUNCTIONS: &[Function] = &[
    ("!_", &[global("logical_not", &[Bool], Bool)]),
    (
        "-_",
        &[
            global("negate_double", &[Double], Double),
            global("negate_int64", &[Int], Int),
        ],
    ),
    (
        "@in",
        &[
            global("in_list", &[Var(0), List(&Var(0))], Bool),
            global("in_map", &[Var(0), Map(&Var(0), &Var(1))], Bool),
        ],
    ),
    (
        "@not_strictly_false",
        &[global("not_strictly_false", &[Bool], Bool)],
    ),
    (
        "@sortByAssociatedKeys",
        &[
            member(
                "list_int_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Int)],
                List(&Var(0)),
            ),
            member(
                "list_uint_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Uint)],
                List(&Var(0)),
            ),
            member(
                "list_double_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Double)],
                List(&Var(0)),
            ),
            member(
                "list_bool_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Bool)],
                List(&Var(0)),
            ),
            member(
                "list_google.protobuf.Duration_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Duration)],
                List(&Var(0)),
            ),
            member(
                "list_google.protobuf.Timestamp_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Timestamp)],
                List(&Var(0)),
            ),
            member(
                "list_string_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Str)],
                List(&Var(0)),
            ),
            member(
                "list_bytes_sortByAssociatedKeys",
                &[List(&Var(0)), List(&Bytes)],
                List(&Var(0)),
            ),
        ],
    ),
    ("_!=_", &[global("not_equals", &[Var(0), Var(0)], Bool)]),
    (
        "_%_",
        &[
            global("modulo_int64", &[Int, Int], Int),
            global("modulo_uint64", &[Uint, Uint], Uint),
        ],
    ),
    ("_&&_", &[global("logical_and", &[Bool, Bool], Bool)]),
    (
        "_*_",
        &[
            global("multiply_double", &[Double, Double], Double),
            global("multiply_int64", &[Int, Int], Int),
            global("multiply_uint64", &[Uint, Uint], Uint),
        ],
    ),
    (
        "_+_",
        &[
            global("add_bytes", &[Bytes, Bytes], Bytes),
            global("add_double", &[Double, Double], Double),
            global("add_duration_duration", &[Duration, Duration], Duration),
            global("add_duration_timestamp", &[Duration, Timestamp], Timestamp),
            global("add_timestamp_duration", &[Timestamp, Duration], Timestamp),
            global("add_int64", &[Int, Int], Int),
            global("add_list", &[List(&Var(0)), List(&Var(0))], List(&Var(0))),
            global("add_string", &[Str, Str], Str),
            global("add_uint64", &[Uint, Uint], Uint),
        ],
    ),
    (
        "_-_",
        &[
            global("subtract_double", &[Double, Double], Double),
            global(
                "subtract_duration_duration",
                &[Duration, Duration],
                Duration,
            ),
            global("subtract_int64", &[Int, Int], Int),
            global(
                "subtract_timestamp_duration",
                &[Timestamp, Duration],
                Timestamp,
            ),
            global(
                "subtract_timestamp_timestamp",
                &[Timestamp, Timestamp],
                Duration,
            ),
            global("subtract_uint64", &[Uint, Uint], Uint),
        ],
    ),
    (
        "_/_",
        &[
            global("divide_double", &[Double, Double], Double),
            global("divide_int64", &[Int, Int], Int),
            global("divide_uint64", &[Uint, Uint], Uint),
        ],
    ),
    (
        "_<=_",
        &[
            global("less_equals_bool", &[Bool, Bool], Bool),
            global("less_equals_int64", &[Int, Int], Bool),
            global("less_equals_int64_double", &[Int, Double], Bool),
            global("less_equals_int64_uint64", &[Int, Uint], Bool),
            global("less_equals_uint64", &[Uint, Uint], Bool),
            global("less_equals_uint64_double", &[Uint, Double], Bool),
            global("less_equals_uint64_int64", &[Uint, Int], Bool),
            global("less_equals_double", &[Double, Double], Bool),
            global("less_equals_double_int64", &[Double, Int], Bool),
            global("less_equals_double_uint64", &[Double, Uint], Bool),
            global("less_equals_string", &[Str, Str], Bool),
            global("less_equals_bytes", &[Bytes, Bytes], Bool),
            global("less_equals_timestamp", &[Timestamp, Timestamp], Bool),
            global("less_equals_duration", &[Duration, Duration], Bool),
        ],
    ),
    (
        "_<_",
        &[
            global("less_bool", &[Bool, Bool], Bool),
            global("less_int64", &[Int, Int], Bool),
            global("less_int64_double", &[Int, Double], Bool),
            global("less_int64_uint64", &[Int, Uint], Bool),
            global("less_uint64", &[Uint, Uint], Bool),
            global("less_uint64_double", &[Uint, Double], Bool),
            global("less_uint64_int64", &[Uint, Int], Bool),
            global("less_double", &[Double, Double], Bool),
            global("less_double_int64", &[Double, Int], Bool),
            global("less_double_uint64", &[Double, Uint], Bool),
            global("less_string", &[Str, Str], Bool),
            global("less_bytes", &[Bytes, Bytes], Bool),
            global("less_timestamp", &[Timestamp, Timestamp], Bool),
            global("less_duration", &[Duration, Duration], Bool),
        ],
    ),
    ("_==_", &[global("equals", &[Var(0), Var(0)], Bool)]),
    (
        "_>=_",
        &[
            global("greater_equals_bool", &[Bool, Bool], Bool),
            global("greater_equals_int64", &[Int, Int], Bool),
            global("greater_equals_int64_double", &[Int, Double], Bool),
            global("greater_equals_int64_uint64", &[Int, Uint], Bool),
            global("greater_equals_uint64", &[Uint, Uint], Bool),
            global("greater_equals_uint64_double", &[Uint, Double], Bool),
            global("greater_equals_uint64_int64", &[Uint, Int], Bool),
            global("greater_equals_double", &[Double, Double], Bool),
            global("greater_equals_double_int64", &[Double, Int], Bool),
            global("greater_equals_double_uint64", &[Double, Uint], Bool),
            global("greater_equals_string", &[Str, Str], Bool),
            global("greater_equals_bytes", &[Bytes, Bytes], Bool),
            global("greater_equals_timestamp", &[Timestamp, Timestamp], Bool),
            global("greater_equals_duration", &[Duration, Duration], Bool),
        ],
    ),
    (
        "_>_",
        &[
            global("greater_bool", &[Bool, Bool], Bool),
            global("greater_int64", &[Int, Int], Bool),
            global("greater_int64_double", &[Int, Double], Bool),
            global("greater_int64_uint64", &[Int, Uint], Bool),
            global("greater_uint64", &[Uint, Uint], Bool),
            global("greater_uint64_double", &[Uint, Double], Bool),
            global("greater_uint64_int64", &[Uint, Int], Bool),
            global("greater_double", &[Double, Double], Bool),
            global("greater_double_int64", &[Double, Int], Bool),
            global("greater_double_uint64", &[Double, Uint], Bool),
            global("greater_string", &[Str, Str], Bool),
            global("greater_bytes", &[Bytes, Bytes], Bool),
            global("greater_timestamp", &[Timestamp, Timestamp], Bool),
            global("greater_duration", &[Duration, Duration], Bool),
        ],
    ),
    (
        "_?._",
        &[global(
            "select_optional_field",
            &[Dyn, Str],
            Optional(&Var(0)),
        )],
    ),
    (
        "_?_:_",
        &[global("conditional", &[Bool, Var(0), Var(0)], Var(0))],
    ),
    (
        "_[?_]",
        &[
            global(
                "list_optindex_optional_int",
                &[List(&Var(0)), Int],
                Optional(&Var(0)),
            ),
            global(
                "optional_list_optindex_optional_int",
                &[Optional(&List(&Var(0))), Int],
                Optional(&Var(0)),
            ),
            global(
                "map_optindex_optional_value",
                &[Map(&Var(0), &Var(1)), Var(0)],
                Optional(&Var(1)),
            ),
            global(
                "optional_map_optindex_optional_value",
                &[Optional(&Map(&Var(0), &Var(1))), Var(0)],
                Optional(&Var(1)),
            ),
        ],
    ),
    (
        "_[_]",
        &[
            global("index_list", &[List(&Var(0)), Int], Var(0)),
            global("index_map", &[Map(&Var(0), &Var(1)), Var(0)], Var(1)),
            global(
                "optional_list_index_int",
                &[Optional(&List(&Var(0))), Int],
                Optional(&Var(0)),
            ),
            global(
                "optional_map_index_value",
                &[Optional(&Map(&Var(0), &Var(1))), Var(0)],
                Optional(&Var(1)),
            ),
        ],
    ),
    ("_||_", &[global("logical_or", &[Bool, Bool], Bool)]),
    (
        "cel.@mapInsert",
        &[
            global(
                "@mapInsert_map_key_value",
                &[Map(&Var(0), &Var(1)), Var(0), Var(1)],
                Map(&Var(0), &Var(1)),
            ),
            global(
                "@mapInsert_map_map",
                &[Map(&Var(0), &Var(1)), Map(&Var(0), &Var(1))],
                Map(&Var(0), &Var(1)),
            ),
        ],
    ),
];
