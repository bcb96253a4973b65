//! Why the API server did not do what was asked of it.

use std::fmt;

use kube::core::Status;

use super::GROUP;

/// What was asked: a verb on a resource, as RBAC counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
}

impl Operation {
    /// `verb` on `resource`, which may name a subresource as in `resourceclaims/status`.
    pub const fn new(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self {
            verb,
            group,
            resource,
        }
    }

    /// The RBAC rule that allows it.
    fn rule(self) -> String {
        let Self {
            verb,
            group,
            resource,
        } = self;
        format!(r#"{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}"#)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// Why a request to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// RBAC does not allow it.
    #[error(
        "cannot {operation}: {message}; give the driver's service account a ClusterRole with the \
         rule {} (see examples/node/rbac.yaml)",
        .operation.rule()
    )]
    Forbidden {
        /// What was asked.
        operation: Operation,
        /// What the server says.
        message: String,
    },
    /// The server understood and refused: validation, admission.
    #[error("cannot {operation}: the API server refuses: {message}")]
    Refused {
        /// What was asked.
        operation: Operation,
        /// What the server says.
        message: String,
    },
    /// There is no such object.
    #[error("cannot {operation}: {message}")]
    NotFound {
        /// What was asked.
        operation: Operation,
        /// What the server says.
        message: String,
    },
    /// Somebody else changed it in between; read it again.
    #[error("cannot {operation}: changed in between: {message}")]
    Conflict {
        /// What was asked.
        operation: Operation,
        /// What the server says.
        message: String,
    },
    /// The version of the API is listed as served, and its resources are not known.
    #[error(
        "cannot {operation}: the API server lists a version of {GROUP} that it then does not know; \
         this passes when all API servers run the same version"
    )]
    Gone {
        /// What was asked.
        operation: Operation,
    },
    /// No version of the API is served that is known here.
    #[error(
        "the API server serves none of {GROUP}/v1, v1beta2 and v1beta1: Kubernetes 1.34 or newer \
         serves v1; 1.32 and 1.33 need `--runtime-config={GROUP}/v1beta1=true` and the feature gate \
         DynamicResourceAllocation"
    )]
    NotServed,
    /// No answer in time.
    #[error("cannot {operation}: no answer from the API server within {seconds} s")]
    TimedOut {
        /// What was asked.
        operation: Operation,
        /// How long was waited.
        seconds: u64,
    },
    /// The server cannot be reached, or cannot answer now.
    #[error("cannot {operation}: {}", said(.source))]
    Unavailable {
        /// What was asked.
        operation: Operation,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object does not have the form that its version has.
    #[error("cannot read a {kind} from the API server: {source}")]
    Unreadable {
        /// The kind.
        kind: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl ApiError {
    /// Sorts an answer.
    pub(crate) fn of(operation: Operation, error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::Unavailable {
                operation,
                source: Box::new(error),
            };
        };
        let message = message(status);
        match status.code {
            403 if message.contains("ValidatingAdmissionPolicy") => {
                Self::Refused { operation, message }
            }
            403 => Self::Forbidden { operation, message },
            404 if is_missing_resource(status) && operation.group == GROUP => {
                Self::Gone { operation }
            }
            404 => Self::NotFound { operation, message },
            409 => Self::Conflict { operation, message },
            429 | 401 => Self::Unavailable {
                operation,
                source: Box::new(error),
            },
            400..500 => Self::Refused { operation, message },
            _ => Self::Unavailable {
                operation,
                source: Box::new(error),
            },
        }
    }
}

/// Whether the server does not know the path, rather than the object.
fn is_missing_resource(status: &Status) -> bool {
    let names_object = status
        .details
        .as_ref()
        .is_some_and(|details| !details.name.is_empty());
    !(status.is_not_found() && names_object)
}

fn message(status: &Status) -> String {
    if status.message.is_empty() {
        format!("{} {}", status.code, status.reason)
    } else {
        status.message.clone()
    }
}

/// kube's own words repeat the whole status.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => message(status),
        other => other.to_string(),
    }
}
