//! What tests ask in the name of somebody.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Api};

impl Api {
    /// A request in somebody's name.
    pub(crate) fn by(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers = [("x-muster-user", who), ("content-type", "application/json")];
        let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
        let body = body.map(ToString::to_string);
        self.ask(method, &format!("/api/v1{path}"), headers, body.as_deref())
    }

    /// A label of a rule, made by somebody.
    #[track_caller]
    pub(crate) fn label(&self, who: &str, name: &str, rule: &str) -> Value {
        let answer = self.by(who, "POST", "/labels", Some(&json!({"name": name, "rule": rule})));
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    /// A list with users on it.
    #[track_caller]
    pub(crate) fn list(&self, who: &str, name: &str, users: &[u64]) -> Value {
        let answer = self.by(who, "POST", "/labels", Some(&json!({"name": name})));
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.json()["id"].as_u64().unwrap();
        self.fill(who, "PUT", id, users).fine()["label"].clone()
    }

    /// Uploads ids, one a line.
    pub(crate) fn fill(&self, who: &str, method: &str, id: u64, users: &[u64]) -> Answer {
        let lines: Vec<String> = users.iter().map(u64::to_string).collect();
        let lines = lines.join("\n");
        let headers = [("x-muster-user", who), ("content-type", "text/csv")];
        self.ask(method, &format!("/api/v1/labels/{id}/users"), &headers, Some(&lines))
    }

    /// A delivery that Ann makes and submits and Bob approves.
    #[track_caller]
    pub(crate) fn live(&self, body: &Value) -> Value {
        let made = self.by("ann", "POST", "/deliveries", Some(body));
        assert_eq!(made.status, 201, "{}", made.text);
        let id = made.json()["id"].as_u64().unwrap();
        self.by("ann", "POST", &format!("/deliveries/{id}/submit"), Some(&json!({"comment": "please"})))
            .fine();
        self.by("bob", "POST", &format!("/deliveries/{id}/approve"), Some(&json!({"comment": "fine"}))).fine()
    }

    /// The users of a rule.
    pub(crate) fn members(&self, rule: &str) -> Vec<u64> {
        let asked = json!({"rule": rule, "page_size": 60_000});
        let mut ids: Vec<u64> =
            serde_json::from_value(self.post("/audience/members", &asked).fine()["user_ids"].take()).unwrap();
        ids.sort_unstable();
        ids
    }
}

/// A delivery of a task, shown since yesterday for many years.
pub(crate) fn shown(name: &str, target: &Value) -> Value {
    json!({
        "name": name,
        "target": target,
        "content_type": "onchain_task",
        "content_id": format!("task-{name}"),
        "start_time": "2026-01-01T00:00:00Z",
        "end_time": "2099-01-01T00:00:00Z",
    })
}

/// Waits for something that happens soon by itself.
#[track_caller]
pub(crate) fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
