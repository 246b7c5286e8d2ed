//! The JSON columns against tables of what the warehouse answers, and against serde_json on random documents.

use muster_engine::batch::{ColumnData, Keys};
use muster_engine::key;
use muster_engine::schema::HeldAs;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn column(held_as: HeldAs, texts: &[&[u8]]) -> (ColumnData, JsonFindings) {
    let user_ids: Vec<u64> = (1..=texts.len() as u64).collect();
    parse(held_as, texts.iter().map(|text| Some(*text)), false, &user_ids)
}

fn texts(keys: &Keys) -> Vec<String> {
    let Keys::Bytes { ends, bytes } = keys else { panic!("not text") };
    let mut start = 0;
    ends.iter()
        .map(|&end| {
            String::from_utf8(bytes[std::mem::replace(&mut start, end as usize)..end as usize].to_vec())
        })
        .collect::<Result<_, _>>()
        .unwrap()
}

/// The entries of a one-row map; `None` if it is NULL.
fn object(text: &[u8]) -> Option<Vec<(String, f64)>> {
    let ColumnData::Map { ends, keys, values, present } = column(HeldAs::JsonMap, &[text]).0 else {
        panic!()
    };
    let Keys::Fixed8(numbers) = values.keys else { panic!() };
    let names = texts(&keys.keys);
    assert_eq!((ends, names.len()), (vec![numbers.len() as u32], numbers.len()));
    present.is_none().then(|| names.into_iter().zip(numbers.into_iter().map(key::to_float)).collect())
}

/// The elements of a one-row list, `None` for those that are not strings; `None` if the list is NULL.
fn array(text: &[u8]) -> Option<Vec<Option<String>>> {
    let ColumnData::List { ends, elements, present } = column(HeldAs::JsonArray, &[text]).0 else { panic!() };
    let names = texts(&elements.keys);
    assert_eq!(ends, [names.len() as u32]);
    let strings = elements.present.unwrap_or_else(|| vec![true; names.len()]);
    present
        .is_none()
        .then(|| names.into_iter().zip(strings).map(|(name, string)| string.then_some(name)).collect())
}

