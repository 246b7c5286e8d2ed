//! How far work steps back that others should not feel.
//!
//! A nice value only shares the processor out: a thread that wakes may still wait for the rest of a lower one's turn, the less the
//! lower it is. What runs in the system's idle class gives way at once, and gets next to nothing while others are busy.

use std::io::{Error, Result};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// What somebody waits for, or what a server cannot go on without, steps back no further.
pub(crate) const WAITED_FOR: u8 = 10;

/// One beyond the last nice value: only when nothing else wants the processor.
pub const ONLY_WHEN_IDLE: u8 = 20;

/// Lets this thread, and those it starts, step back behind others: 0 changes nothing, 1 to 19 are nice values,
/// [`ONLY_WHEN_IDLE`] is the idle class.
pub fn step_back(by: u8) -> Result<()> {
    if by < ONLY_WHEN_IDLE {
        return if by == 0 { Ok(()) } else { Ok(rustix::process::nice(i32::from(by)).map(drop)?) };
    }
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .map_err(|error| Error::other(format!("the idle class: {error:?}")))
}

/// The same where it is no matter if the system does not allow it: the thread goes on as it is.
pub(crate) fn step_back_if_allowed(by: u8) {
    let _ = step_back(by);
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The class and the nice value of this thread, as the system tells them.
    fn standing() -> (String, String) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // The state is the third field, and the first after the name.
        (fields[41 - 3].to_owned(), fields[19 - 3].to_owned())
    }

    #[test]
    fn threads_step_back_as_far_as_they_are_told() {
        let after = |by| {
            std::thread::spawn(move || {
                step_back(by).unwrap();
                let started = std::thread::spawn(standing).join().unwrap();
                (standing(), started)
            })
            .join()
            .unwrap()
        };
        assert_eq!(after(0).0, standing());
        // From where the tests stand, which may have been stepped back itself.
        let (class, nice) = standing();
        let expected = (class, (nice.parse::<i32>().unwrap() + 7).min(19).to_string());
        assert_eq!(after(7), (expected.clone(), expected));
        let (idle, started) = after(ONLY_WHEN_IDLE);
        assert_eq!((idle.0.as_str(), started.0.as_str()), ("5", "5"));
    }
}
