//! Being asked to end: the first signal is passed on to the job, the second ends the process at once.

use muster_loader::stop::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::failure::Failure;

/// A request to stop that SIGTERM and Ctrl-C make.
pub(crate) fn stop() -> Result<Stop, Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::Store(format!("cannot listen to signals: {error}")))?;
    let stop = Stop::new();
    let request = stop.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if request.requested() {
                let _ = emulate_default_handler(signal);
            }
            request.request();
        }
    });
    Ok(stop)
}
