//! ClickHouse's types, read from the text it prints.
//!
//! The text comes from a server, so any text gives a type or nothing; it must never panic.

use std::collections::HashMap;

/// A type that a column may have, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int {
        bits: u16,
    },
    UInt {
        bits: u16,
    },
    Float {
        bits: u16,
    },
    Decimal {
        precision: u8,
        scale: u8,
    },
    Date,
    Date32,
    DateTime {
        zone: Option<String>,
    },
    DateTime64 {
        scale: u8,
        zone: Option<String>,
    },
    String,
    FixedString(usize),
    /// Names by their number; held in 8 or 16 bits.
    Enum {
        bits: u16,
        names: HashMap<i16, String>,
    },
    Uuid,
    Ipv4,
    Ipv6,
    Nullable(Box<Type>),
    LowCardinality(Box<Type>),
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
}

impl Type {
    /// The type that this text names, if it is one of those above.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Deeper than anything supported; a server may print anything.
        Self::parse_at(text.trim(), 0)
    }

    fn parse_at(text: &str, depth: u8) -> Option<Self> {
        if depth > 8 {
            return None;
        }
        let inner = |text: &str| Self::parse_at(text, depth + 1).map(Box::new);
        let Some((name, arguments)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
            return Self::plain(text);
        };
        let arguments = split(arguments);
        let first = *arguments.first()?;
        let scale = |at: usize| arguments.get(at).and_then(|text| text.parse::<u8>().ok());
        let zone = |at: usize| {
            arguments.get(at).map(|text| unquoted(text)).map_or(Some(None), |zone| zone.map(Some))
        };
        Some(match (name, arguments.len()) {
            ("Nullable", 1) => Self::Nullable(inner(first)?),
            ("LowCardinality", 1) => Self::LowCardinality(inner(first)?),
            ("Array", 1) => Self::Array(inner(first)?),
            ("Map", 2) => Self::Map(inner(first)?, inner(arguments[1])?),
            // The same on the wire; only the engine cares for the function.
            ("SimpleAggregateFunction", 2) => *inner(arguments[1])?,
            ("FixedString", 1) => Self::FixedString(first.parse().ok().filter(|&length| length > 0)?),
            ("Decimal", 2) => Self::Decimal { precision: scale(0)?, scale: scale(1)? },
            ("DateTime", 1) => Self::DateTime { zone: zone(0)? },
            ("DateTime64", 1 | 2) => {
                Self::DateTime64 { scale: scale(0).filter(|&scale| scale <= 9)?, zone: zone(1)? }
            }
            ("Enum8", _) => Self::Enum { bits: 8, names: names(&arguments)? },
            ("Enum16", _) => Self::Enum { bits: 16, names: names(&arguments)? },
            _ => return None,
        })
    }

    fn plain(name: &str) -> Option<Self> {
        let bits = |prefix: &str| {
            let bits = name.strip_prefix(prefix)?.parse::<u16>().ok()?;
            matches!(bits, 8 | 16 | 32 | 64 | 128).then_some(bits)
        };
        Some(match name {
            "Bool" => Self::Bool,
            "Float32" => Self::Float { bits: 32 },
            "Float64" => Self::Float { bits: 64 },
            "Date" => Self::Date,
            "Date32" => Self::Date32,
            "DateTime" => Self::DateTime { zone: None },
            "String" => Self::String,
            "UUID" => Self::Uuid,
            "IPv4" => Self::Ipv4,
            "IPv6" => Self::Ipv6,
            _ => match (bits("Int"), bits("UInt")) {
                (Some(bits), _) => Self::Int { bits },
                (_, Some(bits)) => Self::UInt { bits },
                _ => return None,
            },
        })
    }

    /// Without `Nullable` and `LowCardinality`, and whether a value may be NULL.
    pub(super) fn bare(&self) -> (&Self, bool) {
        match self {
            Self::Nullable(inner) => (inner.bare().0, true),
            Self::LowCardinality(inner) => inner.bare(),
            other => (other, false),
        }
    }

    /// The type without the zones in which times are shown: old servers leave them out of what they send.
    pub(super) fn without_zones(&self) -> Self {
        let inner = |ty: &Self| Box::new(ty.without_zones());
        match self {
            Self::DateTime { .. } => Self::DateTime { zone: None },
            Self::DateTime64 { scale, .. } => Self::DateTime64 { scale: *scale, zone: None },
            Self::Nullable(ty) => Self::Nullable(inner(ty)),
            Self::LowCardinality(ty) => Self::LowCardinality(inner(ty)),
            Self::Array(ty) => Self::Array(inner(ty)),
            Self::Map(key, value) => Self::Map(inner(key), inner(value)),
            other => other.clone(),
        }
    }

    /// The type in Muster's words, or nothing where there is none for it.
    pub(super) fn declared(&self) -> Option<String> {
        match self.bare().0 {
            Self::Array(element) => Some(format!("Array({})", element.scalar()?)),
            Self::Map(key, value) => {
                let number = match value.bare().0 {
                    Self::Int { bits } | Self::UInt { bits } => *bits <= 64,
                    Self::Decimal { precision, .. } => *precision <= 18,
                    other => matches!(other, Self::Float { .. }),
                };
                let text = *key.bare().0 == Self::String && !key.bare().1;
                (number && text).then(|| Some(format!("Map(String, {})", value.scalar()?)))?
            }
            _ => self.scalar(),
        }
    }

    fn scalar(&self) -> Option<String> {
        let zoned = |name: String, zone: &Option<String>| match zone {
            // Zones are names out of a database: nothing in them needs escaping.
            Some(zone) => {
                zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte)).then(|| {
                    if name.contains('(') {
                        format!("{}, '{zone}')", name.trim_end_matches(')'))
                    } else {
                        format!("{name}('{zone}')")
                    }
                })
            }
            None => Some(name),
        };
        Some(match self.bare().0 {
            Self::Bool => "Bool".to_owned(),
            Self::Int { bits } => format!("Int{bits}"),
            Self::UInt { bits } => format!("UInt{bits}"),
            Self::Float { bits } => format!("Float{bits}"),
            // What counts is that the values fit, which conversion checks.
            Self::Decimal { precision, scale } if *scale <= 38 => {
                format!("Decimal({}, {scale})", (*precision).min(38))
            }
            Self::Date => "Date".to_owned(),
            Self::Date32 => "Date32".to_owned(),
            Self::DateTime { zone } => return zoned("DateTime".to_owned(), zone),
            Self::DateTime64 { scale, zone } => return zoned(format!("DateTime64({scale})"), zone),
            Self::String => "String".to_owned(),
            Self::FixedString(length) => format!("FixedString({length})"),
            Self::Enum { .. } => "Enum".to_owned(),
            Self::Uuid => "UUID".to_owned(),
            Self::Ipv4 => "IPv4".to_owned(),
            Self::Ipv6 => "IPv6".to_owned(),
            Self::Decimal { .. }
            | Self::Array(_)
            | Self::Map(..)
            | Self::Nullable(_)
            | Self::LowCardinality(_) => {
                return None;
            }
        })
    }

    /// The type to ask ArrowStream for where Arrow would lose what a value means: names for enums, ticks for times.
    pub(super) fn in_arrow(&self) -> Option<String> {
        match self {
            Self::Enum { .. } => Some("String".to_owned()),
            Self::Nullable(inner) => Some(format!("Nullable({})", inner.in_arrow()?)),
            Self::Array(inner) => Some(format!("Array({})", inner.in_arrow()?)),
            _ => None,
        }
    }

    /// Whether Arrow has no unit for such a time.
    pub(super) fn has_odd_ticks(&self) -> bool {
        match self {
            Self::DateTime64 { scale, .. } => !matches!(scale, 0 | 3 | 6 | 9),
            Self::Nullable(inner) | Self::LowCardinality(inner) | Self::Array(inner) => inner.has_odd_ticks(),
            _ => false,
        }
    }
}

