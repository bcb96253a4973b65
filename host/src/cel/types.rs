//! Static types, and what may be assigned to what.

use std::fmt;
use std::sync::Arc;

/// The type of an expression.
#[expect(
    clippy::enum_variant_names,
    reason = "`type` is the language's own name for the type of types"
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    /// Whatever it turns out to be.
    Dyn,
    /// `google.protobuf.Any`: like `Dyn`, under another name.
    Any,
    /// Of an expression with an error in it: fits everywhere, so that one error is told once.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    /// The type of a type; without a parameter, of any.
    Type(Option<Arc<Type>>),
    Object(Object),
    /// A type variable of the checker. None is left in checked expressions.
    Variable(u32),
}

/// Types that Kubernetes adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    /// `device` itself.
    Device,
    Quantity,
    Semver,
    Url,
    NamedFormat,
    Ip,
    Cidr,
    Authorizer,
    PathCheck,
    GroupCheck,
    ResourceCheck,
    Decision,
}

impl Object {
    /// The name expressions and errors know it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Device => "kubernetes.DRADevice",
            Self::Quantity => "kubernetes.Quantity",
            Self::Semver => "kubernetes.Semver",
            Self::Url => "kubernetes.URL",
            Self::NamedFormat => "kubernetes.NamedFormat",
            Self::Ip => "net.IP",
            Self::Cidr => "net.CIDR",
            Self::Authorizer => "kubernetes.authorization.Authorizer",
            Self::PathCheck => "kubernetes.authorization.PathCheck",
            Self::GroupCheck => "kubernetes.authorization.GroupCheck",
            Self::ResourceCheck => "kubernetes.authorization.ResourceCheck",
            Self::Decision => "kubernetes.authorization.Decision",
        }
    }

    /// Whether upstream declares it as a message (others are opaque): fields may be asked for.
    pub(crate) fn is_message(self) -> bool {
        !matches!(self, Self::Ip | Self::Cidr)
    }
}

impl Type {
    pub(crate) fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    pub(crate) fn optional(value: Type) -> Self {
        Self::Optional(Arc::new(value))
    }

    /// The type whose value is this type's name.
    pub(crate) fn type_of(of: Type) -> Self {
        Self::Type(Some(Arc::new(of)))
    }

    pub(crate) fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Any)
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        self.is_dyn() || *self == Self::Error
    }

    /// What the type is made of: element, key and value, or the like.
    pub(crate) fn parameters(&self) -> [Option<&Type>; 2] {
        match self {
            Self::List(only) | Self::Optional(only) | Self::Type(Some(only)) => [Some(only), None],
            Self::Map(key, value) => [Some(key), Some(value)],
            _ => [None, None],
        }
    }

    /// What is inside an optional, and whether it is one.
    pub(crate) fn unwrap_optional(&self) -> (&Type, bool) {
        match self {
            Self::Optional(inner) => (inner, true),
            other => (other, false),
        }
    }

    /// The name at run time, without parameters.
    pub(crate) fn runtime_name(&self) -> &'static str {
        match self {
            Self::Dyn | Self::Variable(_) => "dyn",
            Self::Any => "google.protobuf.Any",
            Self::Error => "error",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Object(object) => object.name(),
        }
    }

    /// The name in the checker's errors, where some types are called otherwise.
    fn checker_name(&self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Error => "!error!",
            Self::Null => "null",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            other => other.runtime_name(),
        }
    }

    /// The type as the checker's errors write it.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown(self)
    }
}

/// With the names of run time and every parameter.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_type(
            f,
            self.runtime_name(),
            self.parameters().map(|p| p.map(|p| p as _)),
        )
    }
}

/// Displays a type as the checker's errors write it.
pub(crate) struct Shown<'t>(&'t Type);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.parameters().map(|p| p.map(Type::shown));
        let parameters = shown.each_ref().map(|p| p.as_ref().map(|p| p as _));
        write_type(f, self.0.checker_name(), parameters)
    }
}

fn write_type(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    parameters: [Option<&dyn fmt::Display>; 2],
) -> fmt::Result {
    match parameters {
        [Some(first), Some(second)] => write!(f, "{name}({first}, {second})"),
        [Some(only), None] => write!(f, "{name}({only})"),
        _ => f.write_str(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_a_name_for_errors_and_one_for_run_time() {
        let ty = Type::map(Type::String, Type::optional(Type::Timestamp));
        assert_eq!(
            ty.to_string(),
            "map(string, optional_type(google.protobuf.Timestamp))"
        );
        assert_eq!(
            ty.shown().to_string(),
            "map(string, optional_type(timestamp))"
        );
        assert_eq!(Type::type_of(Type::Any).shown().to_string(), "type(any)");
        assert_eq!(Type::Type(None).to_string(), "type");
    }
}
