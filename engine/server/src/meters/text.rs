//! Prometheus' text format: each metric once with what it is, then its values.

use std::fmt::Write as _;

use super::histogram::Distribution;

/// Metrics as Prometheus reads them.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
}

/// What a value means over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only goes up, from 0 at the start.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Labels of a value.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Text {
    /// A metric with one value and no labels.
    pub(super) fn one(&mut self, kind: Kind, name: &str, help: &str, value: f64) {
        self.many(kind, name, help, [(&[][..], value)]);
    }

    /// A metric with a value for each of some labels.
    pub(super) fn many<'a>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) {
        self.head(name, help, if kind == Kind::Counter { "counter" } else { "gauge" });
        for (labels, value) in values {
            self.line(name, labels, None, value);
        }
    }

    /// Times by buckets, for each of some labels.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a>, Distribution)>,
    ) {
        self.head(name, help, "histogram");
        let (bucket, sum, count) = (format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"));
        for (labels, told) in values {
            for (end, below) in told.buckets {
                self.line(&bucket, labels, Some(&end.to_string()), below as f64);
            }
            self.line(&bucket, labels, Some("+Inf"), told.count as f64);
            self.line(&sum, labels, None, told.seconds);
            self.line(&count, labels, None, told.count as f64);
        }
    }

    /// All of it.
    pub(super) fn end(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: Labels<'_>, le: Option<&str>, value: f64) {
        self.text.push_str(name);
        let mut open = '{';
        for (key, label) in labels.iter().copied().chain(le.map(|end| ("le", end))) {
            let _ = write!(self.text, "{open}{key}=\"");
            for c in label.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.one(Kind::Gauge, "a_bytes", "Bytes.", 3e9);
        text.many(Kind::Counter, "b_total", "How many.", [(&[("x", "1\"\\\n"), ("y", "")][..], 7.0)]);
        let told = Distribution { buckets: vec![(0.00001, 1), (2.5, 2)], count: 3, seconds: 60.25 };
        text.histograms("c_seconds", "How long.", [(&[("m", "Count")][..], told)]);
        let expected = "\
# HELP a_bytes Bytes.
# TYPE a_bytes gauge
a_bytes 3000000000
# HELP b_total How many.
# TYPE b_total counter
b_total{x=\"1\\\"\\\\\\n\",y=\"\"} 7
# HELP c_seconds How long.
# TYPE c_seconds histogram
c_seconds_bucket{m=\"Count\",le=\"0.00001\"} 1
c_seconds_bucket{m=\"Count\",le=\"2.5\"} 2
c_seconds_bucket{m=\"Count\",le=\"+Inf\"} 3
c_seconds_sum{m=\"Count\"} 60.25
c_seconds_count{m=\"Count\"} 3
";
        assert_eq!(text.end(), expected);
    }
}
