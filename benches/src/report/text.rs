//! Numbers and tables as Markdown.

/// A time, with the unit that suits it.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{} us", short(n / 1e3)),
        n if n < 1e9 => format!("{} ms", short(n / 1e6)),
        n => format!("{} s", short(n / 1e9)),
    }
}

/// Three digits or so.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// How many times.
pub(crate) fn times(ratio: f64) -> String {
    format!("{}x", short(ratio))
}

/// A whole number, with its thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes, in MiB or GiB.
pub(crate) fn bytes(value: f64) -> String {
    let mib = value / f64::from(1 << 20);
    if mib < 1_024.0 { format!("{} MiB", short(mib)) } else { format!("{} GiB", short(mib / 1_024.0)) }
}

/// A number of users, as people say it.
pub(crate) fn users(count: u64) -> String {
    if count >= 1_000_000 && count.is_multiple_of(100_000) {
        format!("{} M", count as f64 / 1e6)
    } else {
        grouped(count as f64)
    }
}

/// A table; columns whose heading starts with `>` go to the right.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let names: Vec<&str> = heading.iter().map(|name| name.trim_start_matches('>')).collect();
    let marks: Vec<&str> =
        heading.iter().map(|name| if name.starts_with('>') { "---:" } else { "---" }).collect();
    let mut lines = vec![format!("| {} |", names.join(" | ")), format!("| {} |", marks.join(" | "))];
    for row in rows {
        // A bar ends a cell, even inside of code.
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n") + "\n\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let said = [time(12.4), time(1_234.0), time(45_678.0), time(2.5e8), time(3e9)];
        assert_eq!(said, ["12 ns", "1.23 us", "45.7 us", "250 ms", "3.00 s"]);
        assert_eq!(
            (grouped(1_234_567.0), users(10_000_000), users(200)),
            ("1,234,567".into(), "10 M".into(), "200".into())
        );
        assert_eq!(times(1_234.5), "1,234x");
    }

    #[test]
    fn bars_do_not_end_cells() {
        let table = table(&["a", ">b"], &[vec!["x|y".into(), "1".into()]]);
        assert_eq!(table, "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n\n");
    }
}
