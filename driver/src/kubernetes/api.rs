//! resource.k8s.io as the API server serves it.
//!
//! Clusters serve v1, v1beta2 or v1beta1, and an upgrade or a downgrade changes that while this
//! process runs; with several API servers they may even differ for a while. Inside there is only v1.
//! [`ResourceApi`] finds out which version is served, converts at this edge, and looks again when the
//! server no longer knows the version in use. Objects travel as JSON, so that the fields that the
//! typed form does not know are at least not lost in the conversion.
//!
//! No request may hang: a connection that lost its peer without a word would otherwise hold up a pod
//! for minutes. Every error says what was being done, and a refusal for want of permission names the
//! rule that gives it.

mod error;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams, Preconditions,
};
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use supercargo_host::objects::convert;

pub use error::{ApiError, Operation};

/// The API group.
pub const GROUP: &str = "resource.k8s.io";

/// How long a request may take: well under the 45 seconds that the kubelet gives a driver.
const REQUEST: Duration = Duration::from_secs(10);

/// How many objects of a long list are read in one request.
const PAGE: u32 = 1000;

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Kubernetes 1.34 and newer.
    V1,
    /// From 1.33; has v1's shape.
    V1beta2,
    /// From 1.32 until 1.37.
    V1beta1,
}

impl Version {
    /// All of them, the preferred ones first.
    pub const ALL: [Self; 3] = [Self::V1, Self::V1beta2, Self::V1beta1];

    /// As in `apiVersion`, behind the group.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1beta2 => "v1beta2",
            Self::V1beta1 => "v1beta1",
        }
    }

    /// What kube needs to know about ResourceSlices.
    pub fn slices(self) -> ApiResource {
        self.resource("ResourceSlice", "resourceslices")
    }

    /// What kube needs to know about ResourceClaims.
    pub fn claims(self) -> ApiResource {
        self.resource("ResourceClaim", "resourceclaims")
    }

    /// What kube needs to know about DeviceClasses.
    pub fn classes(self) -> ApiResource {
        self.resource("DeviceClass", "deviceclasses")
    }

    fn resource(self, kind: &str, plural: &str) -> ApiResource {
        let kind = GroupVersionKind::gvk(GROUP, self.as_str(), kind);
        ApiResource::from_gvk_with_plural(&kind, plural)
    }

    /// A v1 object in this version's form.
    pub fn write(self, object: &impl Serialize) -> Result<DynamicObject, serde_json::Error> {
        let mut value = serde_json::to_value(object)?;
        if self == Self::V1beta1 {
            convert::v1_to_v1beta1(&mut value);
        }
        if let Some(object) = value.as_object_mut() {
            object.insert("apiVersion".to_owned(), json!(format!("{GROUP}/{self}")));
        }
        serde_json::from_value(value)
    }

    /// What was read in this version as a v1 object. `kind` because items of lists do not say theirs.
    fn read<T: DeserializeOwned>(self, kind: &str, object: DynamicObject) -> serde_json::Result<T> {
        let mut value = serde_json::to_value(object)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("apiVersion".to_owned(), json!(format!("{GROUP}/v1")));
            object.insert("kind".to_owned(), json!(kind));
        }
        if self == Self::V1beta1 {
            convert::v1beta1_to_v1(&mut value);
        }
        serde_json::from_value(value)
    }

    /// A ResourceSlice that was read in this version.
    pub fn read_slice(self, object: DynamicObject) -> Result<ResourceSlice, ApiError> {
        self.read("ResourceSlice", object)
            .map_err(|source| ApiError::Unreadable {
                kind: "ResourceSlice",
                source,
            })
    }

    /// A DeviceClass that was read in this version.
    pub fn read_class(self, object: DynamicObject) -> Result<DeviceClass, ApiError> {
        self.read("DeviceClass", object)
            .map_err(|source| ApiError::Unreadable {
                kind: "DeviceClass",
                source,
            })
    }

    /// A ResourceClaim that was read in this version.
    pub fn read_claim(self, object: DynamicObject) -> Result<ResourceClaim, ApiError> {
        self.read("ResourceClaim", object)
            .map_err(|source| ApiError::Unreadable {
                kind: "ResourceClaim",
                source,
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All but its status.
    Object,
    /// Its status.
    Status,
}

impl Part {
    fn resource(self) -> &'static str {
        match self {
            Self::Object => "resourceclaims",
            Self::Status => "resourceclaims/status",
        }
    }
}

/// The API server's resource.k8s.io. Clones share what is known about the version.
#[derive(Clone)]
pub struct ResourceApi {
    client: Client,
    version: Arc<Mutex<Option<Version>>>,
}

impl fmt::Debug for ResourceApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceApi")
            .field("version", &self.known())
            .finish_non_exhaustive()
    }
}

impl ResourceApi {
    /// Nothing is asked of the server yet.
    pub fn new(client: Client) -> Self {
        let version = Arc::default();
        Self { client, version }
    }

    /// The client below.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn known(&self) -> Option<Version> {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, version: Option<Version>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// The version in use. Asks the server when none is known.
    pub async fn version(&self) -> Result<Version, ApiError> {
        match self.known() {
            Some(version) => Ok(version),
            None => self.discover().await,
        }
    }

    /// Asks the server which versions it serves, and uses the newest that is known here.
    pub async fn discover(&self) -> Result<Version, ApiError> {
        let operation = Operation::new("get", "", "/apis");
        let groups = within(operation, self.client.list_api_groups()).await?;
        let group = groups.groups.iter().find(|group| group.name == GROUP);
        let served = |version: &Version| {
            group.is_some_and(|group| {
                group
                    .versions
                    .iter()
                    .any(|served| served.version == version.as_str())
            })
        };
        let version = Version::ALL.into_iter().find(served);
        self.know(version);
        version.ok_or(ApiError::NotServed)
    }

