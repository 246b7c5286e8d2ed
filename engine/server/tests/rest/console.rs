//! The console's files over the wire, whether this build has them or says why not.

use crate::client::Api;

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

#[test]
fn pages_are_sent_to_browsers_and_problems_to_programs() {
    let api = Api::start();
    for path in ["/", "/audience?rule=has_poh", "/labels/7"] {
        let page = api.ask("GET", path, &[HTML], None);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert!(page.headers["content-security-policy"].contains("frame-ancestors 'none'"));
        assert!(page.text.contains("<title>Muster</title>"), "{}", page.text);
    }
    for path in ["/labels/7", "/assets/nothing-AAAA.js", "/nothing.png"] {
        api.get(path).problem(404, "no_such_path");
    }
    api.ask("GET", "/assets/nothing-AAAA.js", &[HTML], None).problem(404, "no_such_path");
    api.ask("GET", "/api/v1/nothing", &[HTML], None).problem(404, "no_such_path");
    api.ask("POST", "/labels/7", &[HTML], Some("")).problem(404, "no_such_path");
    api.ask("POST", "/", &[HTML], Some("")).problem(405, "method_not_allowed");
    assert_eq!(api.get("/api/v1/schema").headers["cache-control"], "no-store");
}

#[test]
fn a_head_has_the_headers_alone() {
    let api = Api::start();
    for path in ["/", "/labels/7"] {
        let head =
            format!("HEAD {path} HTTP/1.1\r\nhost: x\r\naccept: text/html\r\nconnection: close\r\n\r\n");
        let answer = api.raw(&head);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/html"), "{answer}");
        assert_eq!(answer.matches("\r\n\r\n").count(), 1, "{answer}");
    }
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let api = Api::start();
    let page = api.ask("GET", "/", &[HTML], None);
    // A build without a console has a page without a tag.
    let Some(tag) = page.headers.get("etag") else { return };
    let again = api.ask("GET", "/", &[HTML, ("if-none-match", tag)], None);
    assert_eq!((again.status, &*again.text), (304, ""));
    let asset = page.text.split('"').find(|part| part.starts_with("/assets/")).unwrap();
    let asset = api.get(asset);
    assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
}
