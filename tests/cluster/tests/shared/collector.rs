//! Whoever collects traces, by OTLP over gRPC.

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
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Keeps what it is sent, until it is dropped.
pub(crate) struct Collector {
    kept: Kept,
    /// Where it is sent to.
    pub(crate) endpoint: String,
    serving: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Kept {
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
    pub(crate) async fn start() -> std::io::Result<Self> {
        let kept = Kept::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let service = TraceServiceServer::new(kept.clone());
        let server = Server::builder().add_service(service);
        let serving = tokio::spawn(async move {
            // Whoever misses spans says so.
            let _ = server
                .serve_with_incoming(TcpIncoming::from(listener))
                .await;
        });
        Ok(Self {
            kept,
            endpoint,
            serving,
        })
    }

    /// The spans so far: of which service, what, and about which one of `what`.
    pub(crate) async fn spans(&self, what: &str) -> Vec<[String; 3]> {
        let mut spans = Vec::new();
        for request in self.kept.0.lock().await.iter() {
            for resource in &request.resource_spans {
                let service = resource.resource.as_ref();
                let service = service.map(|it| text(&it.attributes, "service.name"));
                for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                    spans.push([
                        service.clone().unwrap_or_default(),
                        span.name.clone(),
                        text(&span.attributes, what),
                    ]);
                }
            }
        }
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
