//! Optional values.

use super::Shape::{Bool, List, Optional, Var};
use super::{Function, global, member};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "hasValue",
        &[member("optional_hasValue", &[Optional(&Var(0))], Bool)],
    ),
    (
        "optional.none",
        &[global("optional_none", &[], Optional(&Var(0)))],
    ),
    (
        "optional.of",
        &[global("optional_of", &[Var(0)], Optional(&Var(0)))],
    ),
    (
        "optional.ofNonZeroValue",
        &[global(
            "optional_ofNonZeroValue",
            &[Var(0)],
            Optional(&Var(0)),
        )],
    ),
    (
        "optional.unwrap",
        &[global(
            "optional_unwrap",
            &[List(&Optional(&Var(0)))],
            List(&Var(0)),
        )],
    ),
    (
        "or",
        &[member(
            "optional_or_optional",
            &[Optional(&Var(0)), Optional(&Var(0))],
            Optional(&Var(0)),
        )],
    ),
    (
        "orValue",
        &[member(
            "optional_orValue_value",
            &[Optional(&Var(0)), Var(0)],
            Var(0),
        )],
    ),
    (
        "unwrapOpt",
        &[member(
            "optional_unwrapOpt",
            &[List(&Optional(&Var(0)))],
            List(&Var(0)),
        )],
    ),
    (
        "value",
        &[member("optional_value", &[Optional(&Var(0))], Var(0))],
    ),
];
