//! Plots as SVG: lines or dots over linear or logarithmic axes, 800 pixels wide, with a legend.
//!
//! No more than the page needs. Text has the font of the reader's system.

use std::fmt::Write as _;

const WIDTH: f64 = 800.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 46.0;

/// How values become places on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Evenly.
    Linear,
    /// By powers of ten.
    Log,
}

/// One axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    /// What is on it.
    pub(crate) title: String,
    /// How.
    pub(crate) scale: Scale,
    /// What a value is called.
    pub(crate) label: fn(f64) -> String,
}

/// Points under one name.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// What the legend calls it.
    pub(crate) name: String,
    /// As SVG says it.
    pub(crate) colour: &'static str,
    /// Where its points are.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot of lines with dots.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) title: String,
    /// From left to right.
    pub(crate) x: Axis,
    /// From bottom to top.
    pub(crate) y: Axis,
    /// What is drawn.
    pub(crate) series: Vec<Series>,
    /// Names of the whole numbers on the y axis from 0 on, the first on top; the points are then dots without lines.
    pub(crate) rows: Vec<String>,
}

/// A stretch of values, and the pixels it covers.
struct Span {
    scale: Scale,
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Span {
    fn new(scale: Scale, values: impl Iterator<Item = f64>, (start, end): (f64, f64)) -> Self {
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (from, to) = (from.min(value), to.max(value));
        }
        if from > to {
            (from, to) = (1.0, 10.0);
        }
        match scale {
            Scale::Log => (from, to) = (10_f64.powf(from.log10().floor()), 10_f64.powf(to.log10().ceil())),
            Scale::Linear => from = from.min(0.0),
        }
        if from == to {
            to = from + 1.0;
        }
        Self { scale, from, to, start, end }
    }

    fn at(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value / self.from).log10() / (self.to / self.from).log10(),
        };
        self.start + share * (self.end - self.start)
    }

    /// Values that deserve a line: powers of ten, or about ten even steps.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Log => {
                let (from, to) = (self.from.log10().round() as i32, self.to.log10().round() as i32);
                (from..=to).map(|power| 10_f64.powi(power)).collect()
            }
            Scale::Linear => {
                let rough = (self.to - self.from) / 10.0;
                let unit = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|by| by * unit).into_iter().find(|&step| step >= rough);
                let step = step.unwrap_or(rough);
                let first = (self.from / step).ceil() as i64;
                let last = (self.to / step * 1.000_001).floor() as i64;
                (first..=last).map(|n| n as f64 * step).collect()
            }
        }
    }
}

impl Plot {
    /// The plot as SVG.
    pub(crate) fn svg(&self) -> String {
        let rows = self.rows.len() as f64;
        let (left, height) =
            if self.rows.is_empty() { (LEFT, 460.0) } else { (170.0, TOP + BOTTOM + rows * 15.0) };
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Span::new(self.x.scale, points().map(|p| p.0), (left, WIDTH - RIGHT));
        let y = if self.rows.is_empty() {
            Span::new(self.y.scale, points().map(|p| p.1), (height - BOTTOM, TOP))
        } else {
            Span { scale: Scale::Linear, from: -0.5, to: rows - 0.5, start: TOP, end: height - BOTTOM }
        };
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        text(&mut out, (WIDTH / 2.0, 20.0), "middle", "font-size=\"15\" font-weight=\"bold\"", &self.title);
        self.legend(&mut out);
        self.grid(&mut out, &x, &y);
        // The first is what the plot is about: on top of the others.
        for series in self.series.iter().rev() {
            self.draw(&mut out, series, &x, &y);
        }
        out += "</svg>\n";
        out
    }

    fn legend(&self, out: &mut String) {
        let widths: Vec<f64> =
            self.series.iter().map(|s| 26.0 + 6.8 * s.name.chars().count() as f64).collect();
        let mut at = (WIDTH - widths.iter().sum::<f64>()).max(0.0) / 2.0;
        for (series, width) in self.series.iter().zip(widths) {
            let colour = series.colour;
            let _ = writeln!(out, "<circle cx=\"{:.1}\" cy=\"38\" r=\"5\" fill=\"{colour}\"/>", at + 6.0);
            text(out, (at + 15.0, 42.0), "start", "", &series.name);
            at += width;
        }
    }

    fn grid(&self, out: &mut String, x: &Span, y: &Span) {
        for tick in x.ticks() {
            let at = x.at(tick);
            line(out, (at, y.start), (at, y.end));
            let below = y.start.max(y.end) + 16.0;
            text(out, (at, below), "middle", "fill=\"#444444\"", &(self.x.label)(tick));
        }
        if self.rows.is_empty() {
            for tick in y.ticks() {
                line(out, (x.start, y.at(tick)), (x.end, y.at(tick)));
                let place = (x.start - 6.0, y.at(tick) + 4.0);
                text(out, place, "end", "fill=\"#444444\"", &(self.y.label)(tick));
            }
        }
        for (row, name) in self.rows.iter().enumerate() {
            let at = y.at(row as f64);
            line(out, (x.start, at), (x.end, at));
            text(out, (x.start - 6.0, at + 4.0), "end", "font-size=\"11\"", name);
        }
        let below = y.start.max(y.end) + 36.0;
        text(out, (f64::midpoint(x.start, x.end), below), "middle", "", &self.x.title);
        let middle = f64::midpoint(y.start, y.end);
        let turned = format!("transform=\"rotate(-90 14 {middle:.1})\"");
        text(out, (14.0, middle), "middle", &turned, &self.y.title);
    }

    fn draw(&self, out: &mut String, series: &Series, x: &Span, y: &Span) {
        let colour = series.colour;
        let places: Vec<(f64, f64)> = series.points.iter().map(|&(a, b)| (x.at(a), y.at(b))).collect();
        if self.rows.is_empty() {
            let path: Vec<String> = places.iter().map(|(a, b)| format!("{a:.1},{b:.1}")).collect();
            let path = path.join(" ");
            let _ = writeln!(
                out,
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            );
        }
        for (a, b) in places {
            let _ = writeln!(out, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"4\" fill=\"{colour}\"/>");
        }
    }
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{content}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_scale_says() {
        let span = Span::new(Scale::Log, [3.0, 800.0].into_iter(), (0.0, 300.0));
        assert_eq!((span.from, span.to), (1.0, 1_000.0));
        assert!((span.at(10.0) - 100.0).abs() < 1e-9);
        assert_eq!(span.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        let span = Span::new(Scale::Linear, [2.0, 10.0].into_iter(), (0.0, 100.0));
        assert_eq!((span.at(5.0), span.ticks().len()), (50.0, 11));
        assert!(Span::new(Scale::Linear, std::iter::empty(), (0.0, 1.0)).at(1.0).is_finite());
    }
}
