//! Random rules that are valid for a table, of every form, in the normal form that parsing gives, with half of the
//! literals taken from the table's data.

use muster_engine::rule::ast::{
    CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest, TimeExpr, TimeUnit,
};
use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};

use super::cell::Cell;
use super::labels;
use super::literals::literal_of;
use super::naive::LabelRules;
use super::rng::Rng;
use super::table::Table;
use super::time::{self, Clock, NANOS};

const EQUALITY: [CompareOp; 2] = [CompareOp::Eq, CompareOp::NotEq];
const ANY_ORDER: [CompareOp; 6] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Less,
    CompareOp::LessEq,
    CompareOp::Greater,
    CompareOp::GreaterEq,
];

/// Draws rules for one table.
pub struct Rules<'t> {
    table: &'t Table,
    clock: Clock,
    rng: Rng,
    /// Labels that drawn rules may use.
    pub labels: LabelRules,
    /// Parts of the rule being drawn, to be used again in it.
    seen: Vec<Rule>,
}

/// What a column's values can be compared with.
#[derive(PartialEq, Clone, Copy)]
enum Family {
    Bool,
    Number,
    Time,
    Text,
    /// Equality only, and only with literals.
    Named,
    Address,
}

fn family(ty: &ScalarType) -> Family {
    match ty {
        ScalarType::Bool => Family::Bool,
        ScalarType::Int { .. }
        | ScalarType::UInt { .. }
        | ScalarType::Float { .. }
        | ScalarType::Decimal { .. } => Family::Number,
        ScalarType::Date | ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. } => Family::Time,
        ScalarType::String => Family::Text,
        ScalarType::Enum | ScalarType::Uuid => Family::Named,
        ScalarType::Ipv4 | ScalarType::Ipv6 => Family::Address,
    }
}

impl<'t> Rules<'t> {
    /// Rules over this table as of `now`, with a few labels of their own.
    pub fn new(table: &'t Table, now: i64, mut rng: Rng) -> Self {
        let clock = Clock::new(&table.schema.time_zone, now);
        let labels = rng.below(4);
        let mut rules = Self { table, clock, rng, labels: LabelRules::new(), seen: Vec::new() };
        for label in 0..labels {
            // A label may use those before it.
            let rule = rules.rule();
            rules.labels.insert(format!("label {label}"), rule);
        }
        for at in 0..rules.rng.skewed(3) {
            let (name, rule) = rules.list(at);
            rules.labels.insert(name, rule);
        }
        rules
    }

    /// A static list of users, some of whom are strangers.
    fn list(&mut self, at: usize) -> (String, Rule) {
        let known = &self.table.user_ids;
        let most = *self.rng.pick(&[0, 2, known.len() / 20, known.len()]);
        let mut users: Vec<u64> =
            (0..most.min(known.len())).map(|_| known[self.rng.below(known.len())]).collect();
        users.extend((0..self.rng.below(3)).map(|_| self.rng.next()));
        labels::list(at, &self.table.schema.user_id, users)
    }

    pub fn rule(&mut self) -> Rule {
        self.seen.clear();
        let depth = self.rng.skewed(5);
        self.nested(depth)
    }

    fn nested(&mut self, depth: usize) -> Rule {
        if !self.seen.is_empty() && self.rng.one_in(12) {
            return self.rng.pick(&self.seen).clone();
        }
        if depth == 0 {
            return self.leaf();
        }
        let rule = match self.rng.below(20) {
            0..6 => Rule::all(self.several(2, 4, depth)),
            6..11 => Rule::any(self.several(2, 4, depth)),
            11..14 => Rule::Not(Box::new(self.nested(depth - 1))),
            14..16 => {
                let of = self.several(1, 7, depth);
                Rule::AtLeast { k: 1 + self.rng.below(of.len()) as u32, of }
            }
            16 if self.rng.one_in(2) => self.chain(),
            16 => {
                // Always true, or always false, but for unknowns.
                let part = self.nested(depth - 1);
                let both = vec![part.clone(), Rule::Not(Box::new(part))];
                if self.rng.one_in(2) { Rule::all(both) } else { Rule::any(both) }
            }
            _ => self.leaf(),
        };
        self.seen.push(rule.clone());
        rule
    }

