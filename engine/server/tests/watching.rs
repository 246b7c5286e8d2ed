//! What is seen of requests from outside: ids, spans at a collector, lines of the log, the log of slow rules.
//!
//! A real server over a real store is asked by a real client; the collector is a gRPC service of OTLP's contract.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use muster_proto::v1;
use muster_server::Traces;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use support::{Serving, USERS, rule};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// A rule that has to look at every user.
const HEAVY: &str = "bucket('a', 0, 50) AND balance_usd != 7";

/// The log of this process, and the spans that arrived.
#[derive(Clone, Default)]
struct Seen {
    lines: Arc<Mutex<Vec<u8>>>,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Seen {
    fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(lines.clone()).unwrap().lines().map(str::to_owned).collect()
    }

    /// The lines of one request.
    fn lines_of(&self, id: &str) -> Vec<serde_json::Value> {
        let lines = self.lines().into_iter().filter(|line| line.contains(id));
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }
}

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// What the whole process shares: one log, one collector.
struct World {
    runtime: Runtime,
    seen: Seen,
    traces: Mutex<Option<Traces>>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let seen = Seen::default();
        let traces = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let service = TraceServiceServer::new(seen.clone());
            let collector = tonic::transport::Server::builder().add_service(service);
            tokio::spawn(collector.serve_with_incoming(TcpIncoming::from(listener)));
            Traces::to(&address).unwrap()
        });
        let writer = seen.clone();
        let lines = tracing_subscriber::fmt::Layer::new().json().flatten_event(true).with_current_span(false);
        let lines = lines.with_writer(move || writer.clone()).with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(lines).with(traces.layer()).init();
        World { runtime, seen, traces: Mutex::new(Some(traces)) }
    })
}

fn membership(user_id: u64) -> Request<v1::IsInSegmentRequest> {
    let segments = vec![rule("balance_usd = 7")];
    Request::new(v1::IsInSegmentRequest { user_id, segments, ..v1::IsInSegmentRequest::default() })
}

fn count(text: &str) -> Request<v1::CountRequest> {
    Request::new(v1::CountRequest { segment: Some(rule(text)), ..v1::CountRequest::default() })
}

