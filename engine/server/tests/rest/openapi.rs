//! The OpenAPI document: what the contract names is in it, and what is in it is served.

use serde_json::Value;

use crate::client::Api;

/// The contract: methods and paths below `/api/v1`.
const CONTRACT: [(&str, &str); 58] = [
    ("post", "/audience/count"),
    ("post", "/audience/preview"),
    ("post", "/audience/profile"),
    ("post", "/audience/explain"),
    ("post", "/audience/overlap"),
    ("post", "/audience/members"),
    ("post", "/audience/rule"),
    ("post", "/audience/export"),
    ("get", "/me"),
    ("get", "/generations/{id}"),
    ("get", "/generations/history"),
    ("post", "/labels/refresh"),
    ("get", "/labels"),
    ("post", "/labels"),
    ("get", "/labels/{id}"),
    ("put", "/labels/{id}"),
    ("delete", "/labels/{id}"),
    ("get", "/labels/{id}/users"),
    ("post", "/labels/filter"),
    ("post", "/labels/{id}/users"),
    ("put", "/labels/{id}/users"),
    ("get", "/labels/{id}/uses"),
    ("get", "/labels/{id}/counts"),
    ("post", "/labels/{id}/preview"),
    ("get", "/audit"),
    ("get", "/audit/export"),
    ("get", "/users"),
    ("get", "/users/{id}/features"),
    ("get", "/users/{id}/features/{name}"),
    ("get", "/users/{id}/deliveries"),
    ("post", "/users/{id}/deliveries"),
    ("get", "/users/{id}/labels"),
    ("post", "/users/{id}/labels"),
    ("post", "/users/batch/features"),
    ("post", "/users/erase"),
    ("post", "/users/opt-out"),
    ("post", "/users/opt-in"),
    ("get", "/deliveries"),
    ("post", "/deliveries"),
    ("get", "/deliveries/{id}"),
    ("put", "/deliveries/{id}"),
    ("get", "/deliveries/active"),
    ("post", "/deliveries/{id}/submit"),
    ("post", "/deliveries/{id}/approve"),
    ("post", "/deliveries/{id}/reject"),
    ("post", "/deliveries/{id}/cancel"),
    ("post", "/deliveries/{id}/withdraw"),
    ("get", "/deliveries/{id}/approvals"),
    ("get", "/deliveries/{id}/reach"),
    ("post", "/deliveries/reach"),
    ("delete", "/deliveries/{id}"),
    ("get", "/schema"),
    ("get", "/status"),
    ("get", "/generations"),
    ("post", "/generations/rollback"),
    ("post", "/generations/publish"),
    ("post", "/generations/discard"),
    ("post", "/generations/rebuild"),
];

#[test]
fn everything_of_the_contract_is_described_and_served_and_nothing_else() {
    let api = Api::start();
    let mut described = Vec::new();
    for (path, item) in api.document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        for method in item.as_object().unwrap().keys() {
            let served = path.replace("{id}", "7").replace("{name}", "country");
            let answer = api.ask(&method.to_uppercase(), &format!("/api/v1{served}"), &[], None);
            let problem: Value = serde_json::from_str(&answer.text).unwrap();
            assert_ne!(problem["type"], "urn:muster:problem:no_such_path", "{method} {path}");
            assert_ne!(answer.status, 405, "{method} {path}");
            described.push((method.clone(), path.to_owned()));
        }
    }
    let mut contract: Vec<_> =
        CONTRACT.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    contract.sort();
    described.sort();
    assert_eq!(described, contract);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(api.document["paths"][path]["get"].is_object(), "{path}");
    }
}

#[test]
fn references_resolve_and_operations_have_names_of_their_own() {
    let api = Api::start();
    let mut references = Vec::new();
    collect(&api.document, "$ref", &mut references);
    assert!(references.len() > 20, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(api.document.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = Vec::new();
    collect(&api.document["paths"], "operationId", &mut names);
    let described = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), described);
    assert_eq!(api.document["openapi"], "3.1.0");
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == name => found.push(text.clone()),
                    _ => collect(value, name, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

#[test]
fn the_document_that_is_committed_is_the_one_that_is_served() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/openapi.json");
    let served = Api::start().document;
    if std::env::var_os("MUSTER_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{served:#}\n")).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        serde_json::from_str(&written).is_ok_and(|written: Value| written == served)
            && written.ends_with("}\n"),
        "engine/console/openapi.json is stale; run with MUSTER_WRITE_DOCS=1 to write it again"
    );
}
