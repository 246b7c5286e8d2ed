//! Spans for a collector that speaks OTLP: off unless `serve.otlp` says where it is.
//!
//! They go over gRPC, which the server speaks anyway, in batches from a thread of their own. A collector that is slow or gone costs spans,
//! never answers.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// How long the collector may take for a batch, and at the end for what is left.
const EXPORT_MAX: Duration = Duration::from_secs(5);
/// As collectors call who sends.
const NAME: &str = "muster";

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The address makes no sense.
    #[error("`serve.otlp` is {0:?}; give the address of a collector's gRPC port as http://HOST:4317")]
    Address(String),
    /// The way there could not be set up.
    #[error("spans cannot be sent to {address}: {what}")]
    Exporter {
        /// The address.
        address: String,
        /// What is wrong.
        what: String,
    },
}

impl Traces {
    /// To the collector at an address, which need not be there yet. Belongs on a thread of a tokio runtime that lives as long.
    pub fn to(address: &str) -> Result<Self, TracesError> {
        let wrong = || TracesError::Address(address.to_owned());
        let uri: http::Uri = address.parse().map_err(|_| wrong())?;
        if uri.scheme() != Some(&http::uri::Scheme::HTTP) || uri.port().is_none() || uri.path() != "/" {
            return Err(wrong());
        }
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(address).with_timeout(EXPORT_MAX);
        let exporter = exporter.build().map_err(|error| TracesError::Exporter {
            address: address.to_owned(),
            what: error.to_string(),
        })?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(NAME).with_attribute(version).build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self { provider })
    }

    /// What takes spans from `tracing`: requests and their steps, whatever is logged.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let requests = Targets::new().with_target("muster_server", LevelFilter::INFO);
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer(NAME));
        layer.with_location(false).with_threads(false).with_filter(requests)
    }

    /// Sends what is left. Blocks, so it is nothing for a thread that answers.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(EXPORT_MAX) {
            tracing::warn!("the last spans could not be sent: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_addresses_of_a_collector_are_taken() {
        for wrong in
            ["", "collector", "https://collector:4317", "http://collector", "http://c:4317/v1/traces"]
        {
            let error = Traces::to(wrong).unwrap_err().to_string();
            assert!(error.contains("serve.otlp") && error.contains("http://HOST:4317"), "{error}");
        }
        Traces::to("http://127.0.0.1:4317").unwrap();
    }
}
