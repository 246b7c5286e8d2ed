//! The log on standard error: which lines, and in which form; and who is told how far a job is.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use clap::{Args, ValueEnum};
use muster_loader::progress::{Bars, Logged, Piped, Progress};
use muster_server::Traces;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// The variable that says which lines are logged.
pub(crate) const LOG: &str = "MUSTER_LOG";
/// A line of progress at most so often.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// How often the process that started this one hears how far it is.
const STEP_EVERY: Duration = Duration::from_millis(500);

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// Form of the log on standard error; MUSTER_LOG (error, warn, info, debug, or as `muster_loader=debug`) says which lines
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "MUSTER_LOG_FORMAT",
        default_value = "text",
        hide_env_values = true
    )]
    pub(crate) log_format: LogFormat,
}

impl LogArgs {
    /// Starts the log. A service tells what it does, a command only what is wrong, unless `MUSTER_LOG` says otherwise.
    /// With `traces`, requests go there as spans, whatever is logged.
    pub(crate) fn start(&self, service: bool, traces: Option<&Traces>) -> Result<(), Failure> {
        let said = std::env::var(LOG).unwrap_or_default();
        let filter = if said.trim().is_empty() {
            EnvFilter::new(if service { "warn,muster=info,muster_loader=info" } else { "warn" })
        } else {
            EnvFilter::try_new(&said).map_err(|error| {
                Failure::Usage(format!(
                    "{LOG} is {said:?}: {error}; give a level such as info, or muster_loader=debug"
                ))
            })?
        };
        let lines = match self.log_format {
            LogFormat::Text => Layer::new().with_writer(stderr).with_ansi(false).boxed(),
            LogFormat::Json => {
                Layer::new().json().flatten_event(true).with_current_span(false).with_writer(stderr).boxed()
            }
        };
        let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
        // A second start, as in tests of one process, changes nothing.
        let _ = registry.with(traces.map(Traces::layer)).try_init();
        Ok(())
    }
}

/// Who is told how far a job is: who sits at the terminal, or the log.
pub(crate) fn listener() -> Box<dyn Progress> {
    if stderr().is_terminal() { Box::new(Bars::new()) } else { Box::new(Logged::every(PROGRESS_EVERY)) }
}

/// The same for a process that another one started, which wants to know as well.
pub(crate) fn listener_of_child() -> Box<dyn Progress> {
    Box::new(Piped::every(STEP_EVERY, Logged::every(PROGRESS_EVERY)))
}
