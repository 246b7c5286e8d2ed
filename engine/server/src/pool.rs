//! Heavy work, kept away from the threads that answer membership: a few threads that step back, a bounded queue, turns by caller.
//!
//! Whoever waits gives up at its deadline, and so does whoever runs: the work is handed a [`Halt`] that the engine looks at. A
//! question whose asker has gone is not begun, or ends. A full queue refuses at once and says when to try again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use muster_engine::execute::{Halt, Halted, within};
use tokio::sync::oneshot;

use crate::fault::{Fault, Result};
use crate::priority::step_back_if_allowed;

/// What the time of a question is taken to be before any was asked.
const FIRST_GUESS: Duration = Duration::from_millis(2);
/// Nobody is told to come back sooner or later than this.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How many threads and how long the queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSize {
    /// Threads.
    pub(crate) threads: usize,
    /// By how much they step back.
    pub(crate) nice: u8,
    /// Questions that may wait.
    pub(crate) queue: usize,
    /// Questions of one caller that may wait.
    pub(crate) queue_per_caller: usize,
    /// What these two limits are called in the configuration.
    pub(crate) keys: [&'static str; 2],
}

/// Threads for heavy work. Dropping it ends them when what runs has ended.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    size: PoolSize,
    turns: Mutex<Turns>,
    woken: Condvar,
    /// Microseconds that a question takes, smoothed.
    usual_micros: AtomicU64,
}

/// Who waits: a queue for each caller, and the callers in turn.
#[derive(Debug, Default)]
struct Turns {
    waiting: usize,
    running: usize,
    next: VecDeque<Arc<str>>,
    of: HashMap<Arc<str>, VecDeque<Job>>,
    closed: bool,
    shed: u64,
}

struct Job {
    halt: Arc<Halt>,
    work: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("halt", &self.halt).finish_non_exhaustive()
    }
}

/// How busy a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Questions that wait.
    pub(crate) waiting: usize,
    /// Questions that run.
    pub(crate) running: usize,
    /// Questions refused since the start.
    pub(crate) shed: u64,
}

