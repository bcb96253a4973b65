//! What expressions may use: functions with their overloads, the variable `device`, type names.
//!
//! Overload ids are cel-go's: costs are charged by them. The tables are those of Kubernetes 1.37's
//! environment for devices; all but `includes` are in both environments and under all gates.

mod authorization;
mod conversions;
mod kubernetes;
mod lists;
mod operators;
mod optional;
mod strings;
mod time;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::{Object, Type};
use super::{Environment, Options};

/// A function's name and overloads.
type Function = (&'static str, &'static [Overload]);

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    /// cel-go's id.
    pub(crate) id: &'static str,
    /// Whether the first argument stands before the name, as in `a.f(b)`.
    pub(crate) member: bool,
    pub(crate) args: &'static [Shape],
    pub(crate) result: Shape,
}

const fn global(id: &'static str, args: &'static [Shape], result: Shape) -> Overload {
    Overload {
        id,
        member: false,
        args,
        result,
    }
}

const fn member(id: &'static str, args: &'static [Shape], result: Shape) -> Overload {
    Overload {
        id,
        member: true,
        args,
        result,
    }
}

/// A declared type; one overload's variables are numbered from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    Str,
    Bytes,
    Duration,
    Timestamp,
    List(&'static Shape),
    Map(&'static Shape, &'static Shape),
    Optional(&'static Shape),
    TypeOf(&'static Shape),
    Of(Object),
    Var(u8),
}

impl Shape {
    /// The type, with `variable` for each type variable.
    pub(crate) fn instantiate(self, variable: &mut impl FnMut(u8) -> Type) -> Type {
        match self {
            Self::Dyn => Type::Dyn,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::Str => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Duration => Type::Duration,
            Self::Timestamp => Type::Timestamp,
            Self::List(element) => Type::list(element.instantiate(variable)),
            Self::Map(key, value) => {
                let key = key.instantiate(variable);
                Type::map(key, value.instantiate(variable))
            }
            Self::Optional(value) => Type::optional(value.instantiate(variable)),
            Self::TypeOf(of) => Type::type_of(of.instantiate(variable)),
            Self::Of(object) => Type::Object(object),
            Self::Var(number) => variable(number),
        }
    }
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static [Overload]>> = LazyLock::new(|| {
    [
        operators::FUNCTIONS,
        conversions::FUNCTIONS,
        strings::FUNCTIONS,
        lists::FUNCTIONS,
        time::FUNCTIONS,
        optional::FUNCTIONS,
        kubernetes::FUNCTIONS,
        authorization::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
});

/// The environment under given options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declarations {
    options: Options,
}

impl Declarations {
    pub(crate) fn new(options: Options) -> Self {
        Self { options }
    }

    fn stored(self) -> bool {
        self.options.environment == Environment::Stored
    }

    /// The function of that name and the overloads it has. A leading dot makes no difference.
    pub(crate) fn function(self, name: &str) -> Option<Function> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let has_includes = self.stored() || self.options.list_type_attributes;
        if name == "includes" && !has_includes {
            return None;
        }
        FUNCTIONS
            .get_key_value(name)
            .map(|(name, overloads)| (*name, *overloads))
    }

    /// Names of functions, for suggestions.
    pub(crate) fn function_names(self) -> impl Iterator<Item = &'static str> {
        FUNCTIONS.keys().copied()
    }

    /// The type of an attribute's value: with list attributes it can be iterated over.
    pub(crate) fn attribute(self) -> Type {
        if self.stored() || self.options.list_type_attributes {
            Type::Dyn
        } else {
            Type::Any
        }
    }

    /// The fields of `device`.
    pub(crate) fn device_field(self, name: &str) -> Option<Type> {
        let by_domain_and_id = |value| Type::map(Type::String, Type::map(Type::String, value));
        match name {
            "driver" => Some(Type::String),
            "attributes" => Some(by_domain_and_id(self.attribute())),
            "capacity" => Some(by_domain_and_id(Type::Object(Object::Quantity))),
            "allowMultipleAllocations" if self.stored() || self.options.consumable_capacity => {
                Some(Type::Bool)
            }
            _ => None,
        }
    }

    /// The type that a name stands for.
    pub(crate) fn type_named(self, name: &str) -> Option<Type> {
        Some(match name {
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "double" => Type::Double,
            "google.protobuf.Duration" => Type::Duration,
            "google.protobuf.Timestamp" => Type::Timestamp,
            "int" => Type::Int,
            "list" => Type::list(Type::Dyn),
            "map" => Type::map(Type::Dyn, Type::Dyn),
            "net.CIDR" => Type::Object(Object::Cidr),
            "net.IP" => Type::Object(Object::Ip),
            "null_type" => Type::Null,
            "optional_type" => Type::optional(Type::Dyn),
            "string" => Type::String,
            "type" => Type::Type(None),
            "uint" => Type::Uint,
            // Known to the checker, but nothing at run time: see `is_type_value`.
            "duration" => Type::Duration,
            "kubernetes.DRADevice" => Type::Object(Object::Device),
            "timestamp" => Type::Timestamp,
            _ => return None,
        })
    }

    /// Whether the name is a type's that can be used as a value.
    pub(crate) fn is_type_value(self, name: &str) -> bool {
        let checker_only = matches!(name, "duration" | "kubernetes.DRADevice" | "timestamp");
        !checker_only && self.type_named(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declarations(environment: Environment, gates: bool) -> Declarations {
        Declarations::new(Options {
            consumable_capacity: gates,
            list_type_attributes: gates,
            environment,
        })
    }

    #[test]
    fn no_overload_id_is_declared_twice() {
        let mut ids: Vec<_> = FUNCTIONS
            .values()
            .copied()
            .flatten()
            .map(|o| o.id)
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn gates_count_for_new_expressions_only() {
        for (environment, gates, on) in [
            (Environment::Stored, false, true),
            (Environment::New, true, true),
            (Environment::New, false, false),
        ] {
            let declarations = declarations(environment, gates);
            assert_eq!(declarations.function("includes").is_some(), on);
            let shared = declarations.device_field("allowMultipleAllocations");
            assert_eq!(shared.is_some(), on);
            assert_eq!(declarations.attribute() == Type::Dyn, on);
        }
    }
}
