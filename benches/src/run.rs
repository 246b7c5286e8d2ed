//! A run: data made or found, peers started, everything measured in order.

use std::rc::Rc;

use anyhow::{Context, Result};
use croaring::Bitmap;
use rayon::{ThreadPool, ThreadPoolBuilder};
use roaring::RoaringBitmap;

use crate::compare::compare;
use crate::data::{Built, Population};
use crate::leaves::Leaves;
use crate::measure::Repeats;
use crate::muster::{self, Muster};
use crate::options::RunOptions;
use crate::peers::Peer;
use crate::peers::bits::Library;
use crate::peers::clickhouse::ClickHouse;
use crate::peers::duckdb::DuckDb;
use crate::peers::group_bitmap::GroupBitmap;
use crate::peers::server::Server;
use crate::results::Results;
use crate::workload::{Workload, by_selectivity, by_terms};
use crate::{dense, labels, machine, single};

/// Sweeps and the summary are of the largest population up to this.
const MAIN_USERS_MAX: u64 = 10_000_000;
/// Rows of the largest snapshot of flags.
const DENSE_USERS: u64 = 100_000_000;

/// Thread pools to count on: one thread, and all.
pub(crate) struct Pools {
    pools: Vec<(usize, ThreadPool)>,
    quick: bool,
}

impl Pools {
    fn new(threads: usize, quick: bool) -> Result<Self> {
        let mut sizes = vec![1, threads];
        sizes.dedup();
        let pool = |threads| Ok((threads, ThreadPoolBuilder::new().num_threads(threads).build()?));
        Ok(Self { pools: sizes.into_iter().map(pool).collect::<Result<_>>()?, quick })
    }

    /// By number of threads, ascending.
    pub(crate) fn each(&self) -> impl Iterator<Item = (usize, &ThreadPool)> {
        self.pools.iter().map(|(threads, pool)| (*threads, pool))
    }

    /// The pool of one thread.
    pub(crate) fn one(&self) -> &ThreadPool {
        &self.pools[0].1
    }

    /// These repeats, or fewer in a quick run.
    pub(crate) fn repeats(&self, repeats: Repeats) -> Repeats {
        if self.quick { repeats.quick() } else { repeats }
    }
}

/// The population that sweeps and the summary are of.
pub(crate) fn main_users(users: &[u64]) -> u64 {
    let within = users.iter().copied().filter(|&users| users <= MAIN_USERS_MAX).max();
    within.or_else(|| users.iter().copied().min()).unwrap_or_default()
}

/// Measures everything.
pub(crate) fn run(options: &RunOptions) -> Result<Results> {
    let mut results = Results::default();
    machine::describe(options, &mut results);
    std::fs::create_dir_all(&options.work)
        .with_context(|| format!("cannot make {}", options.work.display()))?;
    // Peers are started elsewhere and must find the folder from there.
    let options = &RunOptions { work: options.work.canonicalize()?, ..options.clone() };
    let pools = Pools::new(options.threads, options.quick)?;
    let server = if options.wants("clickhouse") {
        let server = Server::connect(options.clickhouse.as_deref(), &options.work, options.threads)?;
        Some(Rc::new(server))
    } else {
        None
    };
    for &users in &options.users {
        one_population(options, users, server.as_ref(), &pools, &mut results)?;
    }
    let main = main_users(&options.users);
    dense::run(&options.work, main, &pools, &mut results)?;
    if !options.quick {
        dense::run(&options.work, DENSE_USERS, &pools, &mut results)?;
    }
    Ok(results)
}

