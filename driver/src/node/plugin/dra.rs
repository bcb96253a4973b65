//! The DRA services, both versions over one implementation.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::batch::{Batch, CLAIMS_MAX, short};
use super::calls::{Calls, Handler, Operation, Outcome};
use super::proto::dra_v1::{
    Claim, Device, NodePrepareResourceResponse, NodePrepareResourcesRequest,
    NodePrepareResourcesResponse, NodeUnprepareResourceResponse, NodeUnprepareResourcesRequest,
    NodeUnprepareResourcesResponse, dra_plugin_server,
};
use super::proto::dra_v1beta1;
use crate::node::claims::{ClaimRef, PreparedDevice};

/// Turns the kubelet's messages into calls and outcomes into its messages.
#[derive(Debug)]
pub(super) struct Dra<H>(pub(super) Arc<Calls<H>>);

impl<H> Clone for Dra<H> {
    fn clone(&self) -> Self {
        Dra(Arc::clone(&self.0))
    }
}

impl<H: Handler> Dra<H> {
    async fn prepare(&self, named: Vec<Claim>) -> Result<NodePrepareResourcesResponse, Status> {
        let outcomes = self.call(Operation::Prepare, named).await?.into_iter();
        let claims = outcomes.map(|(uid, outcome)| (uid, prepared(outcome)));
        Ok(NodePrepareResourcesResponse {
            claims: claims.collect(),
        })
    }

    async fn unprepare(&self, named: Vec<Claim>) -> Result<NodeUnprepareResourcesResponse, Status> {
        let outcomes = self.call(Operation::Unprepare, named).await?.into_iter();
        let claims = outcomes.map(|(uid, outcome)| {
            let error = outcome.err().map(told).unwrap_or_default();
            (uid, NodeUnprepareResourceResponse { error })
        });
        Ok(NodeUnprepareResourcesResponse {
            claims: claims.collect(),
        })
    }

    async fn call(
        &self,
        operation: Operation,
        named: Vec<Claim>,
    ) -> Result<BTreeMap<String, Outcome>, Status> {
        if named.len() > CLAIMS_MAX {
            return Err(Status::invalid_argument(format!(
                "{} claims in one call are more than the {CLAIMS_MAX} that are taken; none was \
                 touched",
                named.len()
            )));
        }
        let batch = Batch::of(named.into_iter().map(|claim| ClaimRef {
            namespace: claim.namespace,
            name: claim.name,
            uid: claim.uid,
        }));
        Ok(self.0.call(operation, batch).await)
    }
}

/// An error as the kubelet is told; it takes an empty one for success.
fn told(error: String) -> String {
    if error.is_empty() {
        return "the driver does not say what went wrong".to_owned();
    }
    short(error)
}

fn prepared(outcome: Outcome) -> NodePrepareResourceResponse {
    match outcome {
        Ok(devices) => NodePrepareResourceResponse {
            devices: devices.into_iter().map(device).collect(),
            error: String::new(),
        },
        Err(error) => NodePrepareResourceResponse {
            devices: Vec::new(),
            error: told(error),
        },
    }
}

fn device(prepared: PreparedDevice) -> Device {
    Device {
        request_names: prepared.requests,
        pool_name: prepared.pool,
        device_name: prepared.device,
        cdi_device_ids: prepared.cdi_device_ids,
        share_id: prepared.share_id,
    }
}

#[tonic::async_trait]
impl<H: Handler> dra_plugin_server::DraPlugin for Dra<H> {
    async fn node_prepare_resources(
        &self,
        request: Request<NodePrepareResourcesRequest>,
    ) -> Result<Response<NodePrepareResourcesResponse>, Status> {
        let answer = self.prepare(request.into_inner().claims).await?;
        Ok(Response::new(answer))
    }

    async fn node_unprepare_resources(
        &self,
        request: Request<NodeUnprepareResourcesRequest>,
    ) -> Result<Response<NodeUnprepareResourcesResponse>, Status> {
        let answer = self.unprepare(request.into_inner().claims).await?;
        Ok(Response::new(answer))
    }
}

#[tonic::async_trait]
impl<H: Handler> dra_v1beta1::dra_plugin_server::DraPlugin for Dra<H> {
    async fn node_prepare_resources(
        &self,
        request: Request<NodePrepareResourcesRequest>,
    ) -> Result<Response<NodePrepareResourcesResponse>, Status> {
        let mut answer = self.prepare(request.into_inner().claims).await?;
        // This version has no shares.
        let claims = answer.claims.values_mut();
        claims
            .flat_map(|claim| &mut claim.devices)
            .for_each(|device| device.share_id = None);
        Ok(Response::new(answer))
    }

    async fn node_unprepare_resources(
        &self,
        request: Request<NodeUnprepareResourcesRequest>,
    ) -> Result<Response<NodeUnprepareResourcesResponse>, Status> {
        let answer = self.unprepare(request.into_inner().claims).await?;
        Ok(Response::new(answer))
    }
}
