//! How many: counts, previews, profiles, overlaps. All of it heavy, but for what the index or the cache knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::execute::{
    Audience, Breakdown, Histogram, OVERLAP_MAX, Overlap, Preview, Profiler, Scale, Stats, overlap, preview,
};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::outline::Outline;
use muster_engine::schema::ColumnType;

use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};
use crate::generations::{Counted, Form, Generation};

/// Values of a column that are told unless asked for.
const TOP: usize = 10;
/// Most values that are told.
const TOP_MAX: usize = 10_000;
/// Bins of a number column unless asked for.
const BINS: usize = 20;
/// Most bins.
const BINS_MAX: usize = 1_000;
/// Columns of one profile.
const COLUMNS_MAX: usize = 100;

/// A count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    /// Users in the segment.
    pub(crate) count: u64,
    /// Those who did not opt out.
    pub(crate) targetable: u64,
    /// Whether it was known.
    pub(crate) cached: bool,
    /// How long the engine took.
    pub(crate) elapsed: Duration,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// A rule with its counts.
#[derive(Debug, Clone)]
pub(crate) struct Previewed {
    /// The counts of the rule and of its parts.
    pub(crate) preview: Preview,
    /// Users in the segment who did not opt out.
    pub(crate) targetable: u64,
    /// How long the engine took.
    pub(crate) elapsed: Duration,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// What to tell of an audience.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProfileOf {
    /// Columns, keys of maps, lengths of arrays.
    pub(crate) columns: Vec<String>,
    /// Values of each; 0 is as usual.
    pub(crate) top: usize,
    /// Bins of each; 0 is as usual.
    pub(crate) bins: usize,
    /// How bins are laid out.
    pub(crate) scale: Scale,
}

/// An audience by columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    /// Users in the audience.
    pub(crate) count: u64,
    /// The columns, in the order asked.
    pub(crate) columns: Vec<ProfiledColumn>,
    /// How long the engine took.
    pub(crate) elapsed: Duration,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// An audience by one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProfiledColumn {
    /// As it was asked for.
    pub(crate) name: String,
    /// Members by value.
    pub(crate) breakdown: Breakdown,
    /// Members by bins, of numbers and times.
    pub(crate) histogram: Option<Histogram>,
    /// Least, greatest, mean, median of numbers and times.
    pub(crate) stats: Option<Stats>,
}

