//! Conversions between types.

use super::Shape::{
    Bool, Bytes, Double, Duration, Dyn, Int, Of, Str, Timestamp, TypeOf, Uint, Var,
};
use super::{Function, global};
use crate::cel::types::Object::{Cidr, Ip};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "bool",
        &[
            global("bool_to_bool", &[Bool], Bool),
            global("string_to_bool", &[Str], Bool),
        ],
    ),
    (
        "bytes",
        &[
            global("bytes_to_bytes", &[Bytes], Bytes),
            global("string_to_bytes", &[Str], Bytes),
        ],
    ),
    (
        "double",
        &[
            global("double_to_double", &[Double], Double),
            global("int64_to_double", &[Int], Double),
            global("string_to_double", &[Str], Double),
            global("uint64_to_double", &[Uint], Double),
        ],
    ),
    (
        "duration",
        &[
            global("duration_to_duration", &[Duration], Duration),
            global("string_to_duration", &[Str], Duration),
        ],
    ),
    ("dyn", &[global("to_dyn", &[Var(0)], Dyn)]),
    (
        "int",
        &[
            global("int64_to_int64", &[Int], Int),
            global("double_to_int64", &[Double], Int),
            global("duration_to_int64", &[Duration], Int),
            global("string_to_int64", &[Str], Int),
            global("timestamp_to_int64", &[Timestamp], Int),
            global("uint64_to_int64", &[Uint], Int),
        ],
    ),
    (
        "string",
        &[
            global("string_to_string", &[Str], Str),
            global("bool_to_string", &[Bool], Str),
            global("bytes_to_string", &[Bytes], Str),
            global("double_to_string", &[Double], Str),
            global("duration_to_string", &[Duration], Str),
            global("int64_to_string", &[Int], Str),
            global("timestamp_to_string", &[Timestamp], Str),
            global("uint64_to_string", &[Uint], Str),
            global("ip_to_string", &[Of(Ip)], Str),
            global("cidr_to_string", &[Of(Cidr)], Str),
        ],
    ),
    (
        "timestamp",
        &[
            global("timestamp_to_timestamp", &[Timestamp], Timestamp),
            global("int64_to_timestamp", &[Int], Timestamp),
            global("string_to_timestamp", &[Str], Timestamp),
        ],
    ),
    ("type", &[global("type", &[Var(0)], TypeOf(&Var(0)))]),
    (
        "uint",
        &[
            global("uint64_to_uint64", &[Uint], Uint),
            global("double_to_uint64", &[Double], Uint),
            global("int64_to_uint64", &[Int], Uint),
            global("string_to_uint64", &[Str], Uint),
        ],
    ),
];
