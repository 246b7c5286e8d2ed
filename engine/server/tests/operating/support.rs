//! A server with a catalog and a token for each role, and callers that hold one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use muster_catalog::{Catalog, Settings};
use muster_proto::v1::admin_client::AdminClient;
use muster_proto::v1::labels_client::LabelsClient;
use muster_server::{Config, Role, Tokens, TokensFile};
use serde_json::Value;
use tonic::Request;
use tonic::transport::Channel;

use crate::client::{Answer, Api, STORE};
use crate::fixture;

/// A server of two generations and one that is held back, which asks everybody for a token.
pub(crate) struct Operated {
    pub(crate) api: Api,
    /// For what the catalog's own calls are needed, as making deliveries.
    pub(crate) catalog: Catalog,
    pub(crate) runtime: tokio::runtime::Runtime,
    tokens: Vec<(&'static str, String)>,
}

/// Who holds a token: a name, and the role.
const HOLDERS: [(&str, Role); 5] = [
    ("rita", Role::Reader),
    ("eddy", Role::Editor),
    ("edna", Role::Editor),
    ("pat", Role::Approver),
    ("ada", Role::Admin),
];

/// Runs each of these tests with a catalog in SQLite, and with one in MySQL where there is one.
macro_rules! with_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { crate::databases::at_sqlite(super::$test); })*
        }
        mod mysql {
            $(#[test] #[ignore = "needs MariaDB"] fn $test() { crate::databases::at_mysql(super::$test); })*
        }
    };
}
pub(crate) use with_both;

impl Operated {
    pub(crate) fn start(url: &str) -> Self {
        Self::with(url, |_| ())
    }

    /// The same where the server is told something else about the catalog.
    pub(crate) fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fixture::store(&dir.path().join(STORE), 2, true);
        let file = TokensFile::at(&dir.path().join("tokens.toml"));
        let token = |(name, role)| (name, file.create(name, role, Timestamp::now(), None).unwrap());
        let tokens = HOLDERS.map(token).to_vec();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let catalog = runtime.block_on(Catalog::open(Settings::at(url))).unwrap();
        let mut served = Settings::at(url);
        change(&mut served);
        let config = Config { tokens: Tokens::Required, catalog: Some(served), ..fixture::config() };
        let api = Api::over(dir, config);
        api.wait_until_ready();
        Self { api, catalog, runtime, tokens }
    }

    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.api.dir.path().join("tokens.toml")
    }

    fn bearer(&self, who: &str) -> String {
        let (_, token) = self.tokens.iter().find(|(name, _)| *name == who).unwrap();
        format!("Bearer {token}")
    }

    /// A request by somebody.
    pub(crate) fn ask(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = self.bearer(who);
        let text = body.map(Value::to_string);
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.api.ask(method, &format!("/api/v1{path}"), &headers, text.as_deref())
    }

    pub(crate) fn get(&self, who: &str, path: &str) -> Answer {
        self.ask(who, "GET", path, None)
    }

    pub(crate) fn post(&self, who: &str, path: &str, body: &Value) -> Answer {
        self.ask(who, "POST", path, Some(body))
    }

    /// Makes a label; its answer.
    #[track_caller]
    pub(crate) fn make(&self, who: &str, label: &Value) -> Value {
        let made = self.post(who, "/labels", label);
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()
    }

    /// A message by somebody.
    pub(crate) fn by<T>(&self, who: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer(who).parse().unwrap());
        request
    }

    fn channel(&self) -> Channel {
        let _runtime = self.runtime.enter();
        Channel::from_shared(format!("http://{}", self.api.server.grpc)).unwrap().connect_lazy()
    }

    pub(crate) fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel())
    }

    pub(crate) fn labels(&self) -> LabelsClient<Channel> {
        LabelsClient::new(self.channel())
    }

    /// Waits for something to be so.
    #[track_caller]
    pub(crate) fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !is_so(self) {
            assert!(Instant::now() < until, "it is never so");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
