//! Labels of a server as a process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{folder, store};
use crate::writing_back::Serving;

/// Nothing takes so long that is not broken.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_label_is_counted_again_when_one_that_it_names_changes() {
    let dir = folder("labelling");
    let config = dir.join("muster.toml");
    let catalog = dir.join("catalog.db");
    let text = format!(
        "store = '{}'\n[catalog]\nurl = 'sqlite:{}'\n[serve]\nfollow_ms = 50\n",
        store().display(),
        catalog.display()
    );
    std::fs::write(&config, text).unwrap();
    let serving = Serving::start(&config);
    let rule = |text: &str| serving.post("/audience/count", &json!({"rule": text}))["count"].clone();
    let label =
        |name: &str, rule: &str| serving.post("/labels", &json!({"name": name, "rule": rule}))["id"].clone();
    let comes_to = |id: &Value, wanted: &Value| {
        let begun = Instant::now();
        loop {
            let answer = ureq::get(format!("http://{}/api/v1/labels/{id}", serving.http)).call();
            let text = answer.unwrap().body_mut().read_to_string().unwrap();
            let found: Value = serde_json::from_str(&text).unwrap();
            if found["count"] == *wanted {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{found} and not {wanted}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let (inner, outer) =
        (label("inner", "balance_usd >= 1000"), label("outer", "label('inner') AND has_poh"));
    comes_to(&inner, &rule("balance_usd >= 1000"));
    comes_to(&outer, &rule("balance_usd >= 1000 AND has_poh"));
    let change = json!({"name": "inner", "rule": "balance_usd >= 50", "version": 1});
    let request = ureq::put(format!("http://{}/api/v1/labels/{inner}", serving.http));
    request.header("content-type", "application/json").send(change.to_string()).unwrap();
    comes_to(&inner, &rule("balance_usd >= 50"));
    comes_to(&outer, &rule("balance_usd >= 50 AND has_poh"));
}
