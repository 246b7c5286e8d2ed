//! Pulling rows: pieces, several at a time, each known to be whole before it is handed on where that is possible.
//!
//! A row is handed on once or not at all; the consumer gets an error instead of an end when anything is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow_array::RecordBatch;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{AbortHandle, JoinSet};

use super::arrow_stream::ArrowStream;
use super::columns::Wanted;
use super::fault::{Fault, exception_in};
use super::link::{ARROW, Answer, Link, NATIVE};
use super::native::NativeStream;
use super::retry::Attempts;
use crate::error::{LoadError, Result};

/// Last bytes of an answer that are kept to look for an error's text.
const TAIL_BYTES: usize = 16 << 10;
/// Bytes read after those that make no sense, to have the whole of an error's text.
const REST_BYTES_MAX: usize = 64 << 10;

/// What goes from the readers to the consumer.
enum Delivered {
    /// Batches that belong together.
    Rows(Vec<RecordBatch>),
    /// There are no more, and none is missing. Without it the reading broke off, whatever the reason.
    End,
    /// There are no more, and this is why.
    Failed(LoadError),
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) link: Arc<Link>,
    pub(super) wanted: Arc<Vec<Wanted>>,
    /// What stands after `FROM`.
    pub(super) from: String,
    /// A condition for each piece.
    pub(super) pieces: Vec<Option<String>>,
    /// Whether a piece is held back until it is whole.
    pub(super) held_back: bool,
    pub(super) native: bool,
    /// Whether the server's count of a piece's rows is compared.
    pub(super) counted: bool,
    pub(super) deadline: Instant,
    /// What must be the same before and after.
    pub(super) guard: Guard,
}

/// What a table was like before it was pulled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    /// How many rows, asked by this query.
    pub(super) rows: Option<(String, u64)>,
    /// Which table, asked by this query.
    pub(super) identity: Option<(String, String)>,
}

impl Pull {
    /// Begins; rows come by the iterator.
    pub(super) fn start(self, pulls: usize) -> Result<Pulled> {
        let (sender, receiver) = channel(1);
        let runtime = self.link.handle()?;
        let link = self.link.clone();
        let task = runtime.spawn(Arc::new(self).all(pulls, sender)).abort_handle();
        Ok(Pulled { receiver, task, current: Vec::new().into_iter(), over: false, _link: link })
    }

    /// Everything: pieces by several workers, then a look back.
    async fn all(self: Arc<Self>, pulls: usize, sender: Sender<Delivered>) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..pulls.clamp(1, self.pieces.len()) {
            workers.spawn(self.clone().work(next.clone(), sender.clone()));
        }
        let mut rows = 0;
        let outcome = loop {
            match workers.join_next().await {
                None => break self.look_back(rows).await,
                Some(Ok(Ok(more))) => rows += more,
                Some(Ok(Err(fault))) => break Err(fault),
                Some(Err(error)) => {
                    break Err(Fault::lasting(format!("a reader ended unexpectedly: {error}")));
                }
            }
        };
        // Whoever else is still reading need not go on.
        drop(workers);
        let last = match outcome {
            Ok(()) => Delivered::End,
            Err(fault) => Delivered::Failed(self.link.failed(&fault)),
        };
        // Nobody listens any more: nobody to tell.
        let _ = sender.send(last).await;
    }

    async fn work(self: Arc<Self>, next: Arc<AtomicUsize>, sender: Sender<Delivered>) -> Result<u64, Fault> {
        let mut rows = 0;
        while let Some(condition) = self.pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            rows += self.piece(condition.as_deref(), &sender).await?;
        }
        Ok(rows)
    }

    /// One piece, again and again while that can help and nothing of it has been handed on.
    async fn piece(&self, condition: Option<&str>, sender: &Sender<Delivered>) -> Result<u64, Fault> {
        let mut attempts = Attempts::new(&self.link, self.deadline);
        let mut hand = Hand { sender, held: self.held_back.then(Vec::new), handed_on: 0 };
        loop {
            match self.once(condition, &mut hand).await {
                Ok(rows) => {
                    hand.let_go().await?;
                    return Ok(rows);
                }
                Err(fault) if hand.handed_on > 0 => {
                    return Err(Fault::lasting(format!(
                        "{}; {} rows had been handed on, so it cannot be asked again: run the build again, or set \
                         `pulls` to read it in ranges of user ids",
                        fault.message, hand.handed_on
                    )));
                }
                Err(fault) => {
                    hand.held.iter_mut().for_each(Vec::clear);
                    attempts.after(fault).await?;
                }
            }
        }
    }

    async fn once(&self, condition: Option<&str>, hand: &mut Hand<'_>) -> Result<u64, Fault> {
        let format = if self.native { NATIVE } else { ARROW };
        let mut answer = self.link.rows(&self.query(condition), format, self.counted, self.deadline)?;
        let mut decoder = Decoder::new(self);
        let (mut rows, mut ready, mut tail) = (0, Vec::new(), Tail::default());
        loop {
            match answer.next().await {
                Ok(Some(bytes)) => {
                    tail.push(&bytes);
                    if let Err(what) = decoder.push(&bytes, &mut ready) {
                        tail.read_on(&mut answer).await;
                        return Err(tail.explain(Fault::passing(format!("the answer is damaged: {what}"))));
                    }
                }
                Ok(None) => break,
                Err(fault) => return Err(tail.explain(fault)),
            }
            rows += hand.give(&mut ready).await?;
        }
        if let Err(what) = decoder.finish(&mut ready) {
            return Err(tail.explain(Fault::passing(format!("the answer is not whole: {what}"))));
        }
        rows += hand.give(&mut ready).await?;
        if self.counted {
            self.compare(rows, answer.rows_counted(), condition).await?;
        }
        Ok(rows)
    }

    /// That as many rows came as the server has.
    async fn compare(&self, rows: u64, summary: Option<u64>, condition: Option<&str>) -> Result<(), Fault> {
        // Servers of some years leave it out, or say 0 whatever there is.
        let counted = match summary.filter(|&counted| counted > 0 || rows == 0) {
            Some(counted) => counted,
            None => self.count(&format!("SELECT count() FROM {}{}", self.from, filter(condition))).await?,
        };
        if counted == rows {
            return Ok(());
        }
        Err(Fault::passing(format!("{rows} rows came where the server counts {counted}")))
    }

    async fn count(&self, query: &str) -> Result<u64, Fault> {
        let answer = self.link.text_when(query, self.deadline).await?;
        answer.trim().parse().map_err(|_| Fault::lasting("the server does not answer a count with a number"))
    }

    /// That it is still the same table, and that no row was left out.
    async fn look_back(&self, rows: u64) -> Result<(), Fault> {
        if let Some((query, before)) = &self.guard.identity {
            let after = self.link.text_when(query, self.deadline).await?;
            if after.trim() != before {
                return Err(Fault::lasting(
                    "the table was exchanged for another while it was read; run the build again",
                ));
            }
        }
        if let Some((query, before)) = &self.guard.rows {
            // Where it changed meanwhile, the number of rows that came can be any.
            if self.count(query).await? == *before && rows != *before {
                return Err(Fault::lasting(format!(
                    "{rows} rows came of a table of {before}: does a setting of this user limit what it reads?"
                )));
            }
        }
        Ok(())
    }

    fn query(&self, condition: Option<&str>) -> String {
        let list: Vec<&str> = self.wanted.iter().map(|wanted| wanted.expression.as_str()).collect();
        format!("SELECT {} FROM {}{}", list.join(", "), self.from, filter(condition))
    }
}