    /// One column equal to one of several constants, the long way: servers make a list of it.
    fn chain(&mut self) -> Rule {
        for _ in 0..20 {
            if let Rule::In { value, list, negated } = self.leaf() {
                let op = if negated { CompareOp::NotEq } else { CompareOp::Eq };
                let each = list.into_iter().map(|right| Rule::Compare { left: value.clone(), op, right });
                return if negated { Rule::all(each.collect()) } else { Rule::any(each.collect()) };
            }
        }
        self.leaf()
    }

    fn several(&mut self, least: usize, most: usize, depth: usize) -> Vec<Rule> {
        let count = self.rng.between(least as i64, most as i64);
        (0..count).map(|_| self.nested(depth - 1)).collect()
    }

    pub fn leaf(&mut self) -> Rule {
        let columns = self.table.schema.columns.len();
        match self.rng.below(40) {
            0 => Rule::Const(self.rng.one_in(2)),
            1 | 2 => self.bucket(),
            3 | 4 if !self.labels.is_empty() => {
                Rule::Label(self.labels.keys().nth(self.rng.below(self.labels.len())).unwrap().clone())
            }
            5 | 6 => {
                let id = Operand::Column(self.table.schema.user_id.clone());
                self.test_of(id, &ScalarType::UInt { bits: 64 }, None)
            }
            _ if columns == 0 => self.bucket(),
            _ => {
                let column = self.rng.below(columns);
                self.column_leaf(column)
            }
        }
    }

    fn bucket(&mut self) -> Rule {
        let (a, b) = (self.rng.below(10_001) as u32, self.rng.below(10_001) as u32);
        let salt = ["exp-42", "", "a longer salt, of more than thirty-two bytes", "größe"][self.rng.below(4)];
        Rule::Bucket { salt: salt.into(), low: a.min(b), high: a.max(b) }
    }

    fn column_leaf(&mut self, index: usize) -> Rule {
        let schema = &self.table.schema.columns[index];
        let column = schema.name.clone();
        let whole = Operand::Column(column.clone());
        match &schema.ty {
            _ if self.rng.one_in(12) => Rule::IsNull { value: whole, negated: self.rng.one_in(2) },
            ColumnType::Scalar(ScalarType::Bool) if self.rng.one_in(2) => Rule::Column(column),
            ColumnType::Scalar(ScalarType::String) if self.rng.one_in(2) => self.text_leaf(index, column),
            ColumnType::Scalar(ty) => self.test_of(whole, &ty.clone(), Some(index)),
            ColumnType::Array(ty) => match self.rng.below(8) {
                0 => Rule::Empty { column, negated: self.rng.one_in(2) },
                1 => self.length_leaf(column),
                _ => self.has(index, column, &ty.clone()),
            },
            ColumnType::Map(ty) => {
                let ty = ty.clone();
                let key = self.map_key(index);
                if self.rng.one_in(6) {
                    return Rule::MapContains { column, key };
                }
                let value = Operand::MapValue { column, key };
                if self.rng.one_in(6) {
                    return Rule::IsNull { value, negated: self.rng.one_in(2) };
                }
                self.test_of(value, &ty, Some(index))
            }
        }
    }

    fn map_key(&mut self, index: usize) -> String {
        for _ in 0..8 {
            if let Some(Cell::Map(entries)) = self.random_cell(index)
                && !entries.is_empty()
            {
                return self.rng.pick(entries).0.clone();
            }
        }
        "NO SUCH TOKEN".into()
    }

