//! One look at the API server, and what has to be written so that it has what is wanted.
//!
//! Every look is a list, which is never older than this process' own writes. What is cached by a watch
//! may be, and whoever plans with it creates a slice twice. A look that finds nothing to do ends it, so
//! what is reported as published has been seen.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{ResourceSlice, ResourceSliceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PartialObjectMeta, PostParams, Preconditions};
use serde_json::Value;

use super::plan::{Plan, plan};
use super::same::{self, Times, canonical};
use super::status::{LostField, PublishError, Published};
use super::{Owner, name};
use crate::kubernetes::api::{ApiError, GROUP, Operation, ResourceApi, within};

/// How often a change by others in between is followed at once.
const ROUNDS: usize = 6;
/// Writes on their way at a time: a pool is not whole while they are.
const WRITES: usize = 8;

/// What keeps the slices of one driver on one node.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) api: ResourceApi,
    pub(super) owner: Owner,
    /// Where the API server made something else of what was written, by place.
    altered: BTreeMap<usize, Altered>,
    /// Writes so far.
    pub(super) writes: u64,
}

/// What the API server made of a slice. While the same is wanted, that is as it should be.
#[derive(Debug)]
struct Altered {
    wanted: Value,
    served: Value,
    lost: BTreeSet<String>,
}

impl Keeper {
    pub(super) fn new(api: ResourceApi, owner: Owner) -> Self {
        Self {
            api,
            owner,
            altered: BTreeMap::new(),
            writes: 0,
        }
    }