/// How segments overlap.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overlaps {
    /// Users in both of each two.
    pub(crate) overlap: Overlap,
    /// How long the engine took.
    pub(crate) elapsed: Duration,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// How many users a segment has.
    pub(crate) async fn count(self: &Arc<Self>, ask: &Ask, segment: Segment<'_>) -> Result<Count> {
        let generation = self.generation(ask).await?;
        let book = self.book_for(segment);
        let rule = Self::rule_of(book.as_deref(), segment, ask, || "segment".to_owned())?;
        let origin = Origin::of(&generation, ask);
        let known = generation.counted(&rule);
        if self.config.cached_counts > 0 {
            self.generations.tallies().counts.asked(known.is_some());
        }
        if let Some(Counted { count, targetable, .. }) = known {
            return Ok(Count { count, targetable, cached: true, elapsed: Duration::ZERO, origin });
        }
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let is_known = audience.is_known();
        let service = Arc::clone(self);
        let answer = move || Ok(service.evaluated(&[&audience], || counted(&audience, origin)));
        let masks = generation.snapshot().masks_version();
        // What the index knows is not evaluated, so it need not wait for what is.
        let count = if is_known { answer()? } else { self.heavily(ask, answer).await? };
        let Count { count: users, targetable, .. } = count;
        generation.remember(rule, Counted { count: users, targetable, masks });
        Ok(count)
    }

    /// The counts of a rule and of its parts, and what each part costs.
    pub(crate) async fn preview(self: &Arc<Self>, ask: &Ask, segment: Segment<'_>) -> Result<Previewed> {
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let book = self.book_for(segment);
        let rule = Self::rule_of(book.as_deref(), segment, ask, || "segment".to_owned())?;
        let (form, text, caller) = (rule.form, rule.text.to_owned(), ask.caller.clone());
        let service = Arc::clone(self);
        let work = move || {
            let begun = Instant::now();
            let limits = &service.config.rules;
            let schema = generation.snapshot().schema();
            let located = |error| Fault::of_query(located(error, form, &text), "segment");
            let outline = match form {
                Form::Text => Rule::parse(&text, limits).map(|rule| Outline::of(&rule)),
                Form::Json => Outline::from_json(&text, schema, limits),
            };
            let outline = outline.map_err(|error| located(error.into()))?;
            let book = book.unwrap_or_default();
            let labels = book.seen_by(&caller);
            let scope = Scope { now: origin.now, labels: &labels, limits };
            let preview =
                service.evaluated(&[&audience], || preview(generation.snapshot(), &outline, &scope));
            let preview = preview.map_err(located)?;
            let targetable = targetable(&audience, preview.count);
            Ok(Previewed { preview, targetable, elapsed: begun.elapsed(), origin })
        };
        self.heavily(ask, work).await
    }

    /// An audience by columns.
    pub(crate) async fn profile(
        self: &Arc<Self>,
        ask: &Ask,
        segment: Segment<'_>,
        of: ProfileOf,
    ) -> Result<Profile> {
        check_profile(&of)?;
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let service = Arc::clone(self);
        let work = move || {
            let begun = Instant::now();
            let profile = || -> Result<(Vec<ProfiledColumn>, u64)> {
                let wrong = |error: QueryError| Fault::of_query(error, "segment");
                let profiler = audience.profiler().map_err(wrong)?;
                let columns = of.columns.iter().enumerate();
                let columns =
                    columns.map(|(at, name)| service.profiled(&generation, &profiler, name, at, &of));
                Ok((columns.collect::<Result<_>>()?, profiler.count()))
            };
            let (columns, count) = service.evaluated(&[&audience], profile)?;
            Ok(Profile { count, columns, elapsed: begun.elapsed(), origin })
        };
        self.heavily(ask, work).await
    }

    fn profiled(
        &self,
        generation: &Generation,
        profiler: &Profiler<'_>,
        name: &str,
        at: usize,
        of: &ProfileOf,
    ) -> Result<ProfiledColumn> {
        let wrong = |error: QueryError| Fault::of_query(error, &format!("columns[{at}]"));
        let operand = Operand::parse(name, &self.config.rules).map_err(|error| wrong(error.into()))?;
        let top = if of.top == 0 { TOP } else { of.top };
        let name = name.to_owned();
        if !has_numbers(generation, &operand) {
            let breakdown = profiler.breakdown(&operand, top).map_err(wrong)?;
            return Ok(ProfiledColumn { name, breakdown, histogram: None, stats: None });
        }
        // Members are counted by value once, and everything is told from that.
        let column = profiler.column(&operand).map_err(wrong)?;
        let breakdown = column.breakdown(top).map_err(wrong)?;
        let bins = if of.bins == 0 { BINS } else { of.bins };
        let histogram = Some(column.histogram(bins, of.scale).map_err(wrong)?);
        let stats = Some(column.stats(&[0.5]).map_err(wrong)?);
        Ok(ProfiledColumn { name, breakdown, histogram, stats })
    }

    /// How many users each two of some segments share.
    pub(crate) async fn overlap<'a>(
        self: &Arc<Self>,
        ask: &Ask,
        segments: impl ExactSizeIterator<Item = Result<Segment<'a>>>,
    ) -> Result<Overlaps> {
        let found = segments.len();
        if !(2..=OVERLAP_MAX).contains(&found) {
            return Err(Fault::invalid(
                "segments",
                format!("{found} segments do not overlap; give 2 to {OVERLAP_MAX}"),
            ));
        }
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let mut audiences = Vec::with_capacity(found);
        for (at, segment) in segments.enumerate() {
            audiences.push(self.audience(&generation, ask, segment?, || format!("segments[{at}]")).await?);
        }
        let service = Arc::clone(self);
        let work = move || {
            let begun = Instant::now();
            let audiences: Vec<&Audience> = audiences.iter().map(Arc::as_ref).collect();
            let overlap = service.evaluated(&audiences, || overlap(&audiences))?;
            Ok(Overlaps { overlap, elapsed: begun.elapsed(), origin })
        };
        self.heavily(ask, work).await
    }
}

fn counted(audience: &Audience, origin: Origin) -> Count {
    let begun = Instant::now();
    let count = audience.count();
    let targetable = targetable(audience, count);
    Count { count, targetable, cached: false, elapsed: begun.elapsed(), origin }
}

/// How many of so many users did not opt out.
fn targetable(audience: &Audience, count: u64) -> u64 {
    if audience.snapshot().masked().is_some() { audience.count_targetable() } else { count }
}

fn located(error: QueryError, form: Form, text: &str) -> QueryError {
    match error {
        QueryError::Rule(error) if form == Form::Text => QueryError::Rule(error.located_in(text)),
        error => error,
    }
}

fn check_profile(of: &ProfileOf) -> Result<()> {
    if of.columns.is_empty() || of.columns.len() > COLUMNS_MAX {
        let what = format!("{} columns were asked for; give 1 to {COLUMNS_MAX}", of.columns.len());
        return Err(Fault::invalid("columns", what));
    }
    if of.top > TOP_MAX {
        return Err(Fault::invalid("top", format!("{} values are more than the limit of {TOP_MAX}", of.top)));
    }
    if of.bins > BINS_MAX {
        return Err(Fault::invalid(
            "bins",
            format!("{} bins are more than the limit of {BINS_MAX}", of.bins),
        ));
    }
    Ok(())
}

/// Whether what an operand names has a least and a greatest number.
fn has_numbers(generation: &Generation, operand: &Operand) -> bool {
    let column = |name: &str| generation.snapshot().schema().column(name).map(|(_, column)| &column.ty);
    match operand {
        Operand::Length(_) => true,
        Operand::MapValue { column: name, .. } => matches!(column(name), Some(ColumnType::Map(_))),
        Operand::Column(name) => {
            matches!(column(name), Some(ColumnType::Scalar(ty)) if ty.is_number() || ty.is_time())
        }
        Operand::Literal(_) | Operand::Time(_) => false,
    }
}
