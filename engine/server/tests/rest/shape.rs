//! Whether an answer fits the OpenAPI document: the part of JSON Schema that the document uses, and nothing silently let through.

use serde_json::{Map, Value};

use crate::client::Answer;

/// The path below `/api` that is served and not described: the document itself. Outside of it are the pages and files of the console.
const NOT_DESCRIBED: &str = "/api/openapi.json";

/// Fails if an answer is not as the document says.
#[track_caller]
pub(crate) fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap();
    let Some(item) = item(document, path) else {
        let is_console = !path.starts_with("/api");
        assert!(
            is_console || path == NOT_DESCRIBED || answer.status == 404,
            "{path} is served and not described"
        );
        return;
    };
    let Some(operation) = item.get(&method.to_lowercase()) else {
        let head = method == "HEAD" && item.contains_key("get");
        assert!(head || answer.status == 405, "{method} {path} is answered and not described");
        return;
    };
    let responses = operation["responses"].as_object().unwrap();
    let range = format!("{}XX", answer.status / 100);
    let response = responses.get(&answer.status.to_string()).or_else(|| responses.get(&range));
    let response = response.unwrap_or_else(|| panic!("{method} {path}: {} is not described", answer.status));
    if answer.status == 204 {
        assert!(answer.text.is_empty(), "{method} {path}: {}", answer.text);
        return;
    }
    let content_type = &answer.headers["content-type"];
    let essence = content_type.split(';').next().unwrap();
    let content = &response["content"];
    let described =
        content.get(essence).unwrap_or_else(|| panic!("{method} {path}: {essence} is not described"));
    let schema = &described["schema"];
    match essence {
        "text/plain" | "text/csv" => {}
        "application/x-ndjson" => {
            for line in answer.text.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let problem = line.get("type").is_some();
                let problem_schema = serde_json::json!({"$ref": "#/components/schemas/Problem"});
                fits(document, if problem { &problem_schema } else { schema }, &line, path).unwrap();
            }
        }
        _ => fits(document, schema, &answer.json(), path)
            .unwrap_or_else(|wrong| panic!("{method} {path}: {wrong}")),
    }
}

/// The description of the path that this one is an instance of; one without parameters goes first.
fn item<'a>(document: &'a Value, path: &str) -> Option<&'a Map<String, Value>> {
    let paths = document["paths"].as_object().unwrap();
    let instance = |template: &&String| {
        let (wanted, found) = (template.split('/'), path.split('/'));
        wanted.clone().count() == found.clone().count()
            && wanted.zip(found).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
    };
    let found = paths.keys().filter(instance).min_by_key(|template| template.matches('{').count())?;
    paths[found].as_object()
}

/// What a value has that its schema does not allow.
pub(crate) fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{at}: {what}: {value}"));
    let Some(schema) = schema.as_object() else {
        return if schema == &Value::Bool(true) { Ok(()) } else { wrong(format!("no schema: {schema}")) };
    };
    for (keyword, says) in schema {
        match keyword.as_str() {
            "description" | "example" | "title" | "propertyNames" => {}
            "$ref" => {
                let pointer = says.as_str().unwrap().strip_prefix('#').unwrap();
                let Some(named) = document.pointer(pointer) else { return wrong(format!("no {pointer}")) };
                fits(document, named, value, at)?;
            }
            "allOf" => fits(document, &merged(document, says), value, at)?,
            "type" => {
                let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                if !types.iter().any(|ty| is(ty.as_str().unwrap(), value)) {
                    return wrong(format!("not of type {says}"));
                }
            }
            "properties" => {
                let Some(object) = value.as_object() else { continue };
                for (name, value) in object {
                    match says.get(name) {
                        Some(schema) => fits(document, schema, value, &format!("{at}/{name}"))?,
                        None => return wrong(format!("{name} is not described")),
                    }
                }
            }
            "required" => {
                let missing =
                    says.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none());
                if let (true, Some(missing)) = (value.is_object(), missing) {
                    return wrong(format!("{missing} is missing"));
                }
            }
            "additionalProperties" => {
                if let (Some(object), None, true) =
                    (value.as_object(), schema.get("properties"), says.is_object())
                {
                    for (name, value) in object {
                        fits(document, says, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(document, says, item, &format!("{at}/{index}"))?;
                }
            }
            "oneOf" => {
                let fitting =
                    says.as_array().unwrap().iter().filter(|one| fits(document, one, value, at).is_ok());
                if fitting.count() != 1 {
                    return wrong("not exactly one of what is described".to_owned());
                }
            }
            "enum" => {
                if !says.as_array().unwrap().contains(value) {
                    return wrong(format!("none of {says}"));
                }
            }
            "minimum" => {
                if value.as_f64().is_some_and(|number| number < says.as_f64().unwrap()) {
                    return wrong(format!("less than {says}"));
                }
            }
            "maximum" => {
                if value.as_f64().is_some_and(|number| number > says.as_f64().unwrap()) {
                    return wrong(format!("more than {says}"));
                }
            }
            "format" => {
                let is_time = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
                if says == "date-time" && !value.as_str().is_some_and(is_time) {
                    return wrong("no instant".to_owned());
                }
            }
            other => return wrong(format!("this check does not know the keyword {other}")),
        }
    }
    Ok(())
}

/// Objects that are described together, as one.
fn merged(document: &Value, parts: &Value) -> Value {
    let mut all = serde_json::json!({"type": "object", "properties": {}, "required": []});
    for part in parts.as_array().unwrap() {
        let named =
            part["$ref"].as_str().map(|name| document.pointer(name.strip_prefix('#').unwrap()).unwrap());
        let part = named.unwrap_or(part);
        let properties = all["properties"].as_object_mut().unwrap();
        properties.extend(part["properties"].as_object().unwrap().clone());
        // A part of which nothing has to be there does not say what has to.
        let required = part["required"].as_array().into_iter().flatten().cloned();
        all["required"].as_array_mut().unwrap().extend(required);
    }
    all
}

fn is(ty: &str, value: &Value) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON: {other}"),
    }
}

#[test]
fn what_does_not_fit_is_noticed() {
    let document = serde_json::json!({"components": {"schemas": {"A": {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 0}, "t": {"type": ["string", "null"], "format": "date-time"}},
    }}}});
    let schema = serde_json::json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}});
    let fits = |text: &str| fits(&document, &schema, &serde_json::from_str(text).unwrap(), "").is_ok();
    assert!(fits(r#"[{"n": 1, "t": "2026-11-20T00:00:00Z"}]"#) && fits("[]"));
    for wrong in [
        "{}",
        "[1]",
        "[{}]",
        r#"[{"n": -1}]"#,
        r#"[{"n": 1, "x": 1}]"#,
        r#"[{"n": 1, "t": "x"}]"#,
        r#"[{"n": 1.5}]"#,
    ] {
        assert!(!fits(wrong), "{wrong}");
    }
}
