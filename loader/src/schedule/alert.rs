//! Telling people: a webhook that is called beside the schedule, which never waits for it.
//!
//! The address and the header are secrets: what is logged names neither.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio::runtime::Builder;

use super::history::{Outcome, Run};
use super::settings::ScheduleConfig;
use crate::error::{LoadError, Result};

/// One request takes no longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses before each further try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// What is told. Chat services show `text`; the rest is for programs.
#[derive(Debug, Clone, Serialize)]
struct Message {
    text: String,
    event: &'static str,
    store: String,
    host: String,
    run: Run,
}

/// Whom to tell.
struct Webhook {
    address: reqwest::Url,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Sends messages one after the other, on a thread of its own.
#[derive(Debug)]
pub(super) struct Alerts {
    messages: Option<Sender<Message>>,
    done: Receiver<()>,
    store: String,
}

impl Alerts {
    /// Starts the thread, where somebody is to be told.
    pub(super) fn start(config: &ScheduleConfig, store: &std::path::Path) -> Result<Self> {
        let (ended, done) = channel();
        let store = store.display().to_string();
        let Some(webhook) = Webhook::new(config)? else { return Ok(Self { messages: None, done, store }) };
        // The first one to ask for TLS decides for the process; a second call is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (messages, queue) = channel();
        thread::spawn(move || {
            webhook.send_all(&queue);
            let _ = ended.send(());
        });
        Ok(Self { messages: Some(messages), done, store })
    }

    /// Tells of a run that went wrong, or that went well after one that did not.
    pub(super) fn tell(&self, run: &Run, before: Option<&Run>) {
        let Some(messages) = &self.messages else { return };
        let wrong = |outcome| matches!(outcome, Outcome::Failed | Outcome::Held);
        let event = match run.outcome {
            Outcome::Failed => "failed",
            Outcome::Held => "held",
            Outcome::Published if before.is_some_and(|before| wrong(before.outcome)) => "recovered",
            _ => return,
        };
        let (store, host) = (self.store.clone(), host());
        let text = text(event, run, &store, &host);
        let _ = messages.send(Message { text, event, store, host, run: run.clone() });
    }

    /// Waits until everything was told, but no longer than this.
    pub(super) fn finish(mut self, patience: Duration) {
        if self.messages.take().is_some()
            && self.done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!("a webhook is still being called; not waiting any longer");
        }
    }
}

fn text(event: &str, run: &Run, store: &str, host: &str) -> String {
    let due = run.due;
    let error = run.error.as_deref().unwrap_or("see its report");
    let generation =
        run.generation().map_or_else(String::new, |generation| format!(" generation {generation}"));
    let tries = if run.attempts == 1 { "1 try".to_owned() } else { format!("{} tries", run.attempts) };
    match event {
        "failed" => format!(
            "Muster on {host}: the build of {store} due {due} failed after {tries}: {error}. What was in service stays in service."
        ),
        "held" => format!(
            "Muster on {host}: the build of {store} due {due} is held back:{generation} differs too much from the one in service{}. \
             `muster inspect --store {store}` shows it; then `muster publish` or `muster discard`. What was in service stays in service.",
            run.error.as_ref().map_or_else(String::new, |error| format!(" ({error})")),
        ),
        _ => format!(
            "Muster on {host}: the build of {store} due {due} went well again:{generation} is in service."
        ),
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "this machine".to_owned() } else { name.trim().to_owned() }
}

impl Webhook {
    fn new(config: &ScheduleConfig) -> Result<Option<Self>> {
        let Some(address) = config.webhook_address()? else { return Ok(None) };
        let wrong = |what: &str| Err(LoadError::Config(format!("schedule.webhook {what}.")));
        // The text itself is not repeated: often it is all there is to know to send messages.
        let Ok(address) = reqwest::Url::parse(address.reveal()) else {
            return wrong("is not an address; give https://HOST/PATH");
        };
        if !matches!(address.scheme(), "https" | "http") || address.host_str().is_none() {
            return wrong("is not an address of the web; give https://HOST/PATH");
        }
        let header = match config.webhook_secret()? {
            None => None,
            Some(secret) => {
                let name = HeaderName::from_bytes(config.webhook_header.as_bytes());
                let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(secret.reveal())) else {
                    return wrong("has a header that cannot be sent; see webhook_header and its secret");
                };
                value.set_sensitive(true);
                Some((name, value))
            }
        };
        Ok(Some(Self { address, header }))
    }

    fn send_all(&self, queue: &Receiver<Message>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let (Ok(runtime), Ok(client)) = (runtime, client) else {
            tracing::error!("the webhook cannot be called: no client could be made");
            return;
        };
        while let Ok(message) = queue.recv() {
            let host = self.address.host_str().unwrap_or_default();
            match runtime.block_on(self.send(&client, &message)) {
                Ok(()) => tracing::info!(event = message.event, host, "the webhook was told"),
                Err(error) => {
                    tracing::error!(event = message.event, host, "the webhook could not be told: {error}");
                }
            }
        }
    }

    async fn send(&self, client: &reqwest::Client, message: &Message) -> Result<(), String> {
        let body = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        let mut pauses = PAUSES.iter();
        loop {
            let mut request = client.post(self.address.clone()).header("content-type", "application/json");
            if let Some((name, value)) = &self.header {
                request = request.header(name, value);
            }
            let (error, again) = match request.body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    (format!("it answered {status}"), status.is_server_error() || status.as_u16() == 429)
                }
                Err(error) => (innermost(&error.without_url()), true),
            };
            match pauses.next() {
                Some(pause) if again => tokio::time::sleep(*pause).await,
                _ => return Err(error),
            }
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
