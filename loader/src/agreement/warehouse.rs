//! A ClickHouse server as the reference: the rule's SQL, asked over HTTP. Reads only.

use std::time::Duration;

use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::QueryError;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::schema::Schema;
use ureq::Agent;

use super::{CompareError, Reference};

use crate::error::{LoadError, Result};

/// How long one question may take. A count over a large table without an index is slow, but not this slow.
const ANSWER_SECONDS_MAX: u64 = 600;
/// Most bytes of an answer: ids as text, for samples of at most some hundred thousand users.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Which table of which server, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `http://HOST:PORT`
    pub url: String,
    /// `TABLE` or `DATABASE.TABLE`
    pub name: String,
    /// Whether only the last row of a user counts (`FINAL`).
    pub last_row_only: bool,
    /// Who asks; the server's default user if nobody.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<String>,
}

/// A table that can be asked.
#[derive(Debug)]
pub struct Warehouse {
    agent: Agent,
    table: Table,
    from: String,
    schema: Schema,
    now: i64,
    limits: Limits,
}

impl Warehouse {
    /// A table of this schema, asked as of an instant in Unix seconds. The first question connects.
    pub fn new(table: Table, schema: Schema, now: i64) -> Result<Self> {
        if !table.url.starts_with("http://") {
            return Err(LoadError::Config(format!(
                "'{}' is not the address of a ClickHouse server: give its HTTP port, as http://127.0.0.1:8123",
                table.url
            )));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))
            .http_status_as_error(false)
            .build();
        let name = table.name.split('.').map(quoted).collect::<Vec<_>>().join(".");
        let from = if table.last_row_only { format!("{name} FINAL") } else { name };
        Ok(Self { agent: config.into(), table, from, schema, now, limits: Limits::default() })
    }

    fn condition(&self, rule: &Rule) -> Result<String, CompareError> {
        let options = SqlOptions { now: Some(self.now), labels: &NoLabels, limits: &self.limits };
        Ok(render(rule, &self.schema, &options).map_err(QueryError::from)?)
    }

    fn count_where(&self, condition: &str) -> Result<u64> {
        let answer = self.ask(&format!("SELECT count() FROM {} WHERE {condition}", self.from))?;
        self.number(answer.trim())
    }

    fn matching_where(&self, condition: &str, users: &[u64]) -> Result<Vec<u64>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let id = quoted(&self.schema.user_id);
        let list = users.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let query =
            format!("SELECT {id} FROM {} WHERE {id} IN ({list}) AND ({condition}) ORDER BY {id}", self.from);
        self.ask(&query)?.lines().map(|line| self.number(line)).collect()
    }

    fn number(&self, text: &str) -> Result<u64> {
        text.parse().map_err(|_| {
            LoadError::Source(format!(
                "{} answered '{}' where a number was due",
                self.table.url,
                first_line(text)
            ))
        })
    }

    fn ask(&self, query: &str) -> Result<String> {
        let failed =
            |what: String| LoadError::Source(format!("cannot ask ClickHouse at {}: {what}", self.table.url));
        let mut request = self.agent.post(&self.table.url).query("default_format", "TabSeparated");
        if let Some(user) = &self.table.user {
            request = request.header("X-ClickHouse-User", user);
        }
        if let Some(password) = &self.table.password {
            request = request.header("X-ClickHouse-Key", password);
        }
        let mut response = request.send(query).map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = body.map_err(|error| failed(error.to_string()))?;
        if status.is_success() { Ok(text) } else { Err(failed(first_line(&text))) }
    }
}

impl Reference for Warehouse {
    fn count(&self, rule: &Rule) -> Result<u64, CompareError> {
        Ok(self.count_where(&self.condition(rule)?)?)
    }

    fn matching(&self, rule: &Rule, users: &[u64]) -> Result<Vec<u64>, CompareError> {
        Ok(self.matching_where(&self.condition(rule)?, users)?)
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// Enough of an answer to see what it is.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    fn table(url: String) -> Table {
        Table {
            url,
            name: "cdp.user`features".into(),
            last_row_only: true,
            user: Some("loader".into()),
            password: Some("s3cret".into()),
        }
    }

    fn warehouse(url: String) -> Warehouse {
        let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: Vec::new() };
        Warehouse::new(table(url), schema, 0).unwrap()
    }

    /// Answers one request with this response and tells what was asked.
    fn server(response: &'static str) -> (String, JoinHandle<(String, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answered = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
            }
            let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().to_owned();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            stream.get_mut().write_all(response.as_bytes()).unwrap();
            (head, String::from_utf8(body).unwrap())
        });
        (url, answered)
    }

    #[test]
    fn a_count_is_asked_with_names_quoted_and_credentials_in_headers() {
        let (url, server) = server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n42\n");
        assert_eq!(warehouse(url).count_where("has_poh").unwrap(), 42);
        let (head, body) = server.join().unwrap();
        assert_eq!(body, "SELECT count() FROM `cdp`.`user\\`features` FINAL WHERE has_poh");
        let head = head.to_lowercase();
        assert!(
            head.contains("x-clickhouse-user: loader") && head.contains("x-clickhouse-key: s3cret"),
            "{head}"
        );
        assert!(!head.lines().next().unwrap().contains("s3cret"));
    }

    #[test]
    fn members_come_back_as_numbers() {
        let (url, server) = server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n3\n9\n");
        assert_eq!(warehouse(url).matching_where("a OR b", &[9, 3, 4]).unwrap(), [3, 9]);
        let (_, body) = server.join().unwrap();
        assert!(body.contains("`user_id` IN (9,3,4) AND (a OR b) ORDER BY"), "{body}");
    }

    #[test]
    fn what_the_server_refuses_is_told_in_one_line_without_the_password() {
        let (url, server) = server(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 42\r\n\r\nCode: 60. DB::Exception: no such table\nx\ny\n",
        );
        let error = warehouse(url.clone()).count_where("true").unwrap_err().to_string();
        server.join().unwrap();
        assert_eq!(error, format!("cannot ask ClickHouse at {url}: Code: 60. DB::Exception: no such table"));
    }

    #[test]
    fn an_answer_that_is_no_number_and_a_server_that_is_not_there() {
        let (url, server) = server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>");
        let warehouse = warehouse(url);
        assert!(warehouse.count_where("true").unwrap_err().to_string().contains("answered '<html>'"));
        server.join().unwrap();
        assert!(warehouse.count_where("true").unwrap_err().to_string().contains("cannot ask ClickHouse"));
        let schema = warehouse.schema.clone();
        assert!(Warehouse::new(table("clickhouse.example".into()), schema, 0).is_err());
    }
}
