//! A pod with several claims gets all of them or none.

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{SOON, apply, clear, delete, events, load_nodes, pod, wrongs};
use supercargo_cluster::{ClusterError, Extender, load, until, until_objects};

use crate::claims::is_bound;
use crate::site;

/// A pod with two claims to one device each.
fn two_claims(name: &str) -> [Value; 2] {
    let entry = |entry: &str| json!({"name": entry, "resourceClaimTemplateName": name});
    let entries = json!({"resourceClaims": [entry("gpus"), entry("more")]});
    pod(name, "load", 1, &entries)
}

/// How many claims of a namespace have devices.
async fn allocated(bed: &Bed, namespace: &str) -> Result<usize, ClusterError> {
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), namespace);
    let claims = claims.list(&ListParams::default()).await;
    let claims = claims.map_err(ClusterError::api("list claims"))?;
    let has_devices = |claim: &&ResourceClaim| {
        let status = claim.status.as_ref();
        status.is_some_and(|status| status.allocation.is_some())
    };
    Ok(claims.iter().filter(has_devices).count())
}

pub(crate) async fn a_crash_between_two_claims_of_a_pod_is_healed(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    site.guard(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "pair", 2, 2).await?;
    for (n, place) in ["allocated", "finalizer#2", "allocated#2"]
        .iter()
        .enumerate()
    {
        let mut options = site.owning();
        options.environment = vec![("SUPERCARGO_FAULT".to_owned(), (*place).to_owned())];
        let doomed = Extender::start(bed, &site.program, &options)?;
        doomed.ready().await?;
        let name = format!("pair-{n}");
        apply(bed, &namespace, &two_claims(&name)).await?;
        doomed.process().wait(SOON)?;
        drop(doomed);
        assert!(allocated(bed, &namespace).await? > 0, "{place}");
        let next = site.own(bed).await?;
        is_bound(bed, &namespace, &name).await?;
        assert_eq!(allocated(bed, &namespace).await?, 2, "{place}");
        assert_eq!(wrongs(bed).await?, Vec::<String>::new(), "{place}");
        delete(bed, &namespace, &name).await?;
        until(SOON, "its claims are gone", async || {
            Ok((allocated(bed, &namespace).await? == 0).then_some(()))
        })
        .await?;
        drop(next);
    }

    // The node that the first claim led to has nothing left for the second: both go to the other one.
    let mut options = site.owning();
    options.environment = vec![("SUPERCARGO_FAULT".to_owned(), "allocated".to_owned())];
    let doomed = Extender::start(bed, &site.program, &options)?;
    doomed.ready().await?;
    apply(bed, &namespace, &two_claims("moves")).await?;
    doomed.process().wait(SOON)?;
    drop(doomed);
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    let node = until_objects(&claims, SOON, "one claim has a device", |claims| {
        let mut statuses = claims.iter().filter_map(|claim| claim.status.clone());
        let allocation = statuses.find_map(|status| status.allocation)?;
        let results = allocation.devices?.results?;
        results.first().map(|result| result.pool.clone())
    })
    .await?;
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let less = load::slice(&node, None, 1, 2);
    let less = json!({"spec": {"pool": less["spec"]["pool"], "devices": less["spec"]["devices"]}});
    slices
        .patch(&node, &PatchParams::default(), &Patch::Merge(less))
        .await?;
    let _next = site.own(bed).await?;
    let moved = is_bound(bed, &namespace, "moves").await?;
    assert_ne!(moved.spec.and_then(|spec| spec.node_name), Some(node));
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "pair").await
}

/// Nobody may bind pods whose names begin with `denied`.
const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: nobody-binds}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods/binding]}
  validations:
  - {expression: \"!object.metadata.name.startsWith('denied')\", message: not now}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: nobody-binds}
spec: {policyName: nobody-binds, validationActions: [Deny]}
";

/// Whether the API server would let somebody bind a pod of this name, which there is not.
async fn is_denied(pods: &Api<Pod>) -> bool {
    let mut binding = Binding::default();
    binding.metadata.name = Some("denied-nobody".to_owned());
    binding.target = ObjectReference {
        kind: Some("Node".to_owned()),
        name: Some("nowhere".to_owned()),
        ..ObjectReference::default()
    };
    let parameters = PostParams::default();
    let bound = pods.create_subresource::<Binding, Value>(
        "binding",
        "denied-nobody",
        &parameters,
        &binding,
    );
    bound
        .await
        .is_err_and(|error| error.to_string().contains("not now"))
}

pub(crate) async fn where_the_binding_is_refused_all_claims_are_released(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "refused", 1, 2).await?;
    bed.kubectl().apply("default", POLICY).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    until(SOON, "the policy is in force", async || {
        Ok(is_denied(&pods).await.then_some(()))
    })
    .await?;
    apply(bed, &namespace, &two_claims("denied")).await?;
    until(SOON, "the pod says why", async || {
        let said = events(bed, &namespace, "denied").await?;
        let why = said.contains("not now") && said.contains("what was written is undone");
        Ok(why.then_some(()))
    })
    .await?;
    // It is tried again and again, and in between nothing is held.
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    until_objects(&claims, SOON, "nothing is held", |claims| {
        let free = |claim: &ResourceClaim| {
            let status = claim.status.clone().unwrap_or_default();
            status.allocation.is_none()
                && status.reserved_for.unwrap_or_default().is_empty()
                && claim.metadata.finalizers.iter().flatten().next().is_none()
        };
        (claims.len() == 2 && claims.iter().all(free)).then_some(())
    })
    .await?;
    let policy = [
        "delete",
        "validatingadmissionpolicy,validatingadmissionpolicybinding",
        "nobody-binds",
    ];
    bed.kubectl().run(&policy).await?;
    is_bound(bed, &namespace, "denied").await?;
    assert_eq!(allocated(bed, &namespace).await?, 2);
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "refused").await
}
