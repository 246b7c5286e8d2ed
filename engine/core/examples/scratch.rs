//! Scratch: times of rules.
use std::sync::Arc;
use std::time::Instant;
use muster_engine::{execute::Audience, rule::{ast::Rule, bind::Scope, labels::NoLabels, limits::Limits}, snapshot::*};
fn med(mut v: Vec<f64>) -> (f64, f64) { v.sort_by(f64::total_cmp); (v[v.len()/2], v[v.len()*99/100]) }
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let store = Store::open(std::path::Path::new(&args[1])).unwrap();
    let snapshot = store.current().unwrap();
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let n: usize = args.get(3).map_or(50, |n| n.parse().unwrap());
    println!("{:>10} {:>9} {:>9} {:>9} {:>9} {:>9}  rule (us)", "count", "parse", "plan", "1 thread", "2 threads", "p99");
    for line in std::fs::read_to_string(&args[2]).unwrap().lines().filter(|l| !l.is_empty() && !l.starts_with("--")) {
        let t = Instant::now();
        let rule = Rule::parse(line, &limits).unwrap();
        let _ = t;
        let mut count = 0;
        let (mut a, mut b, mut c, mut d) = (vec![], vec![], vec![], vec![]);
        for _ in 0..n {
            let t = Instant::now();
            let _r = Rule::parse(line, &limits).unwrap();
            a.push(t.elapsed().as_secs_f64() * 1e6);
            let t = Instant::now();
            let audience = Audience::new(&snapshot, &rule, &scope).unwrap();
            b.push(t.elapsed().as_secs_f64() * 1e6);
            let t = Instant::now();
            count = audience.count();
            d.push(t.elapsed().as_secs_f64() * 1e6);
        }
        let audience = Audience::new(&snapshot, &rule, &scope).unwrap();
        one.install(|| for _ in 0..n {
            let t = Instant::now();
            assert_eq!(count, audience.count());
            c.push(t.elapsed().as_secs_f64() * 1e6);
        });
        println!("{count:>10} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}  {line}", med(a).0, med(b).0, med(c).0, med(d.clone()).0, med(d).1);
    }
}
