//! Logs, and traces where somebody collects them.
//!
//! Logs go to standard error, one line an event, as text or as JSON. Traces are made only when an
//! OTLP endpoint is configured; without one, not even the exporter exists.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How long one export may take, and how long the last one may hold up the end.
const EXPORT: Duration = Duration::from_secs(3);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What is logged and traced, and how.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// What is logged: a level, or `target=level` pairs.
    pub filter: String,
    /// How log lines look.
    pub format: LogFormat,
    /// The OTLP endpoint (gRPC) that traces go to.
    pub traces: Option<String>,
    /// The service that every trace is of.
    pub service: &'static str,
    /// More attributes of every trace.
    pub attributes: Vec<(&'static str, String)>,
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error(
        "--log {filter:?}: {reason}; write a level (error, warn, info, debug, trace) or pairs like supercargo=debug,kube=info"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The endpoint cannot be used.
    #[error(
        "--otlp-endpoint {endpoint:?}: {reason}; write a URL like http://collector.monitoring:4317"
    )]
    Traces {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Holds what must be flushed at the end.
#[derive(Debug)]
pub struct Flush(Option<SdkTracerProvider>);

impl Telemetry {
    /// Starts logging and tracing for the whole process. To be called within the runtime, which the
    /// exporter needs.
    pub fn start(&self) -> Result<Flush, TelemetryError> {
        let filter = filter(&self.filter).map_err(|reason| TelemetryError::Filter {
            filter: self.filter.clone(),
            reason,
        })?;
        let provider = match &self.traces {
            None => None,
            Some(endpoint) => Some(self.provider(endpoint)?),
        };
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match self.format {
            LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        };
        let traces = provider.as_ref().map(|provider| {
            let ours = tracing_subscriber::filter::filter_fn(|span| {
                span.is_span() && span.target().starts_with("supercargo")
            });
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("supercargo"))
                .with_filter(ours)
        });
        tracing_subscriber::registry()
            .with(lines)
            .with(traces)
            .try_init()?;
        Ok(Flush(provider))
    }

    fn provider(&self, endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT)
            .build()
            .map_err(|error| TelemetryError::Traces {
                endpoint: endpoint.to_owned(),
                reason: error.to_string(),
            })?;
        let resource = Resource::builder()
            .with_service_name(self.service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attributes(
                self.attributes
                    .iter()
                    .map(|(name, value)| KeyValue::new(*name, value.clone())),
            )
            .build();
        Ok(SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build())
    }
}

impl Flush {
    /// Sends what is not sent yet. Blocks, though not for long.
    pub fn flush(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(EXPORT)
        {
            tracing::warn!(%error, "the last traces were not delivered");
        }
    }
}

/// What is logged. A word alone must be a level: else it would be taken for the name of a module, of which
/// everything is logged, and of all others nothing.
fn filter(text: &str) -> Result<EnvFilter, String> {
    for word in text.split(',').map(str::trim) {
        if !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}