    fn random_cell(&mut self, index: usize) -> Option<&'t Cell> {
        let cells = &self.table.columns[index];
        (!cells.is_empty()).then(|| &cells[self.rng.below(cells.len())])
    }

    fn length_leaf(&mut self, column: String) -> Rule {
        let value = Operand::Length(column);
        let number =
            |rng: &mut Rng| Operand::Literal(Literal::Number(Number::Int(rng.between(-1, 5).into())));
        match self.rng.below(4) {
            0 => {
                let (low, high) = (number(&mut self.rng), number(&mut self.rng));
                Rule::Between { value, low, high, negated: self.rng.one_in(2) }
            }
            1 => {
                let list = (0..=self.rng.below(3)).map(|_| number(&mut self.rng)).collect();
                Rule::In { value, list, negated: self.rng.one_in(2) }
            }
            _ => Rule::Compare { left: value, op: *self.rng.pick(&ANY_ORDER), right: number(&mut self.rng) },
        }
    }

    fn has(&mut self, index: usize, column: String, ty: &ScalarType) -> Rule {
        let test = *self.rng.pick(&[HasTest::One, HasTest::Any, HasTest::All]);
        let count = if test == HasTest::One { 1 } else { self.rng.below(4) };
        let values = (0..count).map(|_| self.literal(ty, Some(index))).collect();
        Rule::Has { test, column, values }
    }

    /// LIKE and its kin on a text column.
    fn text_leaf(&mut self, index: usize, column: String) -> Rule {
        // What LIKE finds in bytes that are no text is nobody's business.
        let utf8 = self.table.columns[index].iter().all(|cell| match cell {
            Cell::Text(text) => std::str::from_utf8(text).is_ok(),
            _ => true,
        });
        let Literal::Text(text) = self.literal(&ScalarType::String, Some(index)) else { unreachable!() };
        let chars: Vec<char> = text.chars().collect();
        let negated = self.rng.one_in(3);
        let test = match self.rng.below(4) {
            0 => return Rule::Empty { column, negated },
            1 => TextTest::StartsWith,
            2 if utf8 => TextTest::Like,
            _ if utf8 => TextTest::ILike,
            _ => TextTest::StartsWith,
        };
        if test == TextTest::StartsWith {
            let pattern = chars[..self.rng.below(chars.len() + 1)].iter().collect();
            return Rule::Text { test, column, pattern, negated: false };
        }
        let pattern = self.pattern(&chars, test == TextTest::ILike);
        Rule::Text { test, column, pattern, negated }
    }

    /// The text with some of it made wild, and its case changed where that must not matter.
    fn pattern(&mut self, chars: &[char], any_case: bool) -> String {
        let mut pattern = String::new();
        let (start, end) = (self.rng.one_in(3), self.rng.one_in(3));
        if start {
            pattern.push('%');
        }
        let skip = if start { self.rng.below(chars.len() + 1) } else { 0 };
        for &c in &chars[skip..] {
            match self.rng.below(12) {
                0 => pattern.push('_'),
                1 => pattern.push('%'),
                2 if any_case => pattern.extend(c.to_uppercase()),
                3 if any_case => pattern.extend(c.to_lowercase()),
                4 if end => break,
                _ => {
                    if matches!(c, '%' | '_' | '\\') {
                        pattern.push('\\');
                    }
                    pattern.push(c);
                }
            }
        }
        if end {
            pattern.push('%');
        }
        pattern
    }

    /// A comparison, range, list or NULL test of a scalar operand.
    fn test_of(&mut self, value: Operand, ty: &ScalarType, index: Option<usize>) -> Rule {
        let equality_only = family(ty) == Family::Named;
        let negated = self.rng.one_in(3);
        match self.rng.below(12) {
            0 => Rule::IsNull { value, negated },
            1..4 if !equality_only => {
                let (mut low, mut high) = (self.other(ty, index), self.other(ty, index));
                match self.rng.below(24) {
                    0 => low = Operand::Literal(Literal::Null),
                    1 => high = Operand::Literal(Literal::Null),
                    _ => {}
                }
                Rule::Between { value, low, high, negated }
            }
            4..6 => {
                let count = if self.rng.one_in(30) { 200 } else { 1 + self.rng.below(5) };
                let mut list: Vec<_> = (0..count).map(|_| self.constant(ty, index)).collect();
                if self.rng.one_in(8) {
                    list.push(Operand::Literal(Literal::Null));
                }
                self.rng.shuffle(&mut list);
                Rule::In { value, list, negated }
            }
            _ => {
                let (mut ops, mut right) = (&ANY_ORDER[..], self.other(ty, index));
                if equality_only {
                    ops = &EQUALITY;
                }
                match self.rng.below(40) {
                    0 => right = Operand::Literal(Literal::Null),
                    1..8 if matches!(family(ty), Family::Named | Family::Address) => {
                        // Another column of the very same type: equality only.
                        if let Some(column) = self.column_of(ty) {
                            (ops, right) = (&EQUALITY, column);
                        }
                    }
                    _ => {}
                }
                Rule::Compare { left: value, op: *self.rng.pick(ops), right }
            }
        }
    }

    fn column_of(&mut self, ty: &ScalarType) -> Option<Operand> {
        let same = |column: &&ColumnSchema| column.ty == ColumnType::Scalar(ty.clone());
        let found: Vec<_> = self.table.schema.columns.iter().filter(same).collect();
        (!found.is_empty()).then(|| Operand::Column(self.rng.pick(&found).name.clone()))
    }

    /// A constant or another column of the same family.
    fn other(&mut self, ty: &ScalarType, index: Option<usize>) -> Operand {
        if self.rng.one_in(6) && !matches!(family(ty), Family::Named | Family::Address) {
            let mut found = Vec::new();
            for (index, column) in self.table.schema.columns.iter().enumerate() {
                match &column.ty {
                    ColumnType::Scalar(other) if family(other) == family(ty) => {
                        found.push(Operand::Column(column.name.clone()));
                    }
                    ColumnType::Scalar(ScalarType::Bool) if family(ty) == Family::Number => {
                        found.push(Operand::Column(column.name.clone()));
                    }
                    ColumnType::Map(_) if family(ty) == Family::Number => {
                        found.push(Operand::MapValue {
                            column: column.name.clone(),
                            key: self.map_key(index),
                        });
                    }
                    ColumnType::Array(_) if family(ty) == Family::Number => {
                        found.push(Operand::Length(column.name.clone()));
                    }
                    _ => {}
                }
            }
            if family(ty) == Family::Number {
                found.push(Operand::Column(self.table.schema.user_id.clone()));
            }
            if !found.is_empty() {
                return self.rng.pick(&found).clone();
            }
        }
        self.constant(ty, index)
    }

    fn constant(&mut self, ty: &ScalarType, index: Option<usize>) -> Operand {
        if family(ty) == Family::Time && self.rng.one_in(2) {
            return Operand::Time(self.time());
        }
        Operand::Literal(self.literal(ty, index))
    }

    /// A literal of this type: from the data, near it, or anything.
    fn literal(&mut self, ty: &ScalarType, index: Option<usize>) -> Literal {
        let from_data = match index {
            Some(index) => self.cell_of(index).and_then(|cell| literal_of(cell, ty, &self.clock)),
            None if self.table.rows() > 0 => {
                let id = self.table.user_ids[self.rng.below(self.table.rows())];
                Some(Literal::Number(Number::Int(id.into())))
            }
            None => None,
        };
        match from_data {
            Some(Literal::Number(Number::Int(value))) if self.rng.one_in(3) => self.near(value, ty),
            Some(literal) if !self.rng.one_in(4) => literal,
            _ => self.any_literal(ty),
        }
    }

    fn near(&mut self, value: i128, ty: &ScalarType) -> Literal {
        let number = match self.rng.below(4) {
            0 if !matches!(ty, ScalarType::Decimal { .. }) => Number::float(value as f64 + 0.5),
            1 if value.unsigned_abs() < 1 << 53 => Number::float(value as f64),
            _ => Number::Int(value.saturating_add(self.rng.between(-1, 1).into())),
        };
        Literal::Number(number)
    }

    /// A value of the column: an element of an array, a number of a map.
    fn cell_of(&mut self, index: usize) -> Option<&'t Cell> {
        for _ in 0..4 {
            match self.random_cell(index)? {
                Cell::Array(elements) if !elements.is_empty() => return Some(self.rng.pick(elements)),
                Cell::Map(entries) if !entries.is_empty() => return Some(&self.rng.pick(entries).1),
                Cell::Array(_) | Cell::Map(_) | Cell::Null => {}
                cell => return Some(cell),
            }
        }
        None
    }

    fn any_literal(&mut self, ty: &ScalarType) -> Literal {
        let rng = &mut self.rng;
        match family(ty) {
            // A truth value is also the number 0 or 1.
            Family::Bool => match rng.below(8) {
                0 => Literal::Number(Number::Int(rng.between(-1, 2).into())),
                1 => Literal::Number(Number::float(0.5)),
                _ => Literal::Bool(rng.one_in(2)),
            },
            Family::Number => Literal::Number(match rng.below(12) {
                0 => {
                    Number::Int(*rng.pick(&[i128::from(u64::MAX), i128::from(i64::MIN), 1 << 64, -(1 << 70)]))
                }
                1 => Number::float(*rng.pick(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 0.0])),
                2 => Number::float(*rng.pick(&[1e300, -1e300, 5e-324])).only_beside(ty),
                3..6 => Number::float(rng.between(-40, 400) as f64 / 8.0),
                _ => Number::Int(rng.between(-5, 1000).into()),
            }),
            Family::Time => {
                let date = time::date(20_500 + rng.below(300) as i32).to_string();
                Literal::Text(match rng.below(3) {
                    0 if *ty != ScalarType::Date => format!("{date} {:02}:30:00", rng.below(24)),
                    1 if matches!(ty, ScalarType::DateTime64 { .. }) => format!("{date} 12:00:00.123456"),
                    _ => date,
                })
            }
            Family::Text => Literal::Text((*rng.pick(&["", "usdt", "zzz", "m", "É", "🦀"])).into()),
            Family::Named if *ty == ScalarType::Enum => Literal::Text("none".into()),
            Family::Named => Literal::Text("61f0c404-5cb3-11e7-907b-a6006ad3dba0".into()),
            Family::Address if *ty == ScalarType::Ipv4 => Literal::Text("10.0.0.1".into()),
            Family::Address => Literal::Text("2001:db8::1".into()),
        }
    }

    /// A time that every type of time can be compared with: from 1971 to 2105, also on the way there.
    fn time(&mut self) -> TimeExpr {
        let base = match self.rng.below(6) {
            0 => TimeExpr::Now,
            1 => TimeExpr::Today,
            2 => TimeExpr::Date(time::date(20_500 + self.rng.below(300) as i32).to_string()),
            _ => {
                let zone = self.rng.one_in(4).then(|| (*self.rng.pick(&["UTC", "Asia/Tokyo"])).to_owned());
                let date = time::date(20_300 + self.rng.below(800) as i32);
                let (hour, minute) = (self.rng.below(24), *self.rng.pick(&[0, 15, 30, 59]));
                TimeExpr::DateTime { text: format!("{date} {hour:02}:{minute:02}:00"), zone }
            }
        };
        let mut time = base;
        for _ in 0..self.rng.skewed(3) {
            let unit = *self.rng.pick(&[
                TimeUnit::Second,
                TimeUnit::Minute,
                TimeUnit::Hour,
                TimeUnit::Day,
                TimeUnit::Week,
                TimeUnit::Month,
                TimeUnit::Quarter,
                TimeUnit::Year,
            ]);
            let count = if self.rng.one_in(3) { self.rng.between(-40, 40) } else { self.rng.between(-3, 3) };
            let shifted = TimeExpr::Shift { base: Box::new(time.clone()), count, unit };
            if self.in_range(&shifted) {
                time = shifted;
            }
        }
        time
    }

    fn in_range(&self, time: &TimeExpr) -> bool {
        let nanos = match self.clock.evaluate(time) {
            super::compare::Value::Day(_, nanos) | super::compare::Value::Instant(nanos) => nanos,
            other => panic!("{other:?} is no time"),
        };
        (365 * 86_400..4_260_000_000).contains(&(nanos / NANOS))
    }
}

/// Leaves out what a test cannot say exactly beside a type.
trait OnlyBeside {
    fn only_beside(self, ty: &ScalarType) -> Self;
}

impl OnlyBeside for Number {
    fn only_beside(self, ty: &ScalarType) -> Self {
        if matches!(ty, ScalarType::Decimal { .. }) { Number::Int(0) } else { self }
    }
}
