//! What people read: numbers, sizes, durations, tables. What programs read is JSON, by serde.

use std::io::{self, BufWriter, Stdout, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// Standard output, buffered; a closed pipe is an error to pass on, never a panic.
pub(crate) fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(1 << 16, io::stdout())
}

/// One line for people.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// One JSON value and a line end.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// One JSON value over several lines, for reports.
pub(crate) fn json_report(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A computed number to six digits or to the unit, whichever says more: `1,470.59`, `0.176471`, `132,248,303`.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() || value.abs() >= 1e15 {
        return value.to_string();
    }
    let whole_digits = value.abs().log10().floor().max(-6.0) as i32 + 1;
    let text = format!("{:.*}", (6 - whole_digits).max(0) as usize, value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `12.34 %` of a whole; nothing of nothing is nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    format!("{percent:.2} %")
}

/// `1.5 GiB`
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `870 ns`, `83.1 us`, `5.2 ms`, `3.4 s`
pub(crate) fn duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} us", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// Seconds since 1970 as RFC 3339; a number where the calendar ends.
pub(crate) fn time(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).map_or_else(|_| unix_seconds.to_string(), |t| t.to_string())
}

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Columns of text under a heading, two spaces apart.
pub(crate) fn table<const N: usize>(
    out: &mut impl Write,
    heading: [(&str, Align); N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = heading.map(|(name, _)| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: [&str; N]| -> io::Result<()> {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .zip(heading)
            .map(|((cell, width), (_, align))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            })
            .collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(heading.map(|(name, _)| name))?;
    for row in rows {
        line(row.each_ref().map(String::as_str))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(grouped).each_ref()[..]
        );
        assert_eq!(
            [0.0, 1_470.588_235, -0.5, 1e20].map(figure),
            ["0", "1,470.59", "-0.5", "100000000000000000000"]
        );
        assert_eq!(
            [132_248_302.9, 0.176_470_588, 9.999_999_9].map(figure),
            ["132,248,303", "0.176471", "10"]
        );
        assert_eq!((share(1, 8).as_str(), share(0, 0).as_str()), ("12.50 %", "0.00 %"));
        assert_eq!((bytes(1023).as_str(), bytes(1536).as_str()), ("1023 B", "1.5 KiB"));
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(duration(Duration::from_nanos(83_100)), "83.1 us");
        assert_eq!((time(0).as_str(), time(i64::MAX)), ("1970-01-01T00:00:00Z", i64::MAX.to_string()));
    }

    #[test]
    fn a_table_lines_up() {
        let mut out = Vec::new();
        let rows = [["a".into(), "1".into()], ["long".into(), "23".into()]];
        table(&mut out, [("name", Align::Left), ("n", Align::Right)], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name   n\na      1\nlong  23\n");
    }
}
