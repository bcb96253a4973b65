//! Two allocators never have one device: that is made sure of before Supercargo owns any.
//!
//! The API server checks each claim alone, so nothing there would notice one device in two claims, and the
//! in-tree plugin allocates for every pod of every other scheduler. Whether it may do so for a driver's
//! devices cannot be read from any object. It can be forbidden, though: a ValidatingAdmissionPolicy under
//! which nobody but Supercargo allocates devices of the drivers that it owns. Owning begins only when that
//! policy is there, word for word, and is enforced everywhere; and it ends when that is so no longer
//! ([`watch`]), until it is so again.

mod watch;

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};

use crate::kubernetes::api::{ApiError, GROUP, Operation, within};
pub use watch::{Guarded, watch};

/// What the policy validates. The drivers and who may allocate them are variables beside it.
pub const EXPRESSION: &str = "request.userInfo.username in variables.allocators || \
     (has(oldObject.status) && has(oldObject.status.allocation)) || \
     !has(object.status) || !has(object.status.allocation) || \
     !has(object.status.allocation.devices) || !has(object.status.allocation.devices.results) || \
     object.status.allocation.devices.results.all(result, !(result.driver in variables.drivers))";

/// Why devices may not be owned.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The API server did not tell.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Somebody else could allocate the same devices.
    #[error(
        "devices of {} could be allocated by the in-tree DynamicResources plugin, too, and then one device \
         could get into two claims: {why}. Partition by driver: let `--driver` name what Supercargo is to \
         own, apply the ValidatingAdmissionPolicy of examples/scheduler/own/guard.yaml with the same drivers and \
         {user:?} as their only allocator, and give pods that claim them `schedulerName` of the scheduler whose \
         extender this is. Or leave allocation to the plugin: --mode coexist", .drivers.join(", ")
    )]
    Unguarded {
        /// The drivers.
        drivers: Vec<String>,
        /// What is missing.
        why: String,
        /// Who this process is to the API server.
        user: String,
    },
}

/// Makes sure that nobody else allocates devices of these drivers.
///
/// # Errors
/// What is missing, and what to do.
pub async fn check(client: &Client, drivers: &BTreeSet<String>) -> Result<(), GuardError> {
    let user = user(client).await?;
    let list = Operation::new("list", "admissionregistration.k8s.io", "");
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let policies = within(list, policies.list(&ListParams::default())).await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let bindings = within(list, bindings.list(&ListParams::default())).await?;
    let mut why = "there is no such policy".to_owned();
    for policy in &policies.items {
        if !is_guard(policy) {
            continue;
        }
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        match judge(policy, &bindings.items, drivers, &user) {
            Ok(()) => return Ok(()),
            Err(reason) => why = format!("ValidatingAdmissionPolicy {name}: {reason}"),
        }
    }
    Err(GuardError::Unguarded {
        drivers: drivers.iter().cloned().collect(),
        why,
        user,
    })
}

/// Who this process is to the API server.
async fn user(client: &Client) -> Result<String, ApiError> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let operation = Operation::new("create", "authentication.k8s.io", "selfsubjectreviews");
    let parameters = PostParams::default();
    let review = SelfSubjectReview::default();
    let review = within(operation, reviews.create(&parameters, &review)).await?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Whether a policy says what the guard says, to whomever.
fn is_guard(policy: &ValidatingAdmissionPolicy) -> bool {
    let spec = policy.spec.as_ref();
    let mut validations = spec
        .into_iter()
        .flat_map(|it| it.validations.iter().flatten());
    validations.any(|validation| words(&validation.expression) == words(EXPRESSION))
}