fn pairs(entries: &[(&str, f64)]) -> Vec<(String, f64)> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn objects_hold_what_the_warehouse_sees() {
    let cases: [(&str, &[(&str, f64)]); 29] = [
        ("{}", &[]),
        (" \t\r\n{ \"a\" : 1 , \"b\" : 2.5 } ", &[("a", 1.0), ("b", 2.5)]),
        ("\u{feff}{\"a\":1}", &[("a", 1.0)]),
        (r#"{"":0}"#, &[("", 0.0)]),
        (r#"{"a.b":1}"#, &[("a.b", 1.0)]),
        (r#"{"a":-0}"#, &[("a", 0.0)]),
        (r#"{"a":-12.75}"#, &[("a", -12.75)]),
        (r#"{"a":1e3,"b":1E-3,"c":1.5e+2}"#, &[("a", 1000.0), ("b", 0.001), ("c", 150.0)]),
        (r#"{"a":1e-400}"#, &[("a", 0.0)]),
        (r#"{"a":0.1}"#, &[("a", 0.1)]),
        (r#"{"a":123456789012345.6789}"#, &[("a", 123_456_789_012_345.67)]),
        (r#"{"a":18446744073709551615}"#, &[("a", 18_446_744_073_709_551_615.0)]),
        (r#"{"a":9007199254740993}"#, &[("a", 9_007_199_254_740_992.0)]),
        (r#"{"a":123456789012345678901234567890}"#, &[("a", 123_456_789_012_345_678_901_234_567_890.0)]),
        (r#"{"a":true,"b":false}"#, &[("a", 1.0), ("b", 0.0)]),
        (r#"{"a":null,"b":1}"#, &[("b", 1.0)]),
        (
            r#"{"a":"12.5","b":"1e3","c":".5","d":"1."}"#,
            &[("a", 12.5), ("b", 1000.0), ("c", 0.5), ("d", 1.0)],
        ),
        (r#"{"a":"inf","b":"-Infinity"}"#, &[("a", f64::INFINITY), ("b", f64::NEG_INFINITY)]),
        (r#"{"a":"1e400"}"#, &[("a", f64::INFINITY)]),
        (r#"{"a":"","b":" 1","c":"x","d":"0x10","e":"1_000","f":"true"}"#, &[]),
        (r#"{"a":[1],"b":{"c":2},"d":4}"#, &[("d", 4.0)]),
        (r#"{"a":1,"a":2}"#, &[("a", 1.0), ("a", 2.0)]),
        (r#"{"a":null,"a":2}"#, &[]),
        (r#"{"a":"x","a":2,"b":3}"#, &[("b", 3.0)]),
        (r#"{"a":1,"a":null,"a":3}"#, &[("a", 1.0)]),
        (r#"{"\u0061\n\"\\\/":1}"#, &[("a\n\"\\/", 1.0)]),
        (r#"{"\uD83D\ude00":1}"#, &[("😀", 1.0)]),
        (r#"{"é":1,"日本":2}"#, &[("é", 1.0), ("日本", 2.0)]),
        (r#"{"\u0000":1}"#, &[("\0", 1.0)]),
    ];
    for (text, want) in cases {
        assert_eq!(object(text.as_bytes()), Some(pairs(want)), "{text}");
    }
    let digits = format!("{{\"a\":{}}}", "9".repeat(401));
    assert_eq!(object(digits.as_bytes()), Some(pairs(&[("a", f64::INFINITY)])));
    assert!(object(br#"{"a":"nan"}"#).unwrap()[0].1.is_nan());
}

#[test]
fn arrays_hold_what_the_warehouse_sees() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(array(b"[]"), Some(vec![]));
    assert_eq!(array(b"[ ]"), Some(vec![]));
    assert_eq!(array(br#" ["a", "b" ,"a"] "#), Some(vec![some("a"), some("b"), some("a")]));
    assert_eq!(array(br#"["",1,true,null,[],["x"],{"y":"z"},"e"]"#).unwrap().len(), 8);
    assert_eq!(array(br#"["a",1,null,"b"]"#), Some(vec![some("a"), None, None, some("b")]));
    let huge = br"[18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,1e30]";
    let digits = vec![None, some("18446744073709551616"), None, some("-9223372036854775809"), None];
    assert_eq!(array(huge), Some(digits));
    assert_eq!(array(b"[\"a\x7f\"]"), Some(vec![some("a\x7f")]));
    assert_eq!(array(br#"["0x\u00e9"]"#), Some(vec![some("0xé")]));
}

#[test]
fn malformed_text_is_null() {
    let cases = [
        "",
        " ",
        "null",
        "1",
        "\"a\"",
        "true",
        "[1]",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{a:1}",
        "{1:2}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":1 2}",
        "{\"a\":01}",
        "{\"a\":-01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":1E+}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":truex}",
        "{\"a\":1e400}",
        "{\"a\":[1e309]}",
        "{\"a\":-1e309}",
        "{\"a\nb\":1}",
        "{\"a\":1}\0",
        "\0",
        "{\"\\q\":1}",
        "{\"\\u12g4\":1}",
        "{\"\\ud83d\":1}",
        "{\"\\ude00\":1}",
        "{\"\\ud83dx\":1}",
        "{\"\\ud83d\\u0041\":1}",
        "{\"\\u12",
        "{\"a\":\"b",
        "{\"a\":\"b\\",
        " \u{feff}{}",
        "\u{feff}",
        "{\"a\":[1,]}",
        "{\"a\":{\"b\":}}",
        "{\"a\":1}\u{c}",
        "{'a':1}",
        "{\"a\":1//\n}",
    ];
    for text in cases {
        assert_eq!(object(text.as_bytes()), None, "{text:?}");
    }
    for text in ["{}", "[", "[,]", "[1,]", "[1 2]", "[\"a\tb\"]", "[]]", "[tru]", "nul", "", "[\"a\",1e999]"]
    {
        assert_eq!(array(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(object(b"{\"a\xff\":1}"), None);
    assert_eq!(array(b"[\"\xc3\"]"), None);
}

#[test]
fn nesting_ends_where_the_warehouse_ends_it() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times)).into_bytes()
    };
    assert!(array(&nested("[", "", "]", 1024)).is_some());
    assert!(array(&nested("[", "", "]", 1025)).is_none());
    assert!(array(&nested("[", "1", "]", 1023)).is_some());
    assert!(array(&nested("[", "1", "]", 1024)).is_none());
    assert!(object(&nested("{\"a\":", "{}", "}", 1023)).is_some());
    assert!(object(&nested("{\"a\":", "1", "}", 1024)).is_none());
    assert!(object(&nested("{\"a\":", "1", "}", 1_000_000)).is_none());
}

#[test]
fn rows_after_a_malformed_one_are_intact() {
    let rows: [&[u8]; 5] =
        [br#"{"a":1,"b":2}"#, br#"{"c":3,"d":"x","e"#, b"nope", br#"{"f":6,"g":null}"#, b"{}"];
    let (data, findings) = column(HeldAs::JsonMap, &rows);
    let ColumnData::Map { ends, keys, present, .. } = data else { panic!() };
    assert_eq!(ends, [2, 2, 2, 3, 3]);
    assert_eq!(texts(&keys.keys), ["a", "b", "f"]);
    assert_eq!(present, Some(vec![true, false, false, true, true]));
    assert_eq!((findings.malformed, findings.not_numbers), (2, 1));
    assert_eq!(findings.examples[0], Example { user_id: 2, text: "{\"c\":3,\"d\":\"x\",\"e".into() });
    assert_eq!(findings.examples[1].user_id, 3);
}

#[test]
fn findings_keep_three_examples() {
    let rows: Vec<&[u8]> = vec![b"x"; 5];
    let (_, mut findings) = column(HeldAs::JsonArray, &rows);
    findings.add(findings.clone());
    assert_eq!((findings.malformed, findings.examples.len()), (10, 3));
}

/// Random JSON with a printer of its own, so that white space and escapes vary.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1_000_000_i64..1_000_000, 0..9_i32).prop_map(|(n, d)| Value::from(n as f64 / 10_f64.powi(d))),
        any::<String>().prop_map(Value::from),
        "[-+0-9.eE]{1,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn agrees(text: &[u8]) {
    let reference: Option<Value> = serde_json::from_slice(text).ok();
    let want = reference.as_ref().and_then(Value::as_array).map(|elements| {
        elements.iter().map(|element| element.as_str().map(str::to_owned)).collect::<Vec<_>>()
    });
    assert_eq!(array(text), want, "{}", String::from_utf8_lossy(text));

    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let sorted = |mut entries: Vec<(String, f64)>| {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.into_iter().map(|(name, value)| (name, key::float(value))).collect::<Vec<_>>()
    };
    let want = reference.as_ref().and_then(Value::as_object).map(|members| {
        sorted(members.iter().filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect())
    });
    assert_eq!(object(text).map(sorted), want, "{}", String::from_utf8_lossy(text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_documents_mean_what_serde_json_says(value in document(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        agrees(text.as_bytes());
    }

    /// One byte changed: both must accept, or both reject. (Duplicate keys, where serde_json takes the last, and
    /// integers beyond every float, which it refuses, need more than one change.)
    #[test]
    fn broken_documents_break_as_serde_json_says(
        members in prop::collection::btree_map("[a-z]{3,5}", prop_oneof![
            any::<i32>().prop_map(Value::from), any::<f32>().prop_map(Value::from), any::<bool>().prop_map(Value::from),
            Just(Value::Null), "\\PC{0,4}".prop_map(Value::from), Just(serde_json::json!(["x", {"y": []}])),
        ], 1..4),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','),
            Just(b':'), Just(b'0'), Just(b'-'), Just(b'.'), Just(b'e'), Just(b' '), any::<u8>()],
        array_of in any::<bool>(),
    ) {
        let object = Value::Object(members.clone().into_iter().collect());
        let value = if array_of { Value::from(members.into_keys().collect::<Vec<_>>()) } else { object };
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        agrees(&text);
    }
}
