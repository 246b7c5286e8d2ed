//! Rule by rule: Muster and every peer asked, answers compared first, then everyone timed.

use anyhow::{Context, Result, ensure};

use crate::measure::{Repeats, Samples, repeat, timed};
use crate::muster::{self, Muster};
use crate::peers::{Peer, Question, Reply};
use crate::results::Results;
use crate::run::Pools;
use crate::workload::Case;

/// For Muster, whose counts are short.
const MUSTER: Repeats = Repeats::new(10, 400, 1_500);
/// For peers.
const PEER: Repeats = Repeats::new(5, 200, 800);

/// Measures some rules as one part of the results. A peer that counts otherwise than Muster ends the run.
pub(crate) fn compare(
    part: &str,
    cases: &[Case],
    muster: &Muster,
    peers: &mut [Box<dyn Peer>],
    pools: &Pools,
    results: &mut Results,
) -> Result<()> {
    let at = (part, muster.users());
    for (number, case) in cases.iter().enumerate() {
        let question = muster.question(&case.rule, case.kind)?;
        let count = muster.count(&case.rule)?;
        results.know(&format!("rule/{part}/{}", case.name), &case.rule);
        results.know(&format!("group/{part}/{}", case.name), &case.group);
        results.know(&format!("kind/{part}/{}", case.name), case.kind.name());
        results.add(at, &case.name, (muster::NAME, 0), "count", count as f64);
        let asked = agreeing(case, &question, count, peers, results)?;
        time_muster(at, case, muster, pools, results)?;
        for at_peer in asked {
            let peer = &mut peers[at_peer];
            let samples = repeat(pools.repeats(PEER), || match peer.ask(&question)? {
                Reply::Counted { nanos, .. } => Ok(nanos),
                Reply::NotAsked(why) => anyhow::bail!("{} changed its mind: {why}", peer.name()),
            })?;
            record(at, case, (peer.name(), peer.threads()), "request", &samples, results);
        }
        eprintln!("{part} {}/{}: {}", number + 1, cases.len(), case.name);
    }
    Ok(())
}

/// Asks every peer once; those that count the same are told, by position.
fn agreeing(
    case: &Case,
    question: &Question,
    count: u64,
    peers: &mut [Box<dyn Peer>],
    results: &mut Results,
) -> Result<Vec<usize>> {
    let mut agreeing = Vec::new();
    for (at, peer) in peers.iter_mut().enumerate() {
        let name = peer.name();
        let in_words = || format!("{name}, rule {}: {}", case.name, case.rule);
        peer.prepare(question).with_context(in_words)?;
        match peer.ask(question).with_context(in_words)? {
            Reply::Counted { count: theirs, .. } => {
                ensure!(theirs == count, "Muster counts {count} and {name} {theirs}: {}", case.rule);
                agreeing.push(at);
            }
            Reply::NotAsked(why) => results.know(&format!("not asked/{name}/{}", case.name), why),
        }
    }
    Ok(agreeing)
}

/// The whole request, and the count alone; on one thread, and on all.
fn time_muster(
    at: (&str, u64),
    case: &Case,
    muster: &Muster,
    pools: &Pools,
    results: &mut Results,
) -> Result<()> {
    let audience = muster.audience(&case.rule)?;
    for (threads, pool) in pools.each() {
        let who = (muster::NAME, threads);
        let request = || {
            let (nanos, count) = timed(|| muster.count(&case.rule));
            count.map(|_| nanos)
        };
        let samples = pool.install(|| repeat(pools.repeats(MUSTER), request))?;
        record(at, case, who, "request", &samples, results);
        let count = || Ok(timed(|| audience.count()).0);
        let samples = pool.install(|| repeat(pools.repeats(MUSTER), count))?;
        record(at, case, who, "count", &samples, results);
    }
    Ok(())
}

fn record(
    at: (&str, u64),
    case: &Case,
    who: (&str, usize),
    what: &str,
    samples: &Samples,
    results: &mut Results,
) {
    results.add(at, &case.name, who, &format!("{what}_ns"), samples.median());
    results.add(at, &case.name, who, &format!("{what}_p99_ns"), samples.percentile(0.99));
    results.add(at, &case.name, who, &format!("{what}_repeats"), samples.len() as f64);
}