fn one_population(
    options: &RunOptions,
    users: u64,
    server: Option<&Rc<Server>>,
    pools: &Pools,
    results: &mut Results,
) -> Result<()> {
    let workload = Workload::committed()?;
    let (population, built) = Population::prepare(&options.work, users)?;
    know_build(users, &built, results);
    let muster = Rc::new(Muster::open(&population.store(), workload.labels)?);
    let leaves = Rc::new(Leaves::new(&muster)?);
    single::sizes(&population, results)?;
    let mut peers = peers(options, &population, server, &muster, &leaves, results)?;

    compare("rules", &workload.cases, &muster, &mut peers, pools, results)?;
    bitmap_sizes(users, &leaves, results);
    if users == main_users(&options.users) {
        compare("terms", &by_terms(), &muster, &mut peers, pools, results)?;
        let ranges = by_selectivity(|share| bound(&muster, share))?;
        compare("selectivity", &ranges, &muster, &mut peers, pools, results)?;
    }
    single::opening(&population, pools, results)?;
    single::membership(&muster, &leaves, pools, results)?;
    if users == options.users[0] {
        labels::measure(&muster, pools, results)?;
    }
    Ok(())
}

fn peers(
    options: &RunOptions,
    population: &Population,
    server: Option<&Rc<Server>>,
    muster: &Rc<Muster>,
    leaves: &Rc<Leaves>,
    results: &mut Results,
) -> Result<Vec<Box<dyn Peer>>> {
    let users = population.users;
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    if let Some(server) = server {
        results.know("version/clickhouse", server.version()?);
        let schema = muster.snapshot().schema();
        let (peer, load) = ClickHouse::load(server, &population.features(), users, schema)?;
        let seconds = population.once("clickhouse_insert_seconds", load.insert_seconds)?;
        know_load(users, "clickhouse", seconds, load.bytes, results);
        peers.push(Box::new(peer));
        peers.push(Box::new(GroupBitmap::new(server, muster)?));
    }
    if options.wants("duckdb") {
        let (peer, load) = DuckDb::load(&options.work, &population.home, users, options.threads)?;
        results.know("version/duckdb", load.version);
        let seconds = population.once("duckdb_load_seconds", load.seconds)?;
        know_load(users, "duckdb", seconds, load.bytes, results);
        peers.push(Box::new(peer));
    }
    if options.wants("roaring") {
        peers.push(Box::new(Library::<RoaringBitmap>::new(leaves)?));
    }
    if options.wants("croaring") {
        peers.push(Box::new(Library::<Bitmap>::new(leaves)?));
    }
    Ok(peers)
}

fn know_build(users: u64, built: &Built, results: &mut Results) {
    results.add(("loading", users), "from parquet", (muster::NAME, 0), "seconds", built.seconds);
    if let Some(bytes) = built.peak_memory_bytes {
        results.add(("loading", users), "from parquet", (muster::NAME, 0), "peak_bytes", bytes as f64);
    }
}

fn know_load(users: u64, who: &str, seconds: Option<f64>, bytes: u64, results: &mut Results) {
    if let Some(seconds) = seconds {
        results.add(("loading", users), "from parquet", (who, 0), "seconds", seconds);
    }
    results.add(("sizes", users), "on disk", (who, 0), "bytes", bytes as f64);
}

/// The workload's bitmaps as Roaring writes them: in the snapshot's order of rows, and in that of user ids.
fn bitmap_sizes(users: u64, leaves: &Leaves, results: &mut Results) {
    let (by_row, by_id) = leaves.sizes();
    if by_row > 0 {
        results.add(("sizes", users), "bitmaps by row", (muster::NAME, 0), "bytes", by_row as f64);
        results.add(("sizes", users), "bitmaps by id", (muster::NAME, 0), "bytes", by_id as f64);
    }
}

/// A condition on the time of last activity that about so many users in a thousand meet.
fn bound(muster: &Muster, share: u32) -> Result<String> {
    let rule = |seconds: i64| format!("last_active_time >= now() - INTERVAL {seconds} SECOND");
    let wanted = muster.users() * u64::from(share) / 1_000;
    let (mut low, mut high) = (0_i64, 10 * 366 * 86_400);
    while low < high {
        let middle = i64::midpoint(low, high);
        if muster.count(&rule(middle))? < wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(rule(low))
}