/// The same request, with headers.
fn with<T>(mut request: Request<T>, headers: &[(&'static str, &'static str)]) -> Request<T> {
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn id<T>(answer: &Response<T>) -> Option<String> {
    answer.metadata().get("x-request-id").map(|id| id.to_str().unwrap().to_owned())
}

#[test]
fn requests_are_spans_of_the_traces_that_their_callers_began() {
    let world = world();
    let spans = world.runtime.block_on(async {
        let mut serving = Serving::start().await;
        let client = &mut serving.client;
        let named = [("traceparent", PARENT), ("x-request-id", "count-1"), ("x-muster-user", "bob")];
        client.count(with(count(HEAVY), &named)).await.unwrap();
        client.is_in_segment(membership(7)).await.unwrap();
        client.is_in_segment(with(membership(7), &[("traceparent", PARENT)])).await.unwrap();
        drop(serving);
        let traces = world.traces.lock().unwrap().take().unwrap();
        // What is left is sent before this returns.
        tokio::task::spawn_blocking(|| traces.end()).await.unwrap();
        world.seen.spans.lock().unwrap().clone()
    });
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let in_trace: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    let named = |name: &str| in_trace.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [counted] = named("Count")[..] else { panic!("{in_trace:?}") };
    assert_eq!(hex(&counted.parent_span_id), "b7ad6b7169203331");
    assert_eq!(counted.kind, SpanKind::Server as i32);
    let told = format!("{:?}", counted.attributes);
    for part in ["request_id", "count-1", "caller", "bob", "generation", "code", "OK"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    for step in ["compile", "evaluate"] {
        assert_eq!(named(step)[0].parent_span_id, counted.span_id, "{step}");
    }
    // One was asked as a part of a trace, the others of this test were not.
    assert_eq!(named("IsInSegment").len(), 1);
}

#[test]
fn answers_tell_the_id_of_their_request() {
    let world = world();
    world.runtime.block_on(async {
        let mut serving = Serving::start().await;
        let client = &mut serving.client;
        let named = |id| [("x-request-id", id)];
        assert_eq!(id(&client.is_in_segment(membership(7)).await.unwrap()), None);
        let answer = client.is_in_segment(with(membership(7), &named("mine"))).await.unwrap();
        assert_eq!(id(&answer).as_deref(), Some("mine"));
        let first = id(&client.count(count("balance_usd = 7")).await.unwrap());
        let second = id(&client.count(count("balance_usd = 8")).await.unwrap());
        assert!(first.is_some() && second.is_some() && first != second, "{first:?} {second:?}");
        // One that could not be logged as it is.
        let answer = client.count(with(count("balance_usd = 7"), &named("not one"))).await.unwrap();
        assert!(id(&answer).is_some_and(|id| id != "not one"));
        let refused = client.count(with(count("balance_us = 7"), &named("refused-1"))).await.unwrap_err();
        assert_eq!(refused.metadata().get("x-request-id").unwrap(), "refused-1");
    });
}

#[test]
fn refusals_are_logged_with_code_and_field_and_without_users() {
    let world = world();
    world.runtime.block_on(async {
        let mut serving = Serving::start().await;
        let client = &mut serving.client;
        let wrong = with(count("user_id = 424242 AND balance_us = 1"), &[("x-request-id", "refused-2")]);
        assert_eq!(client.count(wrong).await.unwrap_err().code(), Code::InvalidArgument);
        let user = v1::GetUserRequest { user_id: 99_424_242, ..v1::GetUserRequest::default() };
        let user = with(Request::new(user), &[("x-request-id", "refused-3")]);
        assert_eq!(client.get_user(user).await.unwrap_err().code(), Code::NotFound);
    });
    let [line] = &world.seen.lines_of("refused-2")[..] else { panic!("{:?}", world.seen.lines()) };
    assert_eq!((&line["level"], &line["code"]), (&"INFO".into(), &"INVALID_ARGUMENT".into()));
    assert_eq!((&line["field"], &line["method"]), (&"segment".into(), &"Count".into()));
    assert_eq!(world.seen.lines_of("refused-3")[0]["code"], "NOT_FOUND");
    assert!(world.seen.lines().iter().all(|line| !line.contains("424242")));
}

#[test]
fn slow_rules_are_logged_with_their_plans_and_without_users() {
    let world = world();
    world.runtime.block_on(async {
        let mut serving = Serving::start().await;
        let client = &mut serving.client;
        let named = |rule: &str, id| with(count(rule), &[("x-request-id", id)]);
        client.count(named(HEAVY, "slow-1")).await.unwrap();
        let users =
            "bucket('a', 0, 50) AND balance_usd != 7 AND user_id BETWEEN 3343 AND 393343 OR bucket('b', 0, 50)";
        client.count(named(users, "slow-2")).await.unwrap();
    });
    let lines = world.seen.lines_of("slow-1");
    let [line] = &lines[..] else { panic!("{:?}", world.seen.lines()) };
    assert_eq!((&line["level"], &line["generation"]), (&"WARN".into(), &1.into()));
    assert!(line["milliseconds"].as_u64().is_some_and(|took| took >= 1), "{line}");
    assert!(line["rule"].as_str().is_some_and(|rule| rule.contains("bucket('a', 0, 50)")), "{line}");
    let plan = line["plan"].as_str().unwrap();
    assert!(plan.starts_with("and") && plan.contains("bucket from 0 % to 50 %"), "{plan}");
    let line = &world.seen.lines_of("slow-2")[0];
    assert_eq!(line["rule"], "(a rule that names users)");
    assert!(line["plan"].as_str().is_some_and(|plan| plan.contains("id range: users by id")), "{line}");
    assert!(!world.seen.lines().iter().any(|line| line.contains("393343")), "{line}");
}

#[test]
fn what_was_asked_is_measured() {
    let world = world();
    let metrics = world.runtime.block_on(async {
        let mut serving = Serving::start().await;
        let client = &mut serving.client;
        for _ in 0..3 {
            client.count(count(HEAVY)).await.unwrap();
        }
        client.count(count("balance_us = 1")).await.unwrap_err();
        (serving.metrics)()
    });
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in:\n{metrics}")).parse::<f64>().unwrap()
    };
    for (name, expected) in [
        ("muster_requests_total{method=\"Count\",code=\"OK\"}", 3.0),
        ("muster_requests_total{method=\"Count\",code=\"INVALID_ARGUMENT\"}", 1.0),
        ("muster_request_seconds_count{method=\"Count\"}", 4.0),
        ("muster_cache_hits_total{cache=\"counts\"}", 2.0),
        ("muster_cache_misses_total{cache=\"counts\"}", 2.0),
        ("muster_pool_shed_total{pool=\"heavy\"}", 0.0),
        ("muster_connections{transport=\"grpc\"}", 1.0),
        ("muster_ready", 1.0),
        ("muster_generation", 1.0),
        ("muster_generations_open", 1.0),
        ("muster_users", USERS as f64),
        ("muster_swaps_total", 1.0),
    ] {
        assert!(
            (value(name) - expected).abs() < f64::EPSILON,
            "{name}: {} instead of {expected}",
            value(name)
        );
    }
    for name in ["muster_mapped_bytes", "muster_generation_age_seconds", "muster_compiled_rules"] {
        assert!(value(name) > 0.0, "{name}");
    }
    // Whether a count takes a millisecond depends on the machine; the log of slow rules has a test of its own.
    assert!(value("muster_slow_rules_total") <= 1.0);
    assert!(value("muster_swap_last_duration_seconds") < 60.0);
}
