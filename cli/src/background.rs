//! How a build stays out of the way of others, and ends with whoever started it.

use clap::Args;
use muster_loader::progress::Progress;
use muster_server::step_back;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::failure::Failure;
use crate::logging::{listener, listener_of_child};

/// Flags of work that others should not feel.
#[derive(Debug, Args)]
pub(crate) struct Background {
    /// Run at low priority: 20 takes only what nobody else wants, 1 to 19 are nice values, 0 changes nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=20))]
    nice: Option<u8>,

    /// End when this process, which started it, ends
    #[arg(long, value_name = "PID", hide = true)]
    child_of: Option<u32>,
}

impl Background {
    /// Who is told how far the work is: whoever started it, if another process did.
    pub(crate) fn listener(&self) -> Box<dyn Progress> {
        if self.child_of.is_some() { listener_of_child() } else { listener() }
    }

    /// Makes it so, before any thread is started: threads inherit it.
    pub(crate) fn apply(&self) -> Result<(), Failure> {
        let failed = |what: &str, error| Failure::Store(format!("cannot {what}: {error}"));
        if let Some(by) = self.nice {
            step_back(by).map_err(|error| Failure::Store(format!("cannot lower the priority: {error}")))?;
        }
        if let Some(parent) = self.child_of {
            set_parent_process_death_signal(Some(Signal::TERM))
                .map_err(|error| failed("tie this process to its parent", error))?;
            // It may have ended before that.
            if getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get().unsigned_abs()) != Some(parent) {
                return Err(Failure::Store(format!("process {parent}, which started this one, has ended")));
            }
        }
        Ok(())
    }
}