/// Cancels the work when whoever waits for it goes away.
struct CancelOnDrop(Arc<Halt>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Pool {
    /// Starts the threads.
    pub(crate) fn start(name: &str, size: PoolSize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            size,
            turns: Mutex::default(),
            woken: Condvar::new(),
            usual_micros: AtomicU64::new(FIRST_GUESS.as_micros() as u64),
        });
        let thread = |number: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || shared.work())
        };
        let threads = (0..size.threads.max(1)).map(thread).collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Does something on a thread of the pool. Ends with [`Fault::Deadline`] at the deadline, whether it waits or runs; when the
    /// future is dropped, the work ends too.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        caller: &Arc<str>,
        deadline: Instant,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let halt = Arc::new(Halt::new(Some(deadline)));
        let (answer, answered) = oneshot::channel();
        let inner = Arc::clone(&halt);
        let work = Box::new(move || {
            let result = match within(&inner, work) {
                Ok(result) => result,
                Err(Halted::Deadline) => Err(Fault::Deadline),
                Err(Halted::Cancelled) => Err(Fault::Cancelled),
            };
            // Nobody may be there any more.
            let _ = answer.send(result);
        });
        self.shared.enter(caller, Job { halt: Arc::clone(&halt), work })?;
        let held = CancelOnDrop(halt);
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(result)) => result,
            // It was dropped: its time was over before its turn came, or the thread panicked, and goes on.
            Ok(Err(_)) => Err(match held.0.halted() {
                Some(Halted::Deadline) => Fault::Deadline,
                Some(Halted::Cancelled) => Fault::Cancelled,
                None => {
                    Fault::Internal { what: "the question could not be answered; see the log".to_owned() }
                }
            }),
            Err(_) => Err(Fault::Deadline),
        }
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> Load {
        let turns = self.shared.turns();
        Load { waiting: turns.waiting, running: turns.running, shed: turns.shed }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.turns().closed = true;
        self.shared.woken.notify_all();
        let here = std::thread::current().id();
        // Work that held the last of whatever holds the pool drops it on a thread of the pool, which ends after that.
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != here) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, caller: &Arc<str>, job: Job) -> Result<()> {
        let mut turns = self.turns();
        let mine = turns.of.get(caller).map_or(0, VecDeque::len);
        let (limit, name) = if mine >= self.size.queue_per_caller {
            (self.size.queue_per_caller, self.size.keys[1])
        } else {
            (self.size.queue, self.size.keys[0])
        };
        if mine >= self.size.queue_per_caller || turns.waiting >= self.size.queue {
            turns.shed += 1;
            let what = format!(
                "{limit} questions are waiting already, which is the limit (`{name}` in the configuration)"
            );
            return Err(Fault::Exhausted { what, retry_after: self.retry_after(turns.waiting) });
        }
        if mine == 0 {
            turns.next.push_back(Arc::clone(caller));
        }
        turns.of.entry(Arc::clone(caller)).or_default().push_back(job);
        turns.waiting += 1;
        drop(turns);
        self.woken.notify_one();
        Ok(())
    }

    /// When about half of the queue will be gone.
    fn retry_after(&self, waiting: usize) -> Duration {
        let micros = self.usual_micros.load(Ordering::Relaxed) * waiting as u64
            / (2 * self.size.threads.max(1) as u64);
        Duration::from_micros(micros).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }

    /// A thread: takes the next job of the caller whose turn it is.
    fn work(&self) {
        step_back_if_allowed(self.size.nice);
        while let Some(job) = self.next() {
            if job.halt.halted().is_none() {
                let begun = Instant::now();
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job.work));
                if ended.is_err() {
                    tracing::error!("a question panicked; it is refused, the server goes on");
                }
                self.learn(begun.elapsed());
            }
            self.turns().running -= 1;
        }
    }

    fn next(&self) -> Option<Job> {
        let mut turns = self.turns();
        loop {
            if let Some(job) = turns.take() {
                return Some(job);
            }
            if turns.closed {
                return None;
            }
            turns = self.woken.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn learn(&self, took: Duration) {
        let before = self.usual_micros.load(Ordering::Relaxed);
        let after = (before * 15 + took.as_micros() as u64) / 16;
        self.usual_micros.store(after.max(1), Ordering::Relaxed);
    }
}

impl Turns {
    /// One job of the caller at the front, who then goes to the back.
    fn take(&mut self) -> Option<Job> {
        let caller = self.next.pop_front()?;
        let queue = self.of.get_mut(&caller)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.of.remove(&caller);
        } else {
            self.next.push_back(caller);
        }
        self.waiting -= 1;
        self.running += 1;
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 2] = ["serve.heavy_queue", "serve.heavy_queue_per_caller"];

    fn pool(threads: usize, queue: usize, queue_per_caller: usize) -> Arc<Pool> {
        Arc::new(
            Pool::start("test", PoolSize { threads, nice: 0, queue, queue_per_caller, keys: KEYS }).unwrap(),
        )
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Occupies the only thread until told.
    fn occupied(pool: &Arc<Pool>) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (begun, running) = std::sync::mpsc::channel::<()>();
        let busy = Arc::clone(pool);
        let task = tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                wait.recv().unwrap();
                Ok(())
            };
            busy.run(&"busy".into(), soon(), work).await
        });
        running.recv_timeout(Duration::from_secs(10)).unwrap();
        (release, task)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_pool_that_its_own_work_drops_does_not_wait_for_itself() {
        let (pool, (begun, running)) = (pool(2, 10, 10), std::sync::mpsc::channel());
        let ((release, wait), (tell, told)) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel());
        let (held, asked) = (Arc::clone(&pool), pool);
        let caller = tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                wait.recv().unwrap();
                let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(held)));
                tell.send(dropped.is_ok()).unwrap();
                Ok(())
            };
            asked.run(&"a".into(), soon(), work).await
        });
        running.recv_timeout(Duration::from_secs(10)).unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        release.send(()).unwrap();
        assert!(told.recv_timeout(Duration::from_secs(10)).unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_take_turns() {
        let pool = pool(1, 100, 100);
        let (release, task) = occupied(&pool);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (caller, number) in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)] {
            let (pool2, order) = (Arc::clone(&pool), Arc::clone(&order));
            let expected = pool.load().waiting + 1;
            waiting.push(tokio::spawn(async move {
                let work = move || {
                    order.lock().unwrap().push(format!("{caller}{number}"));
                    Ok(())
                };
                pool2.run(&caller.into(), soon(), work).await
            }));
            while pool.load().waiting < expected {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        release.send(()).unwrap();
        task.await.unwrap().unwrap();
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_queue_refuses_and_says_when() {
        let pool = pool(1, 2, 1);
        let (release, task) = occupied(&pool);
        let wait = |caller: &'static str| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run(&caller.into(), soon(), || Ok(())).await })
        };
        let first = wait("a");
        while pool.load().waiting < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = pool.run(&"a".into(), soon(), || Ok(())).await.unwrap_err();
        assert!(refused.to_string().contains("serve.heavy_queue_per_caller"), "{refused}");
        let second = wait("b");
        while pool.load().waiting < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = pool.run(&"c".into(), soon(), || Ok(())).await.unwrap_err();
        assert!(matches!(&refused, Fault::Exhausted { retry_after, .. } if *retry_after >= RETRY_AFTER_MIN));
        assert!(refused.to_string().contains("`serve.heavy_queue`"), "{refused}");
        assert_eq!(pool.load(), Load { waiting: 2, running: 1, shed: 2 });
        release.send(()).unwrap();
        for task in [task, first, second] {
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waits_too_long_gives_up_and_is_never_begun() {
        let pool = pool(1, 10, 10);
        let (release, task) = occupied(&pool);
        let begun = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&begun);
        let deadline = Instant::now() + Duration::from_millis(30);
        let work = move || {
            seen.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let late = pool.run(&"a".into(), deadline, work).await;
        assert!(matches!(late, Err(Fault::Deadline)), "{late:?}");
        release.send(()).unwrap();
        task.await.unwrap().unwrap();
        pool.run(&"a".into(), soon(), || Ok(())).await.unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_deadline_that_passed_before_its_turn_is_told_as_one() {
        let pool = pool(1, 10, 10);
        for _ in 0..1_000 {
            let late = pool.run(&"a".into(), Instant::now(), || Ok(())).await;
            assert!(matches!(late, Err(Fault::Deadline)), "{late:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_refuses_one_question_only() {
        let pool = pool(1, 10, 10);
        let work = || -> Result<()> { panic!("planted") };
        let panicked = pool.run(&"a".into(), soon(), work).await;
        assert!(matches!(panicked, Err(Fault::Internal { .. })), "{panicked:?}");
        assert_eq!(pool.run(&"a".into(), soon(), || Ok(7)).await.unwrap(), 7);
        // The answer is there a moment before the thread is free.
        for _ in 0..1000 {
            if pool.load().running == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?}", pool.load());
    }
}
