//! The rule's tree, as written: names and literals, nothing resolved against a schema.
//!
//! Text and JSON both parse to it, and it prints back to text, JSON and ClickHouse SQL.

use std::collections::BTreeSet;

/// A condition on a user: true, false or unknown (SQL's three values). Only true is in the audience.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `true` or `false`.
    Const(bool),
    /// All of these; at least two.
    And(Vec<Rule>),
    /// Any of these; at least two.
    Or(Vec<Rule>),
    /// Negation; unknown stays unknown.
    Not(Box<Rule>),
    /// `at_least(k, a, b, ...)`: true when `k` or more are true, false when that can no longer be reached
    /// whatever the unknown ones are, else unknown.
    AtLeast {
        /// How many must hold.
        k: u32,
        /// The conditions.
        of: Vec<Rule>,
    },
    /// A boolean column on its own: `has_poh`.
    Column(String),
    /// `a < b`: column to constant or column to column. Parsing moves a constant on the left to the right.
    Compare {
        /// Left side.
        left: Operand,
        /// Operator.
        op: CompareOp,
        /// Right side.
        right: Operand,
    },
    /// `x BETWEEN low AND high`, both ends included.
    Between {
        /// The tested operand.
        value: Operand,
        /// Lower end.
        low: Operand,
        /// Upper end.
        high: Operand,
        /// `NOT BETWEEN`
        negated: bool,
    },
    /// `x IN (...)`.
    In {
        /// The tested operand.
        value: Operand,
        /// Literals (and time expressions); never empty.
        list: Vec<Operand>,
        /// `NOT IN`
        negated: bool,
    },
    /// `x IS NULL`; never unknown.
    IsNull {
        /// The tested operand.
        value: Operand,
        /// `IS NOT NULL`
        negated: bool,
    },
    /// `LIKE`, `ILIKE`, `startsWith` on a text column.
    Text {
        /// Which test.
        test: TextTest,
        /// Column name.
        column: String,
        /// Pattern, or prefix for `startsWith`.
        pattern: String,
        /// `NOT LIKE`, `NOT ILIKE`; `startsWith` is negated by `Not`.
        negated: bool,
    },
    /// `has`, `hasAny`, `hasAll` on an array column. Unknown on a NULL array.
    Has {
        /// Which test; `has` takes exactly one value.
        test: HasTest,
        /// Column name.
        column: String,
        /// Values looked for.
        values: Vec<Literal>,
    },
    /// `empty(x)` or `notEmpty(x)` on an array or text column. Unknown on NULL.
    Empty {
        /// Column name.
        column: String,
        /// `notEmpty`
        negated: bool,
    },
    /// `mapContains(m, 'k')`. Unknown on a NULL map.
    MapContains {
        /// Column name.
        column: String,
        /// Key.
        key: String,
    },
    /// `label('name')`: the rule of that label.
    Label(String),
    /// `bucket('salt', low, high)`: the users whose stable hash with this salt falls into
    /// `[low, high)` percent. In hundredths of a percent here, 0 to 10,000. Never unknown.
    Bucket {
        /// Names the experiment; another salt is an independent draw.
        salt: String,
        /// Lower end in hundredths of a percent, included.
        low: u32,
        /// Upper end in hundredths of a percent, excluded.
        high: u32,
    },
}

/// What a comparison compares.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A scalar column, or the user id.
    Column(String),
    /// `m['k']`: the number under a key, NULL when absent.
    MapValue {
        /// Column name.
        column: String,
        /// Key.
        key: String,
    },
    /// `length(a)` of an array column.
    Length(String),
    /// A constant.
    Literal(Literal),
    /// A time constant.
    Time(TimeExpr),
}

/// A constant as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// A number, kept as its canonical decimal text (see [`Number`]).
    Number(Number),
    /// `'text'`
    Text(String),
    /// `NULL`: comparing with it is unknown; in a list it is passed over, as the warehouse does.
    Null,
}

/// A number exactly as written. Integers of any size that fit 128 bits stay integers (what ClickHouse
/// reads as an integer); everything with a point or exponent, and `inf`/`nan`, is a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer literal.
    Int(i128),
    /// A float literal. `NaN` equals itself here so that trees can be compared: see [`Number::float`].
    Float(FloatBits),
}

/// A float by its bits, NaN normalised, so that rule trees have an equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FloatBits(u64);

impl FloatBits {
    /// From a value; every NaN becomes the same.
    pub fn new(value: f64) -> Self {
        Self(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }
    /// The value.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Rule {
    /// Names of the columns that it looks at itself, as written; those of labels are theirs.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.add_columns(&mut names);
        names
    }

