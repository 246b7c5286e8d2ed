//! The evaluator and the generators, before anything is compared with them.

#[path = "truth/mod.rs"]
mod truth;

use truth::generate::Rules;
use truth::naive::Naive;
use truth::populate::{self, Options};
use truth::rng::Rng;

/// Rules that hit something say more than rules that never or always hold: most must split their population.
#[test]
fn random_rules_are_valid_and_mostly_selective() {
    let (mut split, mut known, mut all) = (0, 0, 0);
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let table = populate::table(&mut rng, Options { rows: 50, columns: 8, warehouse: seed % 2 == 0 });
        let mut rules = Rules::new(&table, 1_795_168_800, rng.fork());
        for _ in 0..50 {
            let rule = rules.rule();
            let answers = Naive::new(&table, 1_795_168_800, &rules.labels).answers(&rule);
            let members = answers.iter().filter(|&&answer| answer == Some(true)).count();
            split += usize::from(0 < members && members < answers.len());
            known += usize::from(answers.iter().all(Option::is_some));
            all += 1;
        }
        assert_eq!(table.batches(&mut rng).iter().map(|batch| batch.user_ids.len()).sum::<usize>(), 50);
    }
    assert!(split * 3 > all, "{split} of {all} rules split their population");
    assert!(known * 10 < all * 9, "{known} of {all} rules are never unknown");
}

/// What the writer makes of any table is sound, whatever its batches.
#[test]
fn snapshots_of_random_tables_verify() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let rows = populate::rows(&mut rng);
        let columns = rng.below(20);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let built = truth::engine::build(&table, &mut rng).unwrap();
        assert_eq!(built.snapshot.rows() as usize, rows, "seed {seed}");
        let verified = built.snapshot.verify(&|_| {});
        verified.unwrap_or_else(|error| panic!("seed {seed}, {rows} rows: {error}"));
    }
}
