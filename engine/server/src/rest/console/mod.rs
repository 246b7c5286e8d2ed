//! The console: pages for people, carried in the binary. They hold no data, so nobody needs a token to load them.
//!
//! The console finds its pages by their paths itself, so every path that is none of ours and that a browser asks as a page is its first
//! page. Files of `assets/` have names that change with their content and are kept by browsers for good; all others are asked for again.

mod encoding;
#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::problem::Problem;
use encoding::{Encoding, accepts, takes_page};

/// The console of this build.
static CONSOLE: Console = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What stands at `/` where there is no console.
const HOW_TO_BUILD_IT: &str = include_str!("missing.html");
/// Where that page tells why.
const WHY: &str = "{why}";
/// The page by which the console begins.
const FIRST_PAGE: &str = "index.html";
/// Files whose names change with their content.
const ASSETS: &str = "assets/";
/// Paths that programs ask; none of them is ever a page.
const OURS: [&str; 4] = ["api", "healthz", "readyz", "metrics"];

/// What a page of the console may load, and who may show it: nothing from elsewhere but pictures, which deliveries show by their
/// address, and nobody.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src * data: blob:; connect-src 'self'; \
frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Files, or why there are none.
struct Console {
    /// By path.
    files: &'static [File],
    /// Why there are no files.
    missing: &'static str,
}

/// A file, and its compressed forms where they are smaller.
struct File {
    /// Its path, without a slash in front.
    path: &'static str,
    content_type: &'static str,
    /// Tells its content from any other.
    tag: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// `/`, and every path that nothing else is at.
pub(super) async fn page(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let found = CONSOLE.answer(method, path, request.headers());
    found.unwrap_or_else(|| Problem::no_path(path).into_response())
}

impl Console {
    /// What is at a path, if something is.
    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let path = path.strip_prefix('/')?;
        let mut steps = path.split('/');
        if steps.next().is_some_and(|first| OURS.contains(&first)) {
            return None;
        }
        if let Some(file) = self.file(path) {
            return Some(file.response(headers));
        }
        let is_file = steps.next_back().unwrap_or(path).contains('.');
        if !path.is_empty() && (is_file || !takes_page(headers)) {
            return None;
        }
        Some(self.file(FIRST_PAGE).map_or_else(|| self.how_to_build_it(), |first| first.response(headers)))
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The page that stands in for a console that is not there.
    fn how_to_build_it(&self) -> Response {
        let why = self.missing.replace('&', "&amp;").replace('<', "&lt;");
        let mut response = Response::new(Body::from(HOW_TO_BUILD_IT.replace(WHY, &why)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        guard(headers);
        response
    }
}

impl File {
    fn response(&self, asked: &HeaderMap) -> Response {
        let (encoding, bytes) = self.form(asked);
        let tag = format!("\"{}{}\"", self.tag, encoding.map_or("", Encoding::suffix));
        let is_known = is_known(asked, &tag);
        let mut response = Response::new(if is_known { Body::empty() } else { Body::from(bytes) });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        if !is_known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            if let Some(encoding) = encoding {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
            }
        }
        if self.brotli.is_some() || self.gzip.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        let kept =
            if self.path.starts_with(ASSETS) { "public, max-age=31536000, immutable" } else { "no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        // A tag is hexadecimal digits and letters.
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        guard(headers);
        response
    }

    /// The smallest form that is accepted.
    fn form(&self, asked: &HeaderMap) -> (Option<Encoding>, &'static [u8]) {
        let forms = [(Encoding::Brotli, self.brotli), (Encoding::Gzip, self.gzip)];
        let forms = forms.into_iter().filter_map(|(encoding, bytes)| Some((encoding, bytes?)));
        let smallest =
            forms.filter(|(encoding, _)| accepts(asked, *encoding)).min_by_key(|(_, bytes)| bytes.len());
        smallest.map_or((None, self.plain), |(encoding, bytes)| (Some(encoding), bytes))
    }
}

/// Whether whoever asks has it already.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// What keeps a page from what it has no need for.
fn guard(headers: &mut HeaderMap) {
    const GUARDS: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