fn filter(condition: Option<&str>) -> String {
    condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"))
}

/// Either format.
enum Decoder {
    Arrow(ArrowStream),
    Native(NativeStream),
}

impl Decoder {
    fn new(pull: &Pull) -> Self {
        let wanted = pull.wanted.clone();
        if pull.native {
            Self::Native(NativeStream::new(wanted))
        } else {
            Self::Arrow(ArrowStream::new(wanted))
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<RecordBatch>) -> Result<(), String> {
        match self {
            Self::Arrow(stream) => stream.push(bytes, out),
            Self::Native(stream) => stream.push(bytes, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<RecordBatch>) -> Result<(), String> {
        match self {
            Self::Arrow(stream) => stream.finish(),
            Self::Native(stream) => stream.finish(out),
        }
    }
}

/// Where batches of a piece go.
struct Hand<'a> {
    sender: &'a Sender<Delivered>,
    /// Those held back, if they are.
    held: Option<Vec<RecordBatch>>,
    handed_on: u64,
}

impl Hand<'_> {
    /// Takes batches and says how many rows they have.
    async fn give(&mut self, batches: &mut Vec<RecordBatch>) -> Result<u64, Fault> {
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        match &mut self.held {
            Some(held) => held.append(batches),
            None if batches.is_empty() => {}
            None => {
                self.send(std::mem::take(batches)).await?;
                self.handed_on += rows;
            }
        }
        Ok(rows)
    }

    async fn let_go(&mut self) -> Result<(), Fault> {
        match self.held.take() {
            Some(held) => self.send(held).await,
            None => Ok(()),
        }
    }

    async fn send(&self, batches: Vec<RecordBatch>) -> Result<(), Fault> {
        self.sender.send(Delivered::Rows(batches)).await.map_err(|_| Fault::lasting("nobody wants more rows"))
    }
}

/// The last bytes of an answer.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        if self.0.len() + bytes.len() > 2 * TAIL_BYTES {
            self.0.drain(..self.0.len() - TAIL_BYTES);
        }
        self.0.extend_from_slice(bytes);
    }

    /// A little more of an answer that is worth nothing otherwise.
    async fn read_on(&mut self, answer: &mut Answer) {
        let mut read = 0;
        while let Ok(Some(bytes)) = answer.next().await {
            self.push(&bytes);
            read += bytes.len();
            if read > REST_BYTES_MAX {
                return;
            }
        }
    }

    /// What the server said, if it said something before it broke off; otherwise the fault.
    fn explain(&self, fault: Fault) -> Fault {
        // The crate may have found it already.
        if fault.code.is_some() {
            return fault;
        }
        match exception_in(&String::from_utf8_lossy(&self.0)) {
            Some((code, message)) => {
                Fault::of_code(code, &format!("the server failed in the middle of an answer: {message}"))
            }
            None => fault,
        }
    }
}

/// Rows as they are handed on. Dropping it ends the reading.
pub(super) struct Pulled {
    receiver: Receiver<Delivered>,
    task: AbortHandle,
    current: std::vec::IntoIter<RecordBatch>,
    over: bool,
    /// Keeps the threads.
    _link: Arc<Link>,
}

impl Iterator for Pulled {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.next() {
                return Some(Ok(batch));
            }
            if self.over {
                return None;
            }
            match self.receiver.blocking_recv() {
                Some(Delivered::Rows(batches)) => self.current = batches.into_iter(),
                Some(Delivered::End) => self.over = true,
                Some(Delivered::Failed(error)) => {
                    self.over = true;
                    return Some(Err(error));
                }
                None => {
                    self.over = true;
                    return Some(Err(LoadError::Source(
                        "the reader ended unexpectedly; run it again.".to_owned(),
                    )));
                }
            }
        }
    }
}

impl Drop for Pulled {
    fn drop(&mut self) {
        self.task.abort();
    }
}