    /// Brings about what is wanted, and answers the slices as they then are.
    pub(super) async fn keep(
        &mut self,
        wanted: &[ResourceSliceSpec],
    ) -> Result<(Published, Vec<ResourceSlice>), PublishError> {
        self.altered.retain(|place, _| *place < wanted.len());
        for _ in 0..ROUNDS {
            let node = self.node().await?;
            let there = self.api.list_slices(&self.owner.fields()).await?;
            let times = Times::of(&there);
            let mut specs = wanted.to_vec();
            specs.iter_mut().for_each(|spec| times.keep(spec));
            let forms: Vec<Value> = specs.iter().cloned().map(canonical).collect();
            let is_as_wanted = |place: usize, slice: &ResourceSlice| {
                let served = canonical(slice.spec.clone());
                let altered = self.altered.get(&place);
                let form = forms.get(place);
                let accepted = altered.is_some_and(|altered| {
                    Some(&altered.wanted) == form && altered.served == served
                });
                let owners = slice.metadata.owner_references.as_deref();
                let owned = owners == Some(std::slice::from_ref(&node));
                owned && (form == Some(&served) || accepted)
            };
            let plan = plan(&self.owner, &there, specs.len(), is_as_wanted);
            if plan.is_done() {
                let published = Published {
                    generation: plan.generation,
                    slices: specs.len(),
                    devices: specs
                        .iter()
                        .flat_map(|spec| &spec.devices)
                        .map(Vec::len)
                        .sum(),
                    version: self.api.version().await?,
                };
                return Ok((published, there));
            }
            match self.carry_out(&plan, &specs, &node).await {
                Ok(()) | Err(ApiError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PublishError::Contended {
            driver: self.owner.driver.clone(),
            node: self.owner.node.clone(),
        })
    }

    /// What the API server does not keep.
    pub(super) fn lost(&self) -> BTreeSet<LostField> {
        let fields = self.altered.values().flat_map(|altered| &altered.lost);
        fields.cloned().map(LostField).collect()
    }

    /// The Node as owner. A Node that is registered anew is another owner.
    async fn node(&self) -> Result<OwnerReference, PublishError> {
        let name = &self.owner.node;
        let nodes: Api<PartialObjectMeta<Node>> = Api::all(self.api.client().clone());
        let node = match within(Operation::new("get", "", "nodes"), nodes.get(name)).await {
            Err(ApiError::NotFound { .. }) => {
                return Err(PublishError::NoNode { node: name.clone() });
            }
            other => other?,
        };
        Ok(OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: name.clone(),
            uid: node.metadata.uid.unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        })
    }

    async fn carry_out(
        &mut self,
        plan: &Plan<'_>,
        specs: &[ResourceSliceSpec],
        node: &OwnerReference,
    ) -> Result<(), ApiError> {
        self.delete(&plan.strangers).await?;
        let writes = plan.writes.iter().filter_map(|(place, there)| {
            let mut spec = specs.get(*place)?.clone();
            spec.pool.generation = plan.generation;
            let slice = ResourceSlice {
                metadata: self.metadata(*place, *there, node),
                spec,
            };
            Some((*place, slice))
        });
        let writes: Vec<_> = writes.collect();
        self.writes += writes.len() as u64;
        let api = &self.api;
        // Each is brought to its end: a request that is given up may still be carried out.
        let served: Vec<_> = futures::stream::iter(writes)
            .map(async |(place, slice)| {
                let served = write(api, &slice).await?;
                Ok((place, slice.spec, served))
            })
            .buffer_unordered(WRITES)
            .collect()
            .await;
        let mut problem = Ok(());
        for served in served {
            match served {
                Ok(served) => self.note(served),
                // A conflict is only worth another look; other errors say more.
                Err(ApiError::Conflict { .. }) if problem.is_err() => {}
                Err(error) => problem = Err(error),
            }
        }
        problem?;
        self.delete(&plan.deletes).await
    }

    fn metadata(
        &self,
        place: usize,
        there: Option<&ResourceSlice>,
        node: &OwnerReference,
    ) -> ObjectMeta {
        let mut metadata = match there {
            // With its resource version, so that no change by somebody else is overwritten unseen.
            Some(slice) => slice.metadata.clone(),
            None => ObjectMeta {
                generate_name: Some(name::generate(place, &self.owner)),
                ..ObjectMeta::default()
            },
        };
        metadata.managed_fields = None;
        metadata.owner_references = Some(vec![node.clone()]);
        metadata
    }

    /// Notes what the server made of what was written.
    fn note(&mut self, (place, mut wanted, served): (usize, ResourceSliceSpec, ResourceSlice)) {
        Times::of([&served]).keep(&mut wanted);
        let (wanted, served) = (canonical(wanted), canonical(served.spec));
        if wanted == served {
            self.altered.remove(&place);
        } else {
            let lost = same::lost(&wanted, &served);
            let altered = Altered {
                wanted,
                served,
                lost,
            };
            self.altered.insert(place, altered);
        }
    }

    async fn delete(&mut self, slices: &[&ResourceSlice]) -> Result<(), ApiError> {
        let operation = Operation::new("delete", GROUP, "resourceslices");
        for slice in slices {
            let metadata = &slice.metadata;
            let preconditions = Preconditions {
                uid: metadata.uid.clone(),
                resource_version: metadata.resource_version.clone(),
            };
            let parameters = DeleteParams::default().preconditions(preconditions);
            let name = metadata.name.as_deref().unwrap_or_default();
            let api = &self.api;
            self.writes += 1;
            let deleted = api
                .request(operation, async |version| {
                    api.slices(version).delete(name, &parameters).await
                })
                .await;
            match deleted {
                Ok(_) | Err(ApiError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Creates a slice without a name, updates one with a name.
async fn write(api: &ResourceApi, slice: &ResourceSlice) -> Result<ResourceSlice, ApiError> {
    let verb = match slice.metadata.name {
        Some(_) => "update",
        None => "create",
    };
    let operation = Operation::new(verb, GROUP, "resourceslices");
    let written = api.request(operation, async |version| {
        let object: DynamicObject = version.write(slice).map_err(kube::Error::SerdeError)?;
        let slices = api.slices(version);
        let parameters = PostParams::default();
        let served = match &slice.metadata.name {
            Some(name) => slices.replace(name, &parameters, &object).await?,
            None => slices.create(&parameters, &object).await?,
        };
        Ok((version, served))
    });
    match written.await {
        Ok((version, served)) => version.read_slice(served),
        // Deleted since it was listed.
        Err(ApiError::NotFound { operation, message }) => {
            Err(ApiError::Conflict { operation, message })
        }
        Err(error) => Err(error),
    }
}
