//! Column types written as text, the way ClickHouse prints them.

use muster_engine::schema::{ColumnType, ScalarType};

/// Reads a type such as `DateTime('UTC')`, `Array(LowCardinality(String))` or `Map(String, Float64)`. `Nullable` and
/// `LowCardinality` are transparent: whether a column may be NULL is the source's to say.
pub fn parse_type(text: &str) -> Result<ColumnType, String> {
    let text = text.trim();
    match call(text) {
        Some(("Nullable" | "LowCardinality", inner)) => parse_type(inner),
        Some(("Array", inner)) => scalar(inner).map(ColumnType::Array),
        Some(("Map", inner)) => {
            let (key, value) = inner.split_once(',').ok_or_else(|| unknown(text))?;
            if scalar(key)? != ScalarType::String {
                return Err(format!("the type {text} is not supported: map keys must be String"));
            }
            scalar(value).map(ColumnType::Map)
        }
        _ => scalar(text).map(ColumnType::Scalar),
    }
}

/// `Name(inner)` taken apart.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    Some((name.trim(), rest.strip_suffix(')')?.trim()))
}

fn unknown(text: &str) -> String {
    format!(
        "the type {text} is not known; use one of Bool, Int8 to Int128, UInt8 to UInt128, Float32, Float64, \
         Decimal(digits, scale), Date, DateTime, DateTime64(scale), String, Enum, UUID, IPv4, IPv6, Array(...) or \
         Map(String, ...)"
    )
}

fn scalar(text: &str) -> Result<ScalarType, String> {
    let text = text.trim();
    let Some((name, inner)) = call(text) else { return simple(text).ok_or_else(|| unknown(text)) };
    let arguments: Vec<&str> = inner.split(',').map(str::trim).collect();
    let number = |position: usize| arguments.get(position).and_then(|text| text.parse::<u8>().ok());
    let zone = |position: usize| arguments.get(position).map(|text| text.trim_matches('\'').to_owned());
    let decimal = |digits: u8, scale: Option<u8>| {
        scale
            .filter(|scale| digits <= 38 && *scale <= digits)
            .map(|scale| ScalarType::Decimal { precision: digits, scale })
    };
    match name {
        "Nullable" | "LowCardinality" => return scalar(inner),
        "DateTime" => Some(ScalarType::DateTime { zone: zone(0) }),
        "DateTime64" => {
            number(0).filter(|scale| *scale <= 9).map(|scale| ScalarType::DateTime64 { scale, zone: zone(1) })
        }
        "Decimal" => number(0).and_then(|digits| decimal(digits, number(1))),
        "Decimal32" => decimal(9, number(0)),
        "Decimal64" => decimal(18, number(0)),
        "Decimal128" => decimal(38, number(0)),
        "FixedString" => Some(ScalarType::String),
        "Enum8" | "Enum16" | "Enum" => Some(ScalarType::Enum),
        _ => None,
    }
    .ok_or_else(|| unknown(text))
}

fn simple(name: &str) -> Option<ScalarType> {
    let bits = |prefix: &str| {
        name.strip_prefix(prefix)?.parse::<u8>().ok().filter(|bits| matches!(bits, 8 | 16 | 32 | 64 | 128))
    };
    Some(match name {
        "Bool" => ScalarType::Bool,
        "Float32" => ScalarType::Float { bits: 32 },
        "Float64" => ScalarType::Float { bits: 64 },
        "Date" | "Date32" => ScalarType::Date,
        "DateTime" => ScalarType::DateTime { zone: None },
        "DateTime64" => ScalarType::DateTime64 { scale: 3, zone: None },
        "String" => ScalarType::String,
        "Enum" | "Enum8" | "Enum16" => ScalarType::Enum,
        "UUID" => ScalarType::Uuid,
        "IPv4" => ScalarType::Ipv4,
        "IPv6" => ScalarType::Ipv6,
        _ => match (bits("Int"), bits("UInt")) {
            (Some(bits), _) => ScalarType::Int { bits },
            (_, Some(bits)) => ScalarType::UInt { bits },
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_round_trip_through_their_names() {
        let names = [
            "Bool",
            "Int8",
            "UInt128",
            "Float32",
            "Decimal(38, 10)",
            "Date",
            "DateTime",
            "DateTime('Europe/Berlin')",
            "DateTime64(6)",
            "DateTime64(3, 'UTC')",
            "String",
            "Enum",
            "UUID",
            "IPv4",
            "IPv6",
            "Array(String)",
            "Map(String, UInt64)",
        ];
        for name in names {
            assert_eq!(parse_type(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn wrappers_are_transparent() {
        let cases = [
            ("LowCardinality(Nullable(String))", "String"),
            ("Array(LowCardinality(String))", "Array(String)"),
            ("Map(LowCardinality(String), Nullable(Float64))", "Map(String, Float64)"),
            ("Enum8('a' = 1, 'b' = 2)", "Enum"),
            ("FixedString(16)", "String"),
            ("Decimal64(2)", "Decimal(18, 2)"),
        ];
        for (text, want) in cases {
            assert_eq!(parse_type(text).unwrap().to_string(), want);
        }
    }

    #[test]
    fn unknown_types_say_what_there_is() {
        for text in
            ["Tuple(Int8, Int8)", "Int7", "Decimal(50, 2)", "DateTime64(12)", "Map(UInt8, UInt8)", "", "("]
        {
            assert!(parse_type(text).unwrap_err().contains("type"), "{text}");
        }
    }
}
