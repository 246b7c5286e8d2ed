//! Everything that is measured, as Prometheus reads it. `docs/operations.md` has the table; a test compares the two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

use super::tallies::{RESULTS, WRITTEN};
use super::text::{Kind, Text};
use super::{CODES, Meters, Method, OK, process};
use crate::caller::{Caller, Role};
use crate::listen::Tally;
use crate::service::{Ask, Status};
use Kind::{Counter, Gauge};

impl Meters {
    /// All metrics, in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let mut text = Text::default();
        let asked = Ask {
            caller: Caller { name: "meters".into(), role: Role::Reader },
            deadline: Instant::now(),
            generation: 0,
            now: None,
            span: tracing::Span::none(),
            request: None,
        };
        let status = self.service.status(&asked);
        self.requests(&mut text);
        self.pools(&mut text);
        self.generations(&mut text, &status);
        self.rebuilds(&mut text);
        self.catalog(&mut text);
        self.write_back(&mut text);
        server(&mut text, &status);
        text.end()
    }

    fn requests(&self, text: &mut Text) {
        let by_method = || Method::ALL.iter().zip(&self.methods);
        let labels: Vec<[(&str, &str); 1]> = by_method().map(|(m, _)| [("method", m.name())]).collect();
        let took = by_method()
            .zip(&labels)
            .map(|((_, measured), labels)| (&labels[..], measured.took.distribution()));
        text.histograms(
            "muster_request_seconds",
            "How long requests took, of Members until the stream began.",
            took,
        );
        let mut ended = Vec::new();
        for (method, measured) in by_method() {
            for (code, count) in CODES.iter().zip(&measured.ends) {
                let count = count.load(Ordering::Relaxed);
                // A rate needs a beginning, so what usually happens is told before it does.
                if count > 0 || *code == OK {
                    ended.push(([("method", method.name()), ("code", *code)], count));
                }
            }
        }
        let ended = ended.iter().map(|(labels, count)| (&labels[..], *count as f64));
        text.many(Counter, "muster_requests_total", "Requests that ended, by how.", ended);
        let connections = [[("transport", "grpc")], [("transport", "http")]];
        let of = |counter: fn(&Tally) -> &AtomicU64| {
            let tallies = connections.iter().zip(&self.connections);
            tallies.map(move |(labels, tally)| (&labels[..], counter(tally).load(Ordering::Relaxed) as f64))
        };
        text.many(Gauge, "muster_connections", "Connections that are open.", of(|tally| &tally.open));
        let help = "Connections that were taken.";
        text.many(Counter, "muster_connections_accepted_total", help, of(|tally| &tally.accepted));
        let help = "Connections that were closed at once, because there were too many.";
        text.many(Counter, "muster_connections_over_limit_total", help, of(|tally| &tally.over_limit));
        let streams = self.service.open_streams() as f64;
        text.one(Gauge, "muster_streams", "Streams of members that are open.", streams);
    }

    fn pools(&self, text: &mut Text) {
        let loads = self.service.loads().map(|(pool, threads, load)| ([("pool", pool)], threads, load));
        let of = |value: fn(usize, &crate::pool::Load) -> f64| {
            loads.iter().map(move |(labels, threads, load)| (&labels[..], value(*threads, load)))
        };
        let name = "muster_pool_threads";
        text.many(
            Gauge,
            name,
            "Threads for heavy questions, and for compiling rules.",
            of(|threads, _| threads as f64),
        );
        text.many(
            Gauge,
            "muster_pool_waiting",
            "Questions that wait for a thread.",
            of(|_, load| load.waiting as f64),
        );
        text.many(Gauge, "muster_pool_running", "Questions that run.", of(|_, load| load.running as f64));
        let name = "muster_pool_shed_total";
        text.many(
            Counter,
            name,
            "Questions refused because too many waited.",
            of(|_, load| load.shed as f64),
        );
        let slow = self.service.generations.tallies().slow.load(Ordering::Relaxed) as f64;
        let help = "Heavy questions that took longer than `serve.slow_rule_ms`.";
        text.one(Counter, "muster_slow_rules_total", help, slow);
    }

    fn generations(&self, text: &mut Text, status: &Status) {
        let generations = &self.service.generations;
        let tallies = generations.tallies();
        let ready = f64::from(u8::from(status.origin.is_some()));
        text.one(Gauge, "muster_ready", "1 if questions are answered.", ready);
        let problem = f64::from(u8::from(status.problem.is_some()));
        text.one(Gauge, "muster_generation_problem", "1 if the newest generation cannot be served.", problem);
        let mut of_origin = |name: &str, help: &str, value: Option<f64>| {
            text.many(Gauge, name, help, value.map(|value| (&[][..], value)));
        };
        let origin = status.origin;
        let age = origin.map(|origin| (Timestamp::now().as_second() - origin.as_of) as f64);
        let number = origin.map(|origin| origin.generation as f64);
        of_origin("muster_generation", "The generation in service.", number);
        let as_of = origin.map(|origin| origin.as_of as f64);
        of_origin("muster_generation_as_of_seconds", "When its source was read, in Unix seconds.", as_of);
        of_origin("muster_generation_age_seconds", "How long ago its source was read.", age);
        of_origin("muster_users", "Users in it.", origin.map(|origin| origin.universe as f64));
        text.one(Gauge, "muster_users_erased", "Users who are erased.", status.erased as f64);
        text.one(
            Gauge,
            "muster_users_opted_out",
            "Users who opted out of targeting.",
            status.opted_out as f64,
        );
        let open = generations.alive();
        text.one(Gauge, "muster_generations_open", "Generations that are open.", open.len() as f64);
        let mapped: u64 = open.iter().map(|open| open.snapshot().manifest().data.bytes).sum();
        text.one(Gauge, "muster_mapped_bytes", "Bytes of their snapshots, mapped.", mapped as f64);
        let compiled: usize = open.iter().map(|open| open.compiled_rules()).sum();
        text.one(Gauge, "muster_compiled_rules", "Compiled rules that are kept for them.", compiled as f64);
        let caches = [([("cache", "rules")], &tallies.rules), ([("cache", "counts")], &tallies.counts)];
        let hits = caches.iter().map(|(labels, cache)| (&labels[..], cache.hits() as f64));
        text.many(Counter, "muster_cache_hits_total", "Rules or counts that were known.", hits);
        let misses = caches.iter().map(|(labels, cache)| (&labels[..], cache.misses() as f64));
        text.many(Counter, "muster_cache_misses_total", "Rules or counts that were not.", misses);
        let (swaps, took) = tallies.swaps();
        text.one(Counter, "muster_swaps_total", "Generations that came into service.", swaps as f64);
        let took = (swaps > 0).then(|| (&[][..], took.as_secs_f64()));
        let help = "How long the last one took to open, verify and warm.";
        text.many(Gauge, "muster_swap_last_duration_seconds", help, took);
    }

    fn catalog(&self, text: &mut Text) {
        let Some(shelf) = &self.service.shelf else { return };
        let answers = f64::from(u8::from(shelf.answers()));
        text.one(
            Gauge,
            "muster_catalog_up",
            "1 if the catalog answered the last time it was asked.",
            answers,
        );
        let (matched, refused, labels) = self.service.matcher.size();
        let help = "Live deliveries that are matched with users.";
        text.one(Gauge, "muster_deliveries_matched", help, matched as f64);
        let help = "Live deliveries that nobody sees, because their rule cannot be used.";
        text.one(Gauge, "muster_deliveries_refused", help, refused as f64);
        text.one(Gauge, "muster_labels_matched", "Labels that are matched with users.", labels as f64);
        let (labels, bytes) = shelf.book().known().size();
        text.one(Gauge, "muster_label_rows", "Labels whose rows are kept.", labels as f64);
        text.one(Gauge, "muster_label_rows_bytes", "Bytes of these rows.", bytes as f64);
    }

    fn rebuilds(&self, text: &mut Text) {
        let running = self.service.note_rebuild();
        let help = "1 while a rebuild that this server started runs.";
        text.one(Gauge, "muster_rebuild_running", help, f64::from(u8::from(running)));
        let ended = self.service.generations.tallies().rebuilds();
        let labels = RESULTS.map(|result| [("result", result)]);
        let counts = labels.iter().zip(ended).map(|(labels, ended)| (&labels[..], ended.count as f64));
        text.many(
            Counter,
            "muster_rebuilds_total",
            "Rebuilds that this server started and that ended, by how.",
            counts,
        );
        let took = labels.iter().zip(ended);
        let took = took.filter_map(|(labels, ended)| Some((&labels[..], ended.seconds?)));
        let help = "How long the last rebuild took that ended so.";
        text.many(Gauge, "muster_rebuild_last_duration_seconds", help, took);
    }
}

