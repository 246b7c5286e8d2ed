//! Functions, by name: conditions such as `has`, and values such as `length` and `now`.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart,
};

use sqlparser::tokenizer::Span;

use super::super::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest};
use super::super::error::RuleError;
use super::condition::searchable;
use super::{Reader, hints};

/// A function call with nothing but a plain name and plain arguments.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) args: Vec<Expr>,
    expr: Expr,
}

impl Reader<'_> {
    /// A function call as a condition.
    pub(super) fn function_condition(&self, function: Function) -> Result<Rule, RuleError> {
        let call = self.call(function)?;
        match call.name.as_str() {
            "has" => self.has(&call, HasTest::One),
            "hasAny" => self.has(&call, HasTest::Any),
            "hasAll" => self.has(&call, HasTest::All),
            "empty" | "notEmpty" => {
                let [column] = self.arguments(&call, "(column)")?;
                let column = self.column_of(column, &call.name)?;
                Ok(Rule::Empty { column, negated: call.name == "notEmpty" })
            }
            "startsWith" => {
                let [column, prefix] = self.arguments(&call, "(column, 'prefix')")?;
                let column = self.column_of(column, "startsWith")?;
                let pattern = self.text_of(prefix, "the prefix of startsWith")?;
                Ok(Rule::Text { test: TextTest::StartsWith, column, pattern, negated: false })
            }
            "mapContains" => {
                let [column, key] = self.arguments(&call, "(map, 'key')")?;
                let column = self.column_of(column, "mapContains")?;
                Ok(Rule::MapContains { column, key: self.text_of(key, "the key of mapContains")? })
            }
            "label" => {
                let [name] = self.arguments(&call, "('name')")?;
                Ok(Rule::Label(self.text_of(name, "the name of a label")?))
            }
            "bucket" => self.bucket(&call),
            "at_least" => self.at_least(call),
            "now" | "today" | "toDateTime" | "toDate" | "length" | "array" => Err(self
                .error(&call.expr, format!("{}(...) stands where a condition is expected", call.name))
                .hint("compare it with something, as in length(column) > 2")),
            other => self.spelled_out(other, &call),
        }
    }

    /// Function spellings of what has an operator.
    fn spelled_out(&self, name: &str, call: &Call) -> Result<Rule, RuleError> {
        let compare = match name {
            "equals" => CompareOp::Eq,
            "notEquals" => CompareOp::NotEq,
            "less" => CompareOp::Less,
            "lessOrEquals" => CompareOp::LessEq,
            "greater" => CompareOp::Greater,
            "greaterOrEquals" => CompareOp::GreaterEq,
            _ => {
                let lower = name.to_ascii_lowercase();
                if lower == "isnull" || lower == "isnotnull" {
                    let [value] = self.arguments(call, "(column)")?;
                    let negated = lower == "isnotnull";
                    let test = if negated { "IS NOT NULL" } else { "IS NULL" };
                    return Ok(Rule::IsNull { value: self.tested(value, test)?, negated });
                }
                return Err(self.unknown_function(&call.expr, name));
            }
        };
        let [left, right] = self.arguments(call, "(a, b)")?;
        self.compare(left, compare, right)
    }

    /// A function call as a value.
    pub(super) fn function_value(&self, expr: &Expr, function: &Function) -> Result<Operand, RuleError> {
        let call = self.call(function.clone())?;
        if call.name.eq_ignore_ascii_case("length") {
            let [column] = self.arguments(&call, "(column)")?;
            return Ok(Operand::Length(self.column_of(column, "length")?));
        }
        if hints::CONDITIONS.contains(&call.name.as_str()) {
            return Err(self.condition_as_value(expr));
        }
        match self.time_function(&call)? {
            Some(time) => Ok(Operand::Time(time)),
            None if call.name == "array" => Err(self
                .error(expr, "an array stands where a value is expected")
                .hint("arrays only stand in hasAny and hasAll")),
            None => Err(self.unknown_function(expr, &call.name)),
        }
    }

    fn unknown_function(&self, expr: &Expr, name: &str) -> RuleError {
        self.error(expr, format!("unknown function `{name}`")).hint(hints::for_function(name))
    }

    fn has(&self, call: &Call, test: HasTest) -> Result<Rule, RuleError> {
        let usage = if test == HasTest::One { "(column, 'element')" } else { "(column, ['a', 'b'])" };
        let [column, sought] = self.arguments(call, usage)?;
        let column = self.column_of(column, &call.name)?;
        let sought = match test {
            HasTest::One => vec![sought.clone()],
            HasTest::Any | HasTest::All => self.array(sought, &call.name)?,
        };
        let values: Result<Vec<Literal>, RuleError> = sought
            .iter()
            .map(|value| searchable(self.literal(value)?).map_err(|error| self.located(error, value)))
            .collect();
        Ok(Rule::Has { test, column, values: values? })
    }

    /// The elements of `['a', 'b']` or `array('a', 'b')`.
    fn array(&self, expr: &Expr, function: &str) -> Result<Vec<Expr>, RuleError> {
        match expr {
            Expr::Nested(inner) => self.array(inner, function),
            Expr::Array(array) if !array.named => Ok(array.elem.clone()),
            Expr::Function(inner) => {
                let call = self.call(inner.clone())?;
                if call.name == "array" { Ok(call.args) } else { Err(self.not_an_array(expr, function)) }
            }
            _ => Err(self.not_an_array(expr, function)),
        }
    }

    fn not_an_array(&self, expr: &Expr, function: &str) -> RuleError {
        self.error(expr, format!("the second argument of {function} must be an array of constants"))
            .hint(format!("write {function}(column, ['a', 'b'])"))
    }

    fn at_least(&self, call: Call) -> Result<Rule, RuleError> {
        let mut args = call.args.into_iter();
        let count = args.next().map(|count| (self.number(&count, false), count));
        let k = match count {
            Some((Ok(Number::Int(k)), count)) => {
                u32::try_from(k).map_err(|_| self.error(&count, format!("at_least can't count to {k}")))?
            }
            Some((_, count)) => {
                return Err(self
                    .error(&count, "the first argument of at_least must be a whole number")
                    .hint("write at_least(2, a, b, c)"));
            }
            None => 0,
        };
        let of: Result<Vec<Rule>, RuleError> = args.map(|condition| self.condition(condition)).collect();
        let of = of?;
        if of.is_empty() {
            return Err(self
                .error(&call.expr, "at_least needs a number and conditions")
                .hint("write at_least(2, a, b, c)"));
        }
        Ok(Rule::AtLeast { k, of })
    }

    fn bucket(&self, call: &Call) -> Result<Rule, RuleError> {
        let [salt, low, high] = self.arguments(call, "('salt', 0, 10)")?;
        let salt = self.text_of(salt, "the salt of bucket")?;
        let low_at = low;
        let (low, high) = (self.percent(low)?, self.percent(high)?);
        if low > high {
            let error = self.error(low_at, "bucket's lower bound is above its upper one");
            return Err(error.hint("write the smaller percentage first"));
        }
        Ok(Rule::Bucket { salt, low, high })
    }

    fn percent(&self, expr: &Expr) -> Result<u32, RuleError> {
        hundredths(self.number(expr, false)?).ok_or_else(|| {
            self.error(expr, "bucket's bounds are percentages from 0 to 100 with at most two decimals")
                .hint("write bucket('salt', 0, 12.5)")
        })
    }

    /// Takes a call apart, refusing everything that only other dialects and aggregates have.
    pub(super) fn call(&self, function: Function) -> Result<Call, RuleError> {
        // The arguments are moved out; an error points at the name.
        let expr = Expr::Identifier(match function.name.0.first() {
            Some(ObjectNamePart::Identifier(ident)) => ident.clone(),
            _ => Ident::with_span(Span::empty(), ""),
        });
        let plain = |what: &str| {
            let error = self.error(&expr, format!("{what} is not part of the rule language"));
            error.hint("write name(argument, ...)")
        };
        let name = match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(Ident { value, quote_style: None, .. })] => value.clone(),
            _ => return Err(plain("a quoted or qualified function name")),
        };
        let extras = function.filter.is_some()
            || function.over.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty()
            || !matches!(function.parameters, FunctionArguments::None);
        if extras || function.uses_odbc_syntax {
            return Err(plain("an aggregate or window function"));
        }
        let args = match function.args {
            FunctionArguments::List(list)
                if list.clauses.is_empty() && list.duplicate_treatment.is_none() =>
            {
                list.args
            }
            FunctionArguments::None => return Err(self.unknown_function(&expr, &name)),
            _ => return Err(plain("this kind of argument")),
        };
        let args: Result<Vec<Expr>, RuleError> = args
            .into_iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Ok(arg),
                _ => Err(plain("a named or `*` argument")),
            })
            .collect();
        Ok(Call { name, args: args?, expr })
    }

    /// Exactly `N` arguments.
    pub(super) fn arguments<'c, const N: usize>(
        &self,
        call: &'c Call,
        usage: &str,
    ) -> Result<&'c [Expr; N], RuleError> {
        <&[Expr; N]>::try_from(call.args.as_slice()).map_err(|_| {
            let (name, found) = (&call.name, call.args.len());
            let message = format!("{name} takes {N} argument{}, not {found}", if N == 1 { "" } else { "s" });
            self.error(&call.expr, message).hint(format!("write {name}{usage}"))
        })
    }

    /// Where a call is.
    pub(super) fn call_error(&self, call: &Call, message: impl Into<String>) -> RuleError {
        self.error(&call.expr, message)
    }
}

/// A percentage in hundredths, if it is one and exact.
pub(in super::super) fn hundredths(percent: Number) -> Option<u32> {
    let value = match percent {
        Number::Int(value) => return u32::try_from(value).ok().filter(|v| *v <= 100).map(|v| v * 100),
        Number::Float(value) => value.get(),
    };
    let hundredths = (value * 100.0).round();
    // Two decimals, as exactly as a double can say them.
    let exact = (0.0..=10_000.0).contains(&hundredths) && hundredths / 100.0 == value;
    exact.then_some(hundredths as u32)
}
