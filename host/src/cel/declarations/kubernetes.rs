//! Quantities, semantic versions, URLs, IP addresses, CIDRs, named formats.

use super::Shape::{Bool, Double, Int, List, Map, Of, Optional, Str};
use super::{Function, global, member};
use crate::cel::types::Object::{Cidr, Ip, NamedFormat, Quantity, Semver, Url};

pub(super) const FUNCTIONS: &[Function] = &[
    (
        "add",
        &[
            member("quantity_add", &[Of(Quantity), Of(Quantity)], Of(Quantity)),
            member("quantity_add_int", &[Of(Quantity), Int], Of(Quantity)),
        ],
    ),
    (
        "asApproximateFloat",
        &[member("quantity_get_float", &[Of(Quantity)], Double)],
    ),
    (
        "asInteger",
        &[member("quantity_get_int", &[Of(Quantity)], Int)],
    ),
    ("cidr", &[global("string_to_cidr", &[Str], Of(Cidr))]),
    (
        "compareTo",
        &[
            member("quantity_compare_to", &[Of(Quantity), Of(Quantity)], Int),
            member("semver_compare_to", &[Of(Semver), Of(Semver)], Int),
        ],
    ),
    (
        "containsCIDR",
        &[
            member("cidr_contains_cidr_string", &[Of(Cidr), Str], Bool),
            member("cidr_contains_cidr", &[Of(Cidr), Of(Cidr)], Bool),
        ],
    ),
    (
        "containsIP",
        &[
            member("cidr_contains_ip_string", &[Of(Cidr), Str], Bool),
            member("cidr_contains_ip_ip", &[Of(Cidr), Of(Ip)], Bool),
        ],
    ),
    ("family", &[member("ip_family", &[Of(Ip)], Int)]),
    (
        "format.byte",
        &[global("format.byte", &[], Of(NamedFormat))],
    ),
    (
        "format.date",
        &[global("format.date", &[], Of(NamedFormat))],
    ),
    (
        "format.datetime",
        &[global("format.datetime", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1035Label",
        &[global("format.dns1035Label", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1035LabelPrefix",
        &[global("format.dns1035LabelPrefix", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1123Label",
        &[global("format.dns1123Label", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1123LabelPrefix",
        &[global("format.dns1123LabelPrefix", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1123Subdomain",
        &[global("format.dns1123Subdomain", &[], Of(NamedFormat))],
    ),
    (
        "format.dns1123SubdomainPrefix",
        &[global(
            "format.dns1123SubdomainPrefix",
            &[],
            Of(NamedFormat),
        )],
    ),
    (
        "format.labelValue",
        &[global("format.labelValue", &[], Of(NamedFormat))],
    ),
    (
        "format.named",
        &[global("format-named", &[Str], Optional(&Of(NamedFormat)))],
    ),
    (
        "format.qualifiedName",
        &[global("format.qualifiedName", &[], Of(NamedFormat))],
    ),
    ("format.uri", &[global("format.uri", &[], Of(NamedFormat))]),
    (
        "format.uuid",
        &[global("format.uuid", &[], Of(NamedFormat))],
    ),
    (
        "getEscapedPath",
        &[member("url_get_escaped_path", &[Of(Url)], Str)],
    ),
    ("getHost", &[member("url_get_host", &[Of(Url)], Str)]),
    (
        "getHostname",
        &[member("url_get_hostname", &[Of(Url)], Str)],
    ),
    ("getPort", &[member("url_get_port", &[Of(Url)], Str)]),
    (
        "getQuery",
        &[member("url_get_query", &[Of(Url)], Map(&Str, &List(&Str)))],
    ),
    ("getScheme", &[member("url_get_scheme", &[Of(Url)], Str)]),
    (
        "ip",
        &[
            global("string_to_ip", &[Str], Of(Ip)),
            member("cidr_ip", &[Of(Cidr)], Of(Ip)),
        ],
    ),
    ("ip.isCanonical", &[global("ip_is_canonical", &[Str], Bool)]),
    ("isCIDR", &[global("is_cidr", &[Str], Bool)]),
    (
        "isGlobalUnicast",
        &[member("ip_is_global_unicast", &[Of(Ip)], Bool)],
    ),
    (
        "isGreaterThan",
        &[
            member(
                "quantity_is_greater_than",
                &[Of(Quantity), Of(Quantity)],
                Bool,
            ),
            member("semver_is_greater_than", &[Of(Semver), Of(Semver)], Bool),
        ],
    ),
    ("isIP", &[global("is_ip", &[Str], Bool)]),
    (
        "isInteger",
        &[member("quantity_is_integer", &[Of(Quantity)], Bool)],
    ),
    (
        "isLessThan",
        &[
            member("quantity_is_less_than", &[Of(Quantity), Of(Quantity)], Bool),
            member("semver_is_less_than", &[Of(Semver), Of(Semver)], Bool),
        ],
    ),
    (
        "isLinkLocalMulticast",
        &[member("ip_is_link_local_multicast", &[Of(Ip)], Bool)],
    ),
    (
        "isLinkLocalUnicast",
        &[member("ip_is_link_local_unicast", &[Of(Ip)], Bool)],
    ),
    ("isLoopback", &[member("ip_is_loopback", &[Of(Ip)], Bool)]),
    ("isQuantity", &[global("is_quantity_string", &[Str], Bool)]),
    (
        "isSemver",
        &[
            global("is_semver_string", &[Str], Bool),
            global("is_semver_string_bool", &[Str, Bool], Bool),
        ],
    ),
    ("isURL", &[global("is_url_string", &[Str], Bool)]),
    (
        "isUnspecified",
        &[member("ip_is_unspecified", &[Of(Ip)], Bool)],
    ),
    ("major", &[member("semver_major", &[Of(Semver)], Int)]),
    ("masked", &[member("cidr_masked", &[Of(Cidr)], Of(Cidr))]),
    ("minor", &[member("semver_minor", &[Of(Semver)], Int)]),
    ("patch", &[member("semver_patch", &[Of(Semver)], Int)]),
    (
        "prefixLength",
        &[member("cidr_prefix_length", &[Of(Cidr)], Int)],
    ),
    (
        "quantity",
        &[global("string_to_quantity", &[Str], Of(Quantity))],
    ),
    (
        "semver",
        &[
            global("string_to_semver", &[Str], Of(Semver)),
            global("string_bool_to_semver", &[Str, Bool], Of(Semver)),
        ],
    ),
    ("sign", &[global("quantity_sign", &[Of(Quantity)], Int)]),
    (
        "sub",
        &[
            member("quantity_sub", &[Of(Quantity), Of(Quantity)], Of(Quantity)),
            member("quantity_sub_int", &[Of(Quantity), Int], Of(Quantity)),
        ],
    ),
    ("url", &[global("string_to_url", &[Str], Of(Url))]),
    (
        "validate",
        &[member(
            "format-validate",
            &[Of(NamedFormat), Str],
            Optional(&List(&Str)),
        )],
    ),
];
