//! `muster token`: made once, kept as hashes, taken out again; and what `muster serve` says of a wrong configuration.

use std::fs;

use crate::support::{command, finish, muster};

#[test]
fn a_token_is_shown_once_and_its_hash_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let store = store.to_str().unwrap();
    let made = muster(&[
        "token",
        "create",
        "--store",
        store,
        "--name",
        "delivery",
        "--role",
        "reader",
        "--expires",
        "90d",
    ]);
    let made = made.ends_with(0);
    let token = made.text().trim_end();
    assert!(token.starts_with("muster_") && token.len() == 50, "{token}");
    let file = dir.path().join("tokens.toml");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(token) && kept.contains("sha256 = "), "{kept}");

    let file = file.to_str().unwrap();
    let listed = muster(&["token", "list", "--tokens-file", file, "--json"]).ends_with(0).json();
    assert_eq!(
        (&listed["name"], &listed["role"], &listed["expired"]),
        (&"delivery".into(), &"reader".into(), &false.into())
    );
    let listed = muster(&["token", "list", "--store", store]).ends_with(0);
    assert!(
        listed.text().starts_with("name") && listed.text().contains("delivery  reader"),
        "{}",
        listed.text()
    );

    let twice = ["token", "create", "--tokens-file", file, "--name", "delivery", "--role", "admin"];
    muster(&twice).refuses(2, &["there is a token delivery already"]);
    muster(&["token", "revoke", "--tokens-file", file, "delivery"]).ends_with(0);
    muster(&["token", "revoke", "--tokens-file", file, "delivery"])
        .refuses(2, &["there is no token delivery"]);
}

#[test]
fn the_file_is_the_one_that_the_configuration_names() {
    let dir = tempfile::tempdir().unwrap();
    let (config, tokens) = (dir.path().join("muster.toml"), dir.path().join("who.toml"));
    fs::write(&config, format!("[serve]\ntokens_file = {tokens:?}")).unwrap();
    let create = ["token", "create", "--config", config.to_str().unwrap(), "--role", "admin", "--name"];
    muster(&[&create[..], &["a"]].concat()).ends_with(0);
    assert!(fs::read_to_string(&tokens).unwrap().contains("name = \"a\""));
    let other = dir.path().join("other.toml");
    let mut by_variable = command(&[&create[..], &["b"]].concat());
    by_variable.env("MUSTER_SERVE_TOKENS_FILE", &other);
    finish(by_variable).ends_with(0);
    assert!(fs::read_to_string(&other).unwrap().contains("name = \"b\""));
}

#[test]
fn a_server_that_is_told_nonsense_says_so_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (config, store) = (dir.path().join("muster.toml"), dir.path().join("store"));
    let serve = ["serve", "--config", config.to_str().unwrap(), "--store", store.to_str().unwrap()];
    for (text, named) in [
        ("grcp = 'x'", "did you mean `grpc`?"),
        ("tls_cert = 'x'", "without `serve.tls_key`"),
        ("heavy_nice = 21", "must be 0 to 20"),
    ] {
        fs::write(&config, format!("[serve]\n{text}")).unwrap();
        muster(&serve).refuses(2, &[named]);
    }
    fs::write(&config, "").unwrap();
    for (variable, value, named) in [
        ("MUSTER_SERVE_FOLLOW", "1", "did you mean `follow_ms`?"),
        ("MUSTER_SERVE_FOLLOW_MS", "0", "`serve.follow_ms` is 0"),
        ("MUSTER_SERVE_GRPC", "nowhere", "`serve.grpc` is \"nowhere\": give HOST:PORT"),
    ] {
        let mut serve = command(&serve);
        serve.env(variable, value);
        finish(serve).refuses(2, &[named]);
    }
}