    /// Does something in the version in use; once more in another one when the server no longer
    /// serves that version.
    pub async fn request<T, F: Future<Output = kube::Result<T>>>(
        &self,
        operation: Operation,
        act: impl Fn(Version) -> F,
    ) -> Result<T, ApiError> {
        let version = self.version().await?;
        match within(operation, act(version)).await {
            Err(gone @ ApiError::Gone { .. }) => {
                let now = self.discover().await?;
                if now == version {
                    // Served according to one server and not by another: try again later.
                    return Err(gone);
                }
                within(operation, act(now)).await
            }
            other => other,
        }
    }

    /// A claim as it is now.
    pub async fn claim(&self, namespace: &str, name: &str) -> Result<ResourceClaim, ApiError> {
        let operation = Operation::new("get", GROUP, "resourceclaims");
        let (version, claim) = self
            .request(operation, async |version| {
                let claim = self.claims(version, namespace).get(name).await?;
                Ok((version, claim))
            })
            .await?;
        version.read_claim(claim)
    }

    /// Applies `status`, the fields that `manager` owns of a claim's status. Fields that it owned and
    /// that are not there are removed. The form of a claim's status is the same in all versions.
    pub async fn apply_claim_status(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        manager: &str,
        status: &Value,
    ) -> Result<(), ApiError> {
        let operation = Operation::new("patch", GROUP, "resourceclaims/status");
        self.request(operation, async |version| {
            let resource = version.claims();
            // With the UID, a claim that was made anew under this name is left alone.
            let patch = json!({"apiVersion": resource.api_version, "kind": resource.kind,
                "metadata": {"name": name, "uid": uid}, "status": status});
            self.claims(version, namespace)
                .patch_status(
                    name,
                    &PatchParams::apply(manager).force(),
                    &Patch::Apply(patch),
                )
                .await
        })
        .await
        .map(drop)
    }

    /// Merges `patch` into a claim, or into its status, for `manager`. With `metadata.resourceVersion` in it
    /// it changes the claim only if nobody else has. The form of both is the same in all versions.
    pub async fn patch_claim(
        &self,
        namespace: &str,
        name: &str,
        part: Part,
        manager: &str,
        patch: &Value,
    ) -> Result<ResourceClaim, ApiError> {
        let operation = Operation::new("patch", GROUP, part.resource());
        let parameters = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let (version, claim) = self
            .request(operation, async |version| {
                let claims = self.claims(version, namespace);
                let patch = Patch::Merge(patch);
                let claim = match part {
                    Part::Object => claims.patch(name, &parameters, &patch).await?,
                    Part::Status => claims.patch_status(name, &parameters, &patch).await?,
                };
                Ok((version, claim))
            })
            .await?;
        version.read_claim(claim)
    }

    /// Creates a claim, and answers it as it is then.
    pub async fn create_claim(
        &self,
        namespace: &str,
        claim: &ResourceClaim,
    ) -> Result<ResourceClaim, ApiError> {
        let operation = Operation::new("create", GROUP, "resourceclaims");
        let (version, claim) = self
            .request(operation, async |version| {
                let claims = self.claims(version, namespace);
                let claim = version.write(claim).map_err(kube::Error::SerdeError)?;
                let claim = claims.create(&PostParams::default(), &claim).await?;
                Ok((version, claim))
            })
            .await?;
        version.read_claim(claim)
    }

    /// Deletes this claim, and no other of its name.
    pub async fn delete_claim(
        &self,
        namespace: &str,
        name: &str,
        claim: &ResourceClaim,
    ) -> Result<(), ApiError> {
        let operation = Operation::new("delete", GROUP, "resourceclaims");
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: claim.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        self.request(operation, async |version| {
            let claims = self.claims(version, namespace);
            claims.delete(name, &parameters).await.map(drop)
        })
        .await
    }

    /// All claims, as the API server has them at this moment, read in pages.
    pub async fn list_claims(&self) -> Result<Vec<ResourceClaim>, ApiError> {
        let operation = Operation::new("list", GROUP, "resourceclaims");
        let mut claims = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let (version, list) = self
                .request(operation, async |version| {
                    let claims: Api<DynamicObject> =
                        Api::all_with(self.client.clone(), &version.claims());
                    Ok((version, claims.list(&page).await?))
                })
                .await?;
            for claim in list.items {
                claims.push(version.read_claim(claim)?);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(claims),
            }
        }
    }

    fn claims(&self, version: Version, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &version.claims())
    }

    /// All slices, not of one version: use with the version that [`Self::request`] hands out.
    pub fn slices(&self, version: Version) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &version.slices())
    }

    /// The slices that a field selector selects, as they are now.
    pub async fn list_slices(&self, fields: &str) -> Result<Vec<ResourceSlice>, ApiError> {
        let operation = Operation::new("list", GROUP, "resourceslices");
        let parameters = ListParams::default().fields(fields);
        let (version, list) = self
            .request(operation, async |version| {
                let list = self.slices(version).list(&parameters).await?;
                Ok((version, list))
            })
            .await?;
        list.items
            .into_iter()
            .map(|slice| version.read_slice(slice))
            .collect()
    }
}

/// Does something within the time that a request may take.
pub(crate) async fn within<T>(
    operation: Operation,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ApiError::of(operation, error)),
        Err(_) => Err(ApiError::TimedOut {
            operation,
            seconds: REQUEST.as_secs(),
        }),
    }
}
