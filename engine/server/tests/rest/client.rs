//! A server of its own for a test, and a client that holds every answer against the OpenAPI document.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use muster_server::Config;
use serde_json::Value;

use crate::fixture::{self, Running};
use crate::shape;

/// The store's folder in that of a test: what is beside a store, as the file of tokens, is the test's too.
pub(crate) const STORE: &str = "store";

/// A store, a server over it, and what it says of its API.
pub(crate) struct Api {
    pub(crate) server: Running,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) document: Value,
    agent: ureq::Agent,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// As JSON, of an answer that is fine.
    #[track_caller]
    pub(crate) fn fine(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// As a problem document, with this status and of this kind.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:muster:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"], self.headers["x-request-id"], "{problem}");
        for part in ["title", "detail", "instance"] {
            assert!(problem[part].as_str().is_some_and(|text| !text.is_empty()), "{part} of {problem}");
        }
        problem
    }
}

impl Api {
    /// Over a store of two generations and one that is held back.
    pub(crate) fn start() -> Self {
        Self::with(fixture::config())
    }

    /// The same with another configuration.
    pub(crate) fn with(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fixture::store(&dir.path().join(STORE), 2, true);
        let api = Self::over(dir, config);
        api.wait_until_ready();
        api
    }

    /// Over whatever store is in a folder.
    pub(crate) fn over(dir: tempfile::TempDir, config: Config) -> Self {
        let server = Running::over(&dir.path().join(STORE), config);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_mins(1)))
            .build()
            .into();
        let mut api = Self { server, dir, document: Value::Null, agent };
        api.document = api.get("/api/openapi.json").json();
        api
    }

    /// Waits for a generation to be in service.
    pub(crate) fn wait_until_ready(&self) {
        let until = Instant::now() + Duration::from_mins(1);
        while self.get("/readyz").status != 200 {
            assert!(Instant::now() < until, "{:?}", self.get("/readyz"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    /// JSON to a path of the API.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// The same as text.
    pub(crate) fn post_text(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", &format!("/api/v1{path}"), &[("content-type", "application/json")], Some(body))
    }

    /// A request, whose answer is held against the document.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.server.http));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body.to_owned()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let answer = Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            text: response.body_mut().read_to_string().unwrap(),
        };
        assert!(!answer.headers["x-request-id"].is_empty());
        if !self.document.is_null() {
            shape::check(&self.document, method, path, &answer);
        }
        answer
    }

    /// A request as it stands, and all that comes back until the server closes the connection.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut connection = TcpStream::connect(self.server.http).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }
}