fn judge(
    policy: &ValidatingAdmissionPolicy,
    bindings: &[ValidatingAdmissionPolicyBinding],
    drivers: &BTreeSet<String>,
    user: &str,
) -> Result<(), String> {
    let spec = policy.spec.clone().unwrap_or_default();
    if spec
        .failure_policy
        .as_deref()
        .is_some_and(|it| it != "Fail")
    {
        return Err("failurePolicy must be Fail".to_owned());
    }
    if spec.match_conditions.is_some_and(|them| !them.is_empty()) || spec.param_kind.is_some() {
        return Err("must have neither matchConditions nor paramKind".to_owned());
    }
    let matches = spec.match_constraints.unwrap_or_default();
    let everything = |selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
        *selector == Default::default()
    };
    if matches
        .exclude_resource_rules
        .is_some_and(|them| !them.is_empty())
        || !matches.namespace_selector.as_ref().is_none_or(everything)
        || !matches.object_selector.as_ref().is_none_or(everything)
    {
        return Err("matchConstraints must exclude nothing".to_owned());
    }
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        let mut list = list.iter().flatten();
        list.any(|it| it == wanted || it == "*")
    };
    let rules = matches.resource_rules.unwrap_or_default();
    let covers = rules.iter().any(|rule| {
        has(&rule.api_groups, GROUP)
            && rule.api_versions.iter().flatten().any(|it| it == "*")
            && has(&rule.operations, "UPDATE")
            && has(&rule.resources, "resourceclaims/status")
            && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
            && rule.scope.as_deref().is_none_or(|it| it == "*")
    });
    if !covers {
        return Err(
            "matchConstraints must cover updates of resourceclaims/status in all versions"
                .to_owned(),
        );
    }
    let variable = |name: &str| -> Result<BTreeSet<String>, String> {
        let found = spec.variables.iter().flatten().find(|it| it.name == name);
        let found = found.ok_or_else(|| format!("there is no variable {name:?}"))?;
        // A list of texts is the same in CEL and in JSON, but for the quotes.
        serde_json::from_str(&found.expression.replace('\'', "\""))
            .map_err(|_| format!("variable {name:?} must be a list of texts, like ['a', 'b']"))
    };
    let guarded = variable("drivers")?;
    if let Some(missing) = drivers.iter().find(|driver| !guarded.contains(*driver)) {
        return Err(format!("its drivers do not include {missing}"));
    }
    let allocators = variable("allocators")?;
    if allocators.len() != 1 || !allocators.contains(user) {
        let allocators: Vec<&str> = allocators.iter().map(String::as_str).collect();
        return Err(format!(
            "its allocators are [{}], not {user} alone",
            allocators.join(", ")
        ));
    }
    let enforced = bindings.iter().map(|it| &it.spec).any(|it| {
        Some(it.policy_name.as_str()) == policy.metadata.name.as_deref()
            && it.match_resources.is_none()
            && it.param_ref.is_none()
            && it.validation_actions.iter().any(|action| action == "Deny")
    });
    match enforced {
        true => Ok(()),
        false => Err(
            "no ValidatingAdmissionPolicyBinding enforces it everywhere with the action Deny"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn guard() -> Value {
        json!({
            "metadata": {"name": "g"},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"namespaceSelector": {}, "resourceRules": [{
                    "apiGroups": ["resource.k8s.io"], "apiVersions": ["*"],
                    "operations": ["UPDATE"], "resources": ["resourceclaims/status"], "scope": "*"}]},
                "variables": [
                    {"name": "drivers", "expression": "['gpu.nvidia.com', 'nic.example.com']"},
                    {"name": "allocators", "expression": "['me']"}],
                "validations": [{"expression": EXPRESSION.replace(" || ", "\n  || ")}],
            },
        })
    }

    fn ask(policy: Value, binding: Value) -> Result<(), String> {
        let policy: ValidatingAdmissionPolicy = serde_json::from_value(policy).unwrap();
        let binding = serde_json::from_value(json!({"spec": binding})).unwrap();
        assert!(is_guard(&policy));
        let drivers = BTreeSet::from(["gpu.nvidia.com".to_owned()]);
        judge(&policy, &[binding], &drivers, "me")
    }

    fn binding() -> Value {
        json!({"policyName": "g", "validationActions": ["Deny"]})
    }

    #[test]
    fn the_guard_is_known_however_it_is_wrapped() {
        assert_eq!(ask(guard(), binding()), Ok(()));
    }

    #[test]
    fn a_guard_with_a_hole_is_none() {
        let holes: [(&str, Value); 7] = [
            ("/spec/failurePolicy", json!("Ignore")),
            (
                "/spec/matchConstraints/namespaceSelector",
                json!({"matchLabels": {"a": "b"}}),
            ),
            (
                "/spec/matchConstraints/resourceRules/0/apiVersions",
                json!(["v1"]),
            ),
            (
                "/spec/matchConstraints/resourceRules/0/resources",
                json!(["resourceclaims"]),
            ),
            ("/spec/variables/0/expression", json!("['nic.example.com']")),
            (
                "/spec/variables/1/expression",
                json!("['me', 'system:kube-scheduler']"),
            ),
            (
                "/spec/variables/1/expression",
                json!("[request.userInfo.username]"),
            ),
        ];
        for (path, hole) in holes {
            let mut policy = guard();
            *policy.pointer_mut(path).unwrap() = hole;
            assert!(ask(policy, binding()).is_err(), "{path}");
        }
        let mut conditional = guard();
        conditional["spec"]["matchConditions"] = json!([{"name": "n", "expression": "false"}]);
        assert!(ask(conditional, binding()).is_err());
        for lax in [
            json!({"policyName": "other", "validationActions": ["Deny"]}),
            json!({"policyName": "g", "validationActions": ["Warn"]}),
            json!({"policyName": "g", "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}),
        ] {
            assert!(ask(guard(), lax).is_err());
        }
    }
}
