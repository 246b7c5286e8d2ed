//! A table in ranges of user ids: every row in exactly one of them.
//!
//! Where the cuts are is a matter of speed alone. The ranges are open at both ends, and a NULL is in the last one, so
//! that whoever reads ids meets it and says so.

use super::options::quoted;

/// Most ranges of a table: each is a query.
const RANGES_MAX: u64 = 1024;

/// How many ranges a table of so many rows is cut into.
pub(super) fn wanted(rows: u64, range_rows: u64) -> u64 {
    rows.div_ceil(range_rows).clamp(1, RANGES_MAX)
}

/// The query for the ids at which to cut.
pub(super) fn cuts_query(user_id: &str, from: &str, ranges: u64) -> String {
    let levels: Vec<String> = (1..ranges).map(|cut| format!("{:.6}", cut as f64 / ranges as f64)).collect();
    format!("SELECT quantiles({})({}) FROM {from}", levels.join(","), quoted(user_id))
}

/// The ids in the answer, ascending and distinct. What is no number, as for a table without rows, is left out.
pub(super) fn cuts(answer: &str) -> Vec<i128> {
    let numbers =
        answer.trim().trim_matches(['[', ']']).split(',').filter_map(|text| text.trim().parse::<f64>().ok());
    let mut cuts: Vec<i128> =
        numbers.filter(|number| number.is_finite()).map(|number| number as i128).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// The conditions that select each range; one that selects everything if there is no cut.
pub(super) fn conditions(user_id: &str, nullable: bool, cuts: &[i128]) -> Vec<Option<String>> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return vec![None] };
    let id = quoted(user_id);
    let null = if nullable { format!(" OR {id} IS NULL") } else { String::new() };
    let between = cuts.windows(2).map(|pair| Some(format!("{id} >= {} AND {id} < {}", pair[0], pair[1])));
    std::iter::once(Some(format!("{id} < {first}")))
        .chain(between)
        .chain([Some(format!("{id} >= {last}{null}"))])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_one_range_and_many_are_not_too_many() {
        assert_eq!((wanted(0, 1000), wanted(1000, 1000), wanted(1001, 1000)), (1, 1, 2));
        assert_eq!(wanted(u64::MAX, 1000), RANGES_MAX);
    }

    #[test]
    fn cuts_are_sorted_whatever_the_server_says() {
        assert_eq!(cuts("[24936,50501.5,1.8446744073709552e19,-3.5,24936]\n"), [-3, 24_936, 50_501, 1 << 64]);
        for empty in ["[nan,nan]", "[]", "", "[NULL]", "\\N", "[inf]"] {
            assert_eq!(cuts(empty), [], "{empty}");
        }
        assert_eq!(cuts_query("id", "`t`", 4), "SELECT quantiles(0.250000,0.500000,0.750000)(`id`) FROM `t`");
    }

    #[test]
    fn every_id_is_in_exactly_one_range() {
        let ids = [i128::from(i64::MIN), -6, -5, -4, 0, 1, 9, 10, 11, 99, 100, i128::from(u64::MAX)];
        for cuts in [vec![], vec![0], vec![-5, 10], vec![-5, 0, 10, 100]] {
            let conditions = conditions("id", true, &cuts);
            assert_eq!(conditions.len(), cuts.len() + 1);
            for id in ids {
                let holds = |condition: &Option<String>| {
                    condition.as_ref().is_none_or(|text| {
                        text.split(" OR ").any(|part| {
                            part.split(" AND ").all(|comparison| {
                                let mut words = comparison.split(' ').skip(1);
                                match (words.next(), words.next().map(str::parse::<i128>)) {
                                    (Some("<"), Some(Ok(bound))) => id < bound,
                                    (Some(">="), Some(Ok(bound))) => id >= bound,
                                    (Some("IS"), _) => false,
                                    other => panic!("{other:?} in {text}"),
                                }
                            })
                        })
                    })
                };
                assert_eq!(
                    conditions.iter().filter(|condition| holds(condition)).count(),
                    1,
                    "{id} {cuts:?}"
                );
            }
            // Rows without an id are in the last.
            let null =
                conditions.iter().filter(|text| text.as_ref().is_none_or(|text| text.contains("IS NULL")));
            assert_eq!(null.count(), 1);
        }
    }
}