    fn add_columns<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        let mut add = |operand: &'a Operand| match operand {
            Operand::Column(name) | Operand::Length(name) | Operand::MapValue { column: name, .. } => {
                names.insert(name);
            }
            Operand::Literal(_) | Operand::Time(_) => {}
        };
        match self {
            Self::Const(_) | Self::Label(_) | Self::Bucket { .. } => {}
            Self::And(of) | Self::Or(of) | Self::AtLeast { of, .. } => {
                for part in of {
                    part.add_columns(names);
                }
            }
            Self::Not(of) => of.add_columns(names),
            Self::Compare { left, right, .. } => [left, right].into_iter().for_each(add),
            Self::Between { value, low, high, .. } => [value, low, high].into_iter().for_each(add),
            Self::In { value, list, .. } => {
                add(value);
                list.iter().for_each(add);
            }
            Self::IsNull { value, .. } => add(value),
            Self::Column(column)
            | Self::Text { column, .. }
            | Self::Has { column, .. }
            | Self::Empty { column, .. }
            | Self::MapContains { column, .. } => {
                names.insert(column);
            }
        }
    }

    /// All of these, in normal form: conjunctions inside are merged into this one, one alone is itself,
    /// none is `true`.
    pub fn all(of: Vec<Rule>) -> Rule {
        let mut flat = Vec::with_capacity(of.len());
        for rule in of {
            match rule {
                Rule::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Rule::And(flat) } else { flat.pop().unwrap_or(Rule::Const(true)) }
    }

    /// Any of these, in normal form: disjunctions inside are merged into this one, one alone is itself,
    /// none is `false`.
    pub fn any(of: Vec<Rule>) -> Rule {
        let mut flat = Vec::with_capacity(of.len());
        for rule in of {
            match rule {
                Rule::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() > 1 { Rule::Or(flat) } else { flat.pop().unwrap_or(Rule::Const(false)) }
    }
}

impl Operand {
    /// Whether it is the same for every user.
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Literal(_) | Self::Time(_))
    }
}

impl TimeExpr {
    /// How many shifts there are, and the base.
    pub fn depth(&self) -> usize {
        let mut depth = 1;
        let mut at = self;
        while let Self::Shift { base, .. } = at {
            depth += 1;
            at = base;
        }
        depth
    }

    /// Whether it is a day rather than an instant: a day moved by whole days stays a day.
    pub fn is_day(&self) -> bool {
        match self {
            Self::Today | Self::Date(_) => true,
            Self::Now | Self::DateTime { .. } => false,
            Self::Shift { base, unit, .. } => !unit.is_clock() && base.is_day(),
        }
    }
}

impl TimeUnit {
    /// Whether it counts elapsed seconds, not days of the calendar.
    pub fn is_clock(self) -> bool {
        matches!(self, Self::Second | Self::Minute | Self::Hour)
    }
}

impl CompareOp {
    /// The operator with its sides exchanged: `a < b` is `b > a`.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Eq | Self::NotEq => self,
            Self::Less => Self::Greater,
            Self::LessEq => Self::GreaterEq,
            Self::Greater => Self::Less,
            Self::GreaterEq => Self::LessEq,
        }
    }
}

impl Number {
    /// A float literal.
    pub fn float(value: f64) -> Self {
        Self::Float(FloatBits::new(value))
    }
}

/// A constant on the time line, or a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeExpr {
    /// `now()`: the request's instant, in seconds.
    Now,
    /// `today()`: the request's day in the store's zone.
    Today,
    /// `toDateTime('2026-11-01 00:00:00')`, with an optional zone as second argument.
    DateTime {
        /// As written between the quotes.
        text: String,
        /// Zone, if given.
        zone: Option<String>,
    },
    /// `toDate('2026-11-01')`.
    Date(String),
    /// `base + INTERVAL count unit`; subtraction is a negative count.
    Shift {
        /// What is shifted.
        base: Box<TimeExpr>,
        /// How many units; negative goes back.
        count: i64,
        /// Of what.
        unit: TimeUnit,
    },
}

/// Units of an interval. Months, quarters and years are calendar ones; days and weeks keep the local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TimeUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
}

/// Tests on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTest {
    /// `LIKE`: `%` any bytes, `_` any one character, `\` escapes.
    Like,
    /// `ILIKE`: the same, ignoring case.
    ILike,
    /// `startsWith(column, prefix)`, by bytes.
    StartsWith,
}

/// Tests on arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasTest {
    /// `has(a, x)`
    One,
    /// `hasAny(a, [..])`
    Any,
    /// `hasAll(a, [..])`
    All,
}
