//! A ClickHouse server as the reference: the rule's SQL, asked over the same connection as a build's. Reads only.

use std::sync::Arc;

use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::QueryError;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::schema::Schema;

use super::questions::{self, Selected};
use super::{CompareError, Digest, Ranges, Reference, Values};
use crate::error::{LoadError, Result};
use crate::source::ClickHouseOptions;
use crate::source::clickhouse::{Link, quoted};

/// A table that can be asked.
#[derive(Debug)]
pub struct Warehouse {
    link: Arc<Link>,
    schema: Schema,
    now: i64,
    limits: Limits,
}

impl Warehouse {
    /// Rows of this schema, asked as of an instant in Unix seconds. The first question connects.
    pub fn new(options: ClickHouseOptions, schema: Schema, now: i64) -> Result<Self> {
        Ok(Self { link: Arc::new(Link::new(options)?), schema, now, limits: Limits::default() })
    }

    fn condition(&self, rule: &Rule) -> Result<String, CompareError> {
        let options = SqlOptions { now: Some(self.now), labels: &NoLabels, limits: &self.limits };
        Ok(render(rule, &self.schema, &options).map_err(QueryError::from)?)
    }

    fn from(&self) -> String {
        self.link.options().rows.after_from()
    }

    fn count_where(&self, condition: &str) -> Result<u64> {
        let answer = self.link.text(&format!("SELECT count() FROM {} WHERE {condition}", self.from()))?;
        self.number(answer.trim())
    }

    fn matching_where(&self, condition: &str, users: &[u64]) -> Result<Vec<u64>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let id = quoted(&self.schema.user_id);
        let list = users.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let from = self.from();
        let query = format!("SELECT {id} FROM {from} WHERE {id} IN ({list}) AND ({condition}) ORDER BY {id}");
        self.link.text(&query)?.lines().map(|line| self.number(line)).collect()
    }

    fn number(&self, text: &str) -> Result<u64> {
        text.parse().map_err(|_| {
            let line: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
            let url = &self.link.options().address.url;
            LoadError::Source(format!("{url} answered '{line}' where a number was due"))
        })
    }
}

impl Reference for Warehouse {
    fn count(&self, rule: &Rule) -> Result<u64, CompareError> {
        Ok(self.count_where(&self.condition(rule)?)?)
    }

    fn matching(&self, rule: &Rule, users: &[u64]) -> Result<Vec<u64>, CompareError> {
        Ok(self.matching_where(&self.condition(rule)?, users)?)
    }

    fn digests(&self, rule: &Rule, ranges: &Ranges) -> Result<Vec<Digest>, CompareError> {
        let (id, condition) = (quoted(&self.schema.user_id), self.condition(rule)?);
        let selected = Selected { from: &self.from(), id: &id, condition: &condition };
        Ok(questions::read_digests(&self.link.text(&selected.digests(ranges))?, ranges)?)
    }

    fn members(&self, rule: &Rule, first: u64, last: u64) -> Result<Vec<u64>, CompareError> {
        let (id, condition) = (quoted(&self.schema.user_id), self.condition(rule)?);
        let selected = Selected { from: &self.from(), id: &id, condition: &condition };
        Ok(questions::read_ids(&self.link.text(&selected.members(first, last))?)?)
    }

    fn values(&self, rule: &Rule, users: &[u64]) -> Result<Vec<(u64, Values)>, CompareError> {
        let mut names: Vec<String> = rule.columns().into_iter().map(str::to_owned).collect();
        names.retain(|name| *name != self.schema.user_id);
        let columns: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let query = questions::values(&self.from(), &quoted(&self.schema.user_id), &columns, users);
        let rows = questions::read_values(&self.link.text(&query)?)?.into_iter();
        Ok(rows.map(|(user, values)| (user, names.iter().cloned().zip(values).collect())).collect())
    }

    fn side_by_side(&self) -> usize {
        // One travels or is compared while the other is asked; on the server's own machine it makes no difference.
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceConfig;
    use crate::source::clickhouse::scripted::{Script, Server};

    fn warehouse(server: &Server) -> Warehouse {
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "s3cret\n").unwrap();
        let source = SourceConfig {
            url: Some(server.url()),
            table: Some("cdp.user`features".into()),
            final_rows: Some(true),
            user: Some("loader".into()),
            password_file: Some(password),
            retry_wait_ms: 1,
            ..SourceConfig::default()
        };
        let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: Vec::new() };
        Warehouse::new(ClickHouseOptions::new(&source).unwrap(), schema, 0).unwrap()
    }

    #[test]
    fn a_count_is_asked_with_names_quoted_and_credentials_in_headers() {
        let server = Server::start(|_| Script::ok("42\n"));
        assert_eq!(warehouse(&server).count_where("has_poh").unwrap(), 42);
        let request = server.requests().remove(0);
        assert_eq!(request.query, "SELECT count() FROM `cdp`.`user\\`features` FINAL WHERE has_poh");
        let head = request.head.to_lowercase();
        assert!(
            head.contains("x-clickhouse-user: loader") && head.contains("x-clickhouse-key: s3cret"),
            "{head}"
        );
        assert!(!head.lines().next().unwrap().contains("s3cret"));
    }

    #[test]
    fn members_come_back_as_numbers() {
        let server = Server::start(|_| Script::ok("3\n9\n"));
        assert_eq!(warehouse(&server).matching_where("a OR b", &[9, 3, 4]).unwrap(), [3, 9]);
        let query = server.requests().remove(0).query;
        assert!(query.contains("`user_id` IN (9,3,4) AND (a OR b) ORDER BY"), "{query}");
    }

    #[test]
    fn what_the_server_refuses_is_told_in_one_line_without_the_password() {
        let server = Server::start(|_| Script::status(404, "Code: 60. DB::Exception: no such table\nx\ny\n"));
        let error = warehouse(&server).count_where("true").unwrap_err().to_string();
        assert!(error.contains("no such table; check `database` and `table`"), "{error}");
        assert!(
            error.contains(&server.url()) && error.lines().count() == 1 && !error.contains("s3cret"),
            "{error}"
        );
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn an_answer_that_is_no_number_and_a_server_that_is_not_there() {
        let server = Server::start(|_| Script::ok("<html>"));
        let warehouse = warehouse(&server);
        assert!(warehouse.count_where("true").unwrap_err().to_string().contains("answered '<html>'"));
        drop(server);
        let error = warehouse.count_where("true").unwrap_err().to_string();
        assert!(error.contains("cannot read from ClickHouse") && error.contains("tried 5 times"), "{error}");
    }
}
