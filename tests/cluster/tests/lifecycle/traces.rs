//! Traces reach whoever collects them, by OTLP over gRPC.

use std::net::Ipv4Addr;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use supercargo_cluster::devices::{SOON, manifest, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Driver, DriverOptions, supercargo, until};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::options;

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().await.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|it| it.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        _ => String::new(),
    }
}

impl Collector {
    /// The spans so far: of which service, what, and for which namespace.
    async fn spans(&self) -> Vec<[String; 3]> {
        let mut spans = Vec::new();
        for request in self.0.lock().await.iter() {
            for resource in &request.resource_spans {
                let service = resource.resource.as_ref();
                let service = service.map(|it| text(&it.attributes, "service.name"));
                for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                    spans.push([
                        service.clone().unwrap_or_default(),
                        span.name.clone(),
                        text(&span.attributes, "namespace"),
                    ]);
                }
            }
        }
        spans
    }
}

pub(crate) async fn whoever_collects_traces_sees_a_claim_come_and_go(bed: &Bed) -> Outcome {
    let collector = Collector::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(
        Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    let options = DriverOptions {
        environment: vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint)],
        ..options(bed).await?
    };
    let node = &bed.nodes()[0];
    let driver = Driver::start(bed, node, &supercargo()?, &options)?;
    driver.ready().await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    running(bed, &namespace, "one-gpu").await?;
    bed.nothing_stays(&namespace).await?;
    until(SOON, "both spans arrive", async || {
        let spans = collector.spans().await;
        let has = |name: &str| {
            let span = ["supercargo-node", name, &namespace].map(str::to_owned);
            spans.contains(&span)
        };
        Ok((has("prepare") && has("unprepare")).then_some(()))
    })
    .await?;
    serving.abort();
    Ok(())
}