/// At the commas that are in no parentheses and no quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'\'' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// `'name' = number`, each.
fn names(parts: &[&str]) -> Option<HashMap<i16, String>> {
    let entry = |part: &&str| {
        let (name, number) = part.rsplit_once('=')?;
        Some((number.trim().parse().ok()?, unquoted(name.trim())?))
    };
    parts.iter().map(entry).collect()
}

/// What stands between single quotes.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut out = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::parse_type;

    #[test]
    fn types_become_types_that_the_loader_knows() {
        let cases = [
            ("UInt64", "UInt64"),
            ("Int128", "Int128"),
            ("Nullable(Bool)", "Bool"),
            ("Decimal(9, 2)", "Decimal(9, 2)"),
            ("Decimal(76, 10)", "Decimal(38, 10)"),
            ("DateTime('Europe/Berlin')", "DateTime('Europe/Berlin')"),
            ("DateTime64(6)", "DateTime64(6)"),
            ("DateTime64(3, 'Asia/Tokyo')", "DateTime64(3, 'Asia/Tokyo')"),
            ("LowCardinality(Nullable(String))", "String"),
            ("FixedString(16)", "String"),
            ("Enum8('a' = 1, 'b = 2, c' = -2)", "Enum"),
            ("Array(LowCardinality(Nullable(String)))", "Array(String)"),
            ("Array(FixedString(3))", "Array(String)"),
            ("Map(LowCardinality(String), Nullable(Decimal(18, 4)))", "Map(String, Decimal(18, 4))"),
            ("SimpleAggregateFunction(max, Nullable(DateTime('UTC')))", "DateTime('UTC')"),
            ("IPv4", "IPv4"),
            ("UUID", "UUID"),
        ];
        for (text, want) in cases {
            let declared = Type::parse(text).unwrap_or_else(|| panic!("{text}")).declared();
            let ty = parse_type(&declared.unwrap_or_else(|| panic!("{text}"))).unwrap();
            assert_eq!(ty.to_string(), parse_type(want).unwrap().to_string(), "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_nothing() {
        let texts = [
            "Tuple(UInt8, String)",
            "Int256",
            "Array(Array(UInt8))",
            "Map(UInt8, UInt8)",
            "Map(String, String)",
            "Map(String, Int128)",
            "Map(String, Array(UInt8))",
            "AggregateFunction(sum, UInt64)",
            "JSON",
            "Nullable(Nothing)",
            "Variant(String, UInt8)",
            "Time64(3)",
            "Decimal(76, 50)",
            "BFloat16",
            "DateTime64",
            "FixedString(0)",
            "Enum8()",
            "Enum8('a')",
            "",
            ")",
            "(",
            "Array(",
            "Array()",
            "Map(String)",
            "Decimal(,)",
            "DateTime('it's')",
        ];
        for text in texts {
            assert_eq!(Type::parse(text).and_then(|ty| ty.declared()), None, "{text}");
        }
        assert_eq!(Type::parse(&"Array(".repeat(10_000)), None);
        assert_eq!(Type::parse(&format!("{}UInt8{}", "Array(".repeat(50_000), ")".repeat(50_000))), None);
    }

    #[test]
    fn names_of_enums_are_unescaped() {
        let text = r"Enum16('it\'s' = -300, 'a\\b' = 1, 'x,y(' = 2, 't\tb' = 3)";
        let Some(Type::Enum { bits: 16, names }) = Type::parse(text) else { panic!() };
        let want = [(-300, "it's"), (1, "a\\b"), (2, "x,y("), (3, "t\tb")];
        assert_eq!(names, want.map(|(number, name)| (number, name.to_owned())).into());
    }

    #[test]
    fn only_what_arrow_would_lose_is_cast() {
        let cast = |text: &str| Type::parse(text).unwrap().in_arrow();
        assert_eq!(cast("Array(Nullable(Enum8('a' = 1)))").as_deref(), Some("Array(Nullable(String))"));
        assert_eq!(cast("DateTime64(6)"), None);
        let odd = |text: &str| Type::parse(text).unwrap().has_odd_ticks();
        assert!(odd("Array(Nullable(DateTime64(7, 'UTC')))") && !odd("DateTime64(9)"));
    }
}
