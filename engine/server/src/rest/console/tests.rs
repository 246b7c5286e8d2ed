use http::HeaderMap;

use super::*;

const fn file(path: &'static str, content_type: &'static str, tag: &'static str) -> File {
    File { path, content_type, tag, plain: b"a page, as it is", brotli: None, gzip: None }
}

/// A console as a build makes it, but small.
static BUILT: Console = Console {
    missing: "",
    files: &[
        File {
            brotli: Some(b"a"),
            gzip: Some(b"ab"),
            ..file("assets/index-BX81.js", "text/javascript; charset=utf-8", "0a")
        },
        file("favicon.svg", "image/svg+xml", "0b"),
        File { brotli: Some(b"p"), ..file("index.html", "text/html; charset=utf-8", "0c") },
    ],
};

static MISSING: Console = Console { missing: "node <was> not found", files: &[] };

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn asked(console: &Console, path: &str, headers: &[(&'static str, &str)]) -> Option<Response> {
    let mut given = HeaderMap::new();
    for (name, value) in headers {
        given.append(*name, HeaderValue::from_str(value).unwrap());
    }
    console.answer(&Method::GET, path, &given)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn paths_that_browsers_ask_as_pages_are_the_first_page() {
    for path in ["/", "/audience", "/labels/7", "/users/1000011", "/apiary"] {
        let page = asked(&BUILT, path, &[HTML]).unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert_eq!(header(&page, "content-security-policy"), POLICY);
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(text(page).await, "a page, as it is");
    }
    // The root is a page to everybody, other paths only to who says so.
    assert!(asked(&BUILT, "/", &[]).is_some());
    assert!(asked(&BUILT, "/", &[("accept", "*/*")]).is_some());
    for accept in ["*/*", "application/json", "text/html;q=0", "text/html;q=x"] {
        assert!(asked(&BUILT, "/audience", &[("accept", accept)]).is_none(), "{accept}");
    }
    assert!(asked(&BUILT, "/audience", &[]).is_none());
}

#[test]
fn what_is_no_page_is_not_there() {
    for path in
        ["/api", "/api/v1/nothing", "/api/v2", "/healthz/x", "/metrics/", "/assets/old-AA.js", "/x.png"]
    {
        assert!(asked(&BUILT, path, &[HTML]).is_none(), "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert!(BUILT.answer(&method, "/", &HeaderMap::new()).is_none(), "{method}");
    }
    assert!(BUILT.answer(&Method::HEAD, "/", &HeaderMap::new()).is_some());
}

#[tokio::test]
async fn assets_are_kept_for_good_and_sent_in_the_smallest_form() {
    let path = "/assets/index-BX81.js";
    let sent = |encodings: &'static str| asked(&BUILT, path, &[("accept-encoding", encodings)]).unwrap();
    for (encodings, encoding, tag) in [
        ("gzip, deflate, br", "br", "\"0a-br\""),
        ("gzip", "gzip", "\"0a-gz\""),
        ("gzip, br;q=0", "gzip", "\"0a-gz\""),
        ("GZIP;q=0.5", "gzip", "\"0a-gz\""),
        ("*", "br", "\"0a-br\""),
        ("*;q=0.1, br;q=0", "gzip", "\"0a-gz\""),
        ("identity", "", "\"0a\""),
        ("", "", "\"0a\""),
    ] {
        let file = sent(encodings);
        assert_eq!(header(&file, "content-encoding"), encoding, "{encodings}");
        assert_eq!(header(&file, "etag"), tag, "{encodings}");
        assert_eq!(header(&file, "vary"), "accept-encoding");
        assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&file, "content-type"), "text/javascript; charset=utf-8");
    }
    assert_eq!(text(sent("br")).await, "a");
    assert_eq!(text(sent("gzip")).await, "ab");
    assert_eq!(text(sent("identity")).await, "a page, as it is");
    let icon = asked(&BUILT, "/favicon.svg", &[("accept-encoding", "br")]).unwrap();
    assert_eq!((header(&icon, "vary"), header(&icon, "content-encoding")), ("", ""));
    assert_eq!(
        (header(&icon, "cache-control"), header(&icon, "content-type")),
        ("no-cache", "image/svg+xml")
    );
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    for known in ["\"0c\"", "W/\"0c\"", "\"x\", \"0c\"", "*"] {
        let page = asked(&BUILT, "/labels", &[HTML, ("if-none-match", known)]).unwrap();
        assert_eq!(page.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!((header(&page, "etag"), header(&page, "cache-control")), ("\"0c\"", "no-cache"));
        assert_eq!(text(page).await, "");
    }
    // The tag of another form is not this one's.
    for known in ["\"0c-br\"", "\"0b\"", "0c"] {
        let page = asked(&BUILT, "/labels", &[HTML, ("if-none-match", known)]).unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{known}");
    }
    let page = asked(&BUILT, "/", &[("accept-encoding", "br"), ("if-none-match", "\"0c-br\"")]).unwrap();
    assert_eq!(page.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn without_a_console_the_page_says_how_to_build_it() {
    for path in ["/", "/labels/7"] {
        let page = asked(&MISSING, path, &[HTML]).unwrap();
        assert_eq!(header(&page, "content-security-policy"), POLICY);
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let page = text(page).await;
        assert!(page.contains("node &lt;was> not found") && page.contains("install Node 20.19"), "{page}");
    }
    assert!(asked(&MISSING, "/assets/index-BX81.js", &[HTML]).is_none());
}

#[test]
fn this_build_has_a_first_page_or_says_why_not() {
    assert_eq!(CONSOLE.file(FIRST_PAGE).is_some(), CONSOLE.missing.is_empty());
    for file in CONSOLE.files {
        assert!(HeaderValue::from_str(file.tag).is_ok() && !file.path.starts_with('/'), "{}", file.path);
        for form in [file.brotli, file.gzip].into_iter().flatten() {
            assert!(form.len() < file.plain.len(), "{}", file.path);
        }
    }
}
