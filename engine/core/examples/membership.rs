//! How many membership checks a second one core does: ids in order and at random, one at a time and in batches.
//!
//! `cargo run --release --example membership -- STORE ['RULE']`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{OpenOptions, Snapshot, Store, Trust};

const RULE: &str =
    "twitter_bound AND discord_bound AND email_bound AND NOT bot_warning AND has_galxe_passport";
const CHECKS: usize = 2_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().ok_or("give a store's folder")?;
    let store = Store::open(std::path::Path::new(&store))?;
    let generation = store.current_generation()?.ok_or("the store is empty")?;
    let trusted = OpenOptions { trust: Trust::Verified };
    let snapshot = Arc::new(Snapshot::open_with(&store.generation_dir(generation), trusted)?);
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let rule = Rule::parse(arguments.next().as_deref().unwrap_or(RULE), &limits)?;
    let audience = Audience::new(&snapshot, &rule, &scope)?;
    let rows = snapshot.rows();
    // The place in id order; a plain generator, so that every run asks the same.
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % u64::from(rows)) as u32
    };
    let at = |rank: u32| snapshot.ids().id(snapshot.ids().row_at(rank)?);
    let ordered: Vec<u64> = (0..CHECKS as u32).map(|rank| at(rank % rows)).collect::<Result<_, _>>()?;
    let shuffled: Vec<u64> = (0..CHECKS).map(|_| at(random())).collect::<Result<_, _>>()?;
    snapshot.ids().prepare()?;
    for (order, ids) in [("ids in order", &ordered), ("ids at random", &shuffled)] {
        for round in 0..3 {
            let rate = |started: Instant| ids.len() as f64 / started.elapsed().as_secs_f64() / 1e6;
            let started = Instant::now();
            for &id in ids {
                black_box(snapshot.ids().row(id)?);
            }
            let found = rate(started);
            let started = Instant::now();
            let mut inside = 0;
            for &id in ids {
                inside += u64::from(audience.contains(id)? == Some(true));
            }
            let single = rate(started);
            let started = Instant::now();
            let mut batched = 0;
            for batch in ids.chunks(1000) {
                batched += audience.contains_many(batch)?.iter().filter(|a| **a == Some(true)).count() as u64;
            }
            let batches = rate(started);
            assert_eq!(inside, batched);
            println!(
                "{order}, round {round}: {found:.2} M rows a second, {single:.2} M checks one by one, {batches:.2} M in batches"
            );
        }
    }
    Ok(())
}
