//! Who is let in, by which headers, from where.

use http::HeaderValue;

use super::*;

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(name),
        HeaderValue::from_bytes(value.as_bytes()).unwrap(),
    )])
}

fn bearing(token: &str) -> HeaderMap {
    headers("authorization", &format!("Bearer {token}"))
}

fn remote() -> Peer {
    Peer::new(Some(([192, 0, 2, 7], 4711).into()), false, None)
}

fn local() -> Peer {
    Peer::new(None, true, None)
}

struct Fixture {
    access: Arc<Access>,
    file: TokensFile,
    _dir: tempfile::TempDir,
}

fn access(tokens: Tokens) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let file = TokensFile::at(&dir.path().join("tokens.toml"));
    Fixture { access: Arc::new(Access::new(tokens, file.clone()).unwrap()), file, _dir: dir }
}

fn create(file: &TokensFile, name: &str, role: Role, expires: Option<&str>) -> String {
    file.create(name, role, Timestamp::now(), expires.map(|text| text.parse().unwrap())).unwrap()
}

#[test]
fn a_token_is_needed_from_elsewhere_and_not_from_here() {
    let Fixture { access, .. } = access(Tokens::Auto);
    let here = local();
    assert_eq!(&*access.caller(&HeaderMap::new(), Some(&here)).unwrap().name, "anonymous");
    let named = access.caller(&headers(USER_HEADER, "zoë"), Some(&here)).unwrap();
    assert_eq!((&*named.name, named.role), ("zoë", Role::Admin));
    for peer in [Some(&remote()), None] {
        let refused = access.caller(&headers(USER_HEADER, "zoe"), peer).unwrap_err();
        assert!(matches!(refused, Fault::Unauthenticated { .. }), "{refused}");
    }
    let long = access.caller(&headers(USER_HEADER, &"x".repeat(129)), Some(&here)).unwrap_err();
    assert!(long.to_string().contains("at most 128"), "{long}");
}

#[test]
fn required_and_off_hold_everywhere() {
    let required = access(Tokens::Required);
    assert!(required.access.caller(&HeaderMap::new(), Some(&local())).is_err());
    let off = access(Tokens::Off);
    assert_eq!(off.access.caller(&HeaderMap::new(), Some(&remote())).unwrap().role, Role::Admin);
}

#[test]
fn a_certificate_names_the_caller_where_tokens_are_off() {
    let peer = Peer::new(None, false, Some("delivery.example".into()));
    let off = access(Tokens::Off);
    let caller = off.access.caller(&headers(USER_HEADER, "somebody else"), Some(&peer)).unwrap();
    assert_eq!(&*caller.name, "delivery.example");
    let required = access(Tokens::Required);
    assert!(required.access.caller(&HeaderMap::new(), Some(&peer)).is_err(), "a certificate is no token");
}

#[test]
fn tokens_name_the_caller_until_they_expire_or_are_revoked() {
    let Fixture { access, file, _dir } = access(Tokens::Required);
    let reader = create(&file, "delivery", Role::Reader, None);
    let expired = create(&file, "old", Role::Admin, Some("2026-01-01T00:00:00Z"));
    let ask = |token: &str| access.caller(&bearing(token), Some(&remote()));
    assert!(ask(&reader).is_err(), "the file was not looked at yet");
    access.look();
    access.look();
    let caller = ask(&reader).unwrap();
    assert_eq!((&*caller.name, caller.role), ("delivery", Role::Reader));
    assert!(access.caller(&headers("authorization", &format!("bearer  {reader} ")), None).is_ok());
    let refused = ask(&expired).unwrap_err().to_string();
    assert!(refused.contains("the token old expired at 2026-01-01T00:00:00Z"), "{refused}");
    for wrong in ["", "muster_", "x", &reader[1..], &format!("{reader}A"), &"m".repeat(10_000)] {
        let refused = ask(wrong).unwrap_err().to_string();
        assert!(refused.contains("not known"), "{refused}");
        assert!(wrong.len() < 8 || !refused.contains(wrong), "the token is repeated");
    }
    for wrong in [reader.as_str(), &format!("Basic {reader}"), "Bearer", "\u{e9}"] {
        let refused = access.caller(&headers("authorization", wrong), None).unwrap_err().to_string();
        assert!(refused.contains("must be `Bearer TOKEN`"), "{refused}");
    }
    file.revoke("delivery").unwrap();
    access.look();
    access.look();
    assert!(ask(&reader).is_err());
}

#[test]
fn a_broken_or_missing_file_keeps_what_held_before() {
    let Fixture { access, file, _dir } = access(Tokens::Required);
    let token = create(&file, "a", Role::Reader, None);
    access.read_again();
    std::fs::write(file.path(), "[[token").unwrap();
    access.look();
    access.look();
    assert!(access.caller(&bearing(&token), None).is_ok());
    std::fs::remove_file(file.path()).unwrap();
    access.look();
    access.look();
    assert!(access.caller(&bearing(&token), None).is_ok());
    std::fs::write(file.path(), "").unwrap();
    access.look();
    access.look();
    assert!(access.caller(&bearing(&token), None).is_err(), "an empty file knows nobody");
}

#[test]
fn a_file_that_is_broken_at_the_start_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = TokensFile::at(&dir.path().join("tokens.toml"));
    std::fs::write(file.path(), "[[token").unwrap();
    assert!(Access::new(Tokens::Auto, file.clone()).is_err());
    assert!(Access::new(Tokens::Off, file).is_ok(), "it is not looked at");
}