impl Meters {
    fn write_back(&self, text: &mut Text) {
        let tally = self.service.generations.tallies().write_back();
        let labels = WRITTEN.map(|result| [("result", result)]);
        let counts = labels.iter().zip(tally.labels).map(|(labels, count)| (&labels[..], count as f64));
        let help = "Labels that were written elsewhere, by what became of each.";
        text.many(Counter, "muster_write_back_labels_total", help, counts);
        let help = "Users that were written, once for each of their labels.";
        text.one(Counter, "muster_write_back_users_total", help, tally.users as f64);
        let problem = f64::from(u8::from(tally.problem));
        let help = "1 if something could not be written the last time.";
        text.one(Gauge, "muster_write_back_problem", help, problem);
        let complete = tally.complete.map(|at| (&[][..], at.as_second() as f64));
        let help = "When everything was there last, in Unix seconds.";
        text.many(Gauge, "muster_write_back_complete_seconds", help, complete);
        let took = tally.took.map(|took| (&[][..], took.as_secs_f64()));
        text.many(Gauge, "muster_write_back_last_duration_seconds", "How long the last time took.", took);
    }
}

fn server(text: &mut Text, status: &Status) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.many(Gauge, "muster_build_info", "1, with the version of the server.", [(&version[..], 1.0)]);
    let started = status.started.as_duration().as_secs_f64();
    text.one(Gauge, "process_start_time_seconds", "Since when it runs, in Unix seconds.", started);
    let memory = process::memory();
    let resident = memory.map(|memory| (&[][..], memory.resident as f64));
    let help = "Bytes in memory, those of mapped files among them.";
    text.many(Gauge, "process_resident_memory_bytes", help, resident);
    let anonymous = memory.map(|memory| (&[][..], memory.anonymous as f64));
    text.many(Gauge, "muster_anonymous_memory_bytes", "Bytes in memory that are of no file.", anonymous);
}
