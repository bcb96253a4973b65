//! Authorization checks. No variable gives access to an authorizer, so none can be called; they are
//! declared so that the errors are the same.

use super::Shape::{Bool, Of, Str};
use super::{Function, member};
use crate::cel::types::Object::{Authorizer, Decision, GroupCheck, PathCheck, ResourceCheck};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "allowed",
        &[member("decision_allowed", &[Of(Decision)], Bool)],
    ),
    (
        "check",
        &[
            member("pathcheck_check", &[Of(PathCheck), Str], Of(Decision)),
            member(
                "resourcecheck_check",
                &[Of(ResourceCheck), Str],
                Of(Decision),
            ),
        ],
    ),
    ("error", &[member("decision_error", &[Of(Decision)], Str)]),
    (
        "errored",
        &[member("decision_errored", &[Of(Decision)], Bool)],
    ),
    (
        "fieldSelector",
        &[member(
            "authorizer_fieldselector",
            &[Of(ResourceCheck), Str],
            Of(ResourceCheck),
        )],
    ),
    (
        "group",
        &[member(
            "authorizer_group",
            &[Of(Authorizer), Str],
            Of(GroupCheck),
        )],
    ),
    (
        "labelSelector",
        &[member(
            "authorizer_labelselector",
            &[Of(ResourceCheck), Str],
            Of(ResourceCheck),
        )],
    ),
    (
        "name",
        &[member(
            "resourcecheck_name",
            &[Of(ResourceCheck), Str],
            Of(ResourceCheck),
        )],
    ),
    (
        "namespace",
        &[member(
            "resourcecheck_namespace",
            &[Of(ResourceCheck), Str],
            Of(ResourceCheck),
        )],
    ),
    (
        "path",
        &[member(
            "authorizer_path",
            &[Of(Authorizer), Str],
            Of(PathCheck),
        )],
    ),
    ("reason", &[member("decision_reason", &[Of(Decision)], Str)]),
    (
        "resource",
        &[member(
            "groupcheck_resource",
            &[Of(GroupCheck), Str],
            Of(ResourceCheck),
        )],
    ),
    (
        "serviceAccount",
        &[member(
            "authorizer_serviceaccount",
            &[Of(Authorizer), Str, Str],
            Of(Authorizer),
        )],
    ),
    (
        "subresource",
        &[member(
            "resourcecheck_subresource",
            &[Of(ResourceCheck), Str],
            Of(ResourceCheck),
        )],
    ),
];
