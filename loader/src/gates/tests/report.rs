//! The report, to the letter.

use super::super::*;

fn count(gate: Gate, of: Option<&str>, before: u64, after: u64, allowed: f64) -> Check {
    Check::of_counts(gate, of, (before, after), Threshold::Share(allowed), 10.0).unwrap()
}

fn share(of: &str, before: f64, after: f64) -> Check {
    let moved = change::of_share(before, after);
    Check::of_shares(Gate::NullRate, of, (before, after), moved, Threshold::Share(0.3), 0.005).unwrap()
}

fn verdict() -> Verdict {
    let gone = Check {
        before: Some(Figure::Text("Nullable(Float64)".into())),
        ..Check::of_words(Gate::Schema, Some("score"), true, Some("the column is gone".into()))
    };
    let unbound = Check {
        before: Some(Figure::Count(12_004)),
        allowed: Some(0.5),
        ..Check::of_words(Gate::RuleCounts, Some("whales"), true, Some("can't be counted: no score".into()))
    };
    Verdict::new(
        Some(7),
        vec![
            count(Gate::Rows, None, 1_000_000, 600_000, 0.1),
            share("balance_usd", 0.251, 0.61),
            share("country", 0.0, 0.0),
            share("kyc", 0.0, 0.00002),
            count(Gate::Distinct, Some("country"), 195, 190, 0.3),
            count(Gate::RuleCounts, Some("has_poh\n  AND NOT bot_warning"), 0, 5_000, 0.3),
            count(Gate::Distinct, Some("chains"), 12, 12, 0.125),
            gone,
            unbound,
        ],
    )
}

#[test]
fn what_moved_is_told_worst_first() {
    let want = "\
5 of 9 checks hold this build back, compared with generation 7
       check                                        before       after    change  allowed
HOLD   schema score                      Nullable(Float64)           -         -        -  the column is gone
HOLD   rule has_poh AND NOT bot_warning                  0       5,000    from 0     30 %
HOLD   rule whales                                  12,004           -         -     50 %  can't be counted: no score
HOLD   null_rate balance_usd                       25.10 %     61.00 %  +143.0 %     30 %
HOLD   rows                                      1,000,000     600,000   -40.0 %     10 %
moved  null_rate kyc                                0.00 %  0.002000 %    from 0     30 %
moved  distinct country                                195         190    -2.6 %     30 %
";
    let told = verdict().text(false);
    assert_eq!(told, want, "\n{told}");
}

#[test]
fn all_of_it_is_told_if_asked() {
    let told = verdict().text(true);
    assert!(told.starts_with(&verdict().text(false)), "{told}");
    let rest = &told[verdict().text(false).len()..];
    let want = "\
same   null_rate country                            0.00 %     0.00 %     +0.0 %     30 %
same   distinct chains                                  12         12     +0.0 %   12.5 %
";
    let squeezed = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(squeezed(rest), squeezed(want));
}

#[test]
fn the_summary_fits_what_was_found() {
    let passed = Verdict::new(Some(3), vec![count(Gate::Rows, None, 100, 101, 0.3)]);
    assert_eq!(passed.text(false).lines().next(), Some("1 of 1 checks passed, compared with generation 3"));
    let one = Verdict::new(Some(3), vec![count(Gate::Rows, None, 100, 1, 0.3)]);
    assert!(one.text(false).starts_with("1 of 1 checks holds this build back, compared with generation 3\n"));
    assert_eq!(Verdict::default().text(true), "nothing was compared with a generation in service\n");
    assert_eq!(
        verdict().reason(),
        "5 of 9 checks: schema score, rule has_poh AND NOT bot_warning, rule whales, null_rate balance_usd, rows"
    );
}

#[test]
fn a_verdict_comes_back_from_its_file() {
    let judged = Judged { malformed_json: Malformed::from([("m".into(), 3)]), verdict: verdict() };
    let back: Judged = serde_json::from_slice(&judged.to_bytes().unwrap()).unwrap();
    assert_eq!(back, judged);
}
