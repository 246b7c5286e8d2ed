//! The tables, in words that become SQLite's or MySQL's.
//!
//! A migration is never changed once it was published: a change of tables is one more migration. Each statement can be run
//! again, because MySQL cannot take back half a migration.

use super::Dialect;

/// All migrations; the first makes version 1.
pub(super) const MIGRATIONS: &[&[Step]] = &[FIRST];

/// A statement of a migration.
pub(super) enum Step {
    /// A table: its name and its columns and constraints.
    Table(&'static str, &'static str),
    /// An index: its name, its table, its columns.
    Index(&'static str, &'static str, &'static str),
    /// A table in which records are only added: neither changed nor removed.
    AppendOnly(&'static str),
}

/// Marks a file as a catalog: SQLite's `application_id`, "MSTR".
pub(super) const APPLICATION_ID: u32 = 0x4d53_5452;

const FIRST: &[Step] = &[
    // One row. Every change begins by changing it, so changes take turns on both databases.
    Step::Table(
        "catalog_state",
        "id {int} NOT NULL PRIMARY KEY, writes {int} NOT NULL, label_changes {int} NOT NULL,
         delivery_changes {int} NOT NULL, last_label {int} NOT NULL, last_delivery {int} NOT NULL,
         last_approval {int} NOT NULL, last_audit {int} NOT NULL, last_list {int} NOT NULL",
    ),
    Step::Table(
        "labels",
        "id {int} NOT NULL PRIMARY KEY, name {name} NOT NULL UNIQUE, description {text} NOT NULL, search {text} NOT NULL,
         kind {int} NOT NULL, rule {text} NOT NULL, rules_json {text}, enabled {int} NOT NULL, private {int} NOT NULL,
         predefined {int} NOT NULL, creator {name} NOT NULL, version {int} NOT NULL, created_us {int} NOT NULL,
         updated_us {int} NOT NULL, updated_by {name} NOT NULL, list_version {int} NOT NULL, list_users {int} NOT NULL",
    ),
    Step::Index("labels_by_creator", "labels", "creator, name"),
    // Which label's rule names which label.
    Step::Table(
        "label_uses",
        "label_id {int} NOT NULL, uses_id {int} NOT NULL, PRIMARY KEY (label_id, uses_id),
         FOREIGN KEY (label_id) REFERENCES labels (id) ON DELETE CASCADE, FOREIGN KEY (uses_id) REFERENCES labels (id)",
    ),
    Step::Index("label_uses_by_used", "label_uses", "uses_id"),
    // The users of a list, encoded; parts of another version than the label's are none of its.
    Step::Table(
        "list_parts",
        "label_id {int} NOT NULL, list_version {int} NOT NULL, part {int} NOT NULL, users {int} NOT NULL,
         ids {blob} NOT NULL, PRIMARY KEY (label_id, list_version, part),
         FOREIGN KEY (label_id) REFERENCES labels (id) ON DELETE CASCADE",
    ),
    // Counts by generation. users and universe are NULL where it failed.
    Step::Table(
        "label_counts",
        "label_id {int} NOT NULL, generation {int} NOT NULL, as_of_us {int} NOT NULL, recorded_us {int} NOT NULL,
         users {int}, universe {int}, failed {text}, PRIMARY KEY (label_id, generation),
         FOREIGN KEY (label_id) REFERENCES labels (id) ON DELETE CASCADE",
    ),
    Step::Index("label_counts_by_time", "label_counts", "recorded_us"),
    Step::Index("label_counts_by_generation", "label_counts", "generation"),
    // The latest count and the one before, so that a page of labels needs no search in label_counts.
    Step::Table(
        "label_latest",
        "label_id {int} NOT NULL PRIMARY KEY, generation {int}, as_of_us {int}, users {int}, universe {int},
         previous_generation {int}, previous_users {int}, previous_universe {int}, failed_generation {int}, failed {text},
         FOREIGN KEY (label_id) REFERENCES labels (id) ON DELETE CASCADE",
    ),
    Step::Table(
        "deliveries",
        "id {int} NOT NULL PRIMARY KEY, name {name} NOT NULL, search {text} NOT NULL, state {int} NOT NULL,
         body {text} NOT NULL, start_us {int} NOT NULL, end_us {int} NOT NULL, creator {name} NOT NULL,
         version {int} NOT NULL, created_us {int} NOT NULL, updated_us {int} NOT NULL, updated_by {name} NOT NULL,
         open_approval {int}",
    ),
    Step::Index("deliveries_by_state", "deliveries", "state, end_us"),
    Step::Index("deliveries_by_creator", "deliveries", "creator, id"),
    // Which delivery names which label: by what it is and by what it is asked to become.
    Step::Table(
        "delivery_uses",
        "delivery_id {int} NOT NULL, label_id {int} NOT NULL, PRIMARY KEY (delivery_id, label_id),
         FOREIGN KEY (delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE,
         FOREIGN KEY (label_id) REFERENCES labels (id)",
    ),
    Step::Index("delivery_uses_by_label", "delivery_uses", "label_id"),
    // What somebody asked for and what somebody else decided; decision is NULL while it waits.
    Step::Table(
        "approvals",
        "id {int} NOT NULL PRIMARY KEY, delivery_id {int} NOT NULL, kind {int} NOT NULL, body {text},
         requester {name} NOT NULL, requested_us {int} NOT NULL, comment {text} NOT NULL, decision {int},
         decided_by {name}, decided_us {int}, decision_comment {text},
         FOREIGN KEY (delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE",
    ),
    Step::Index("approvals_by_delivery", "approvals", "delivery_id, id"),
    Step::Table(
        "audit",
        "id {int} NOT NULL PRIMARY KEY, at_us {int} NOT NULL, actor {name} NOT NULL, kind {name} NOT NULL,
         action {name} NOT NULL, object_id {int}, object {name} NOT NULL, before_json {text}, after_json {text},
         comment {text} NOT NULL, request {name} NOT NULL",
    ),
    Step::Index("audit_by_object", "audit", "kind, object_id, id"),
    Step::Index("audit_by_actor", "audit", "actor, id"),
    Step::Index("audit_by_time", "audit", "at_us"),
    Step::AppendOnly("audit"),
];

impl Step {
    /// The statements of this step.
    pub(super) fn statements(&self, dialect: Dialect) -> Vec<String> {
        match (self, dialect) {
            (Self::Table(name, columns), _) => vec![table(name, columns, dialect)],
            (Self::Index(name, table, columns), Dialect::Sqlite) => {
                vec![format!("CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")]
            }
            (Self::Index(name, table, columns), Dialect::MySql) => {
                vec![format!("CREATE INDEX {name} ON {table} ({columns})")]
            }
            (Self::AppendOnly(table), Dialect::Sqlite) => sqlite_append_only(table),
            (Self::AppendOnly(table), Dialect::MySql) => mysql_append_only(table),
        }
    }
}

fn table(name: &str, columns: &str, dialect: Dialect) -> String {
    let (int, short, text, blob, end) = match dialect {
        Dialect::Sqlite => ("INTEGER", "TEXT", "TEXT", "BLOB", "STRICT"),
        Dialect::MySql => (
            "BIGINT",
            "VARCHAR(200)",
            "MEDIUMTEXT",
            "MEDIUMBLOB",
            "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ),
    };
    let columns = columns
        .replace("{int}", int)
        .replace("{name}", short)
        .replace("{text}", text)
        .replace("{blob}", blob)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    format!("CREATE TABLE IF NOT EXISTS {name} ({columns}) {end}")
}

fn sqlite_append_only(table: &str) -> Vec<String> {
    let refuse = |event: &str, when: &str, name: &str| {
        format!(
            "CREATE TRIGGER IF NOT EXISTS {table}_{name} BEFORE {event} ON {table} {when}
             BEGIN SELECT RAISE(ABORT, 'records of {table} are neither changed nor removed'); END"
        )
    };
    vec![
        refuse("UPDATE", "", "no_update"),
        refuse("DELETE", "", "no_delete"),
        // REPLACE would remove a record without the trigger for that.
        refuse("INSERT", &format!("WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"), "no_replace"),
    ]
}

fn mysql_append_only(table: &str) -> Vec<String> {
    ["UPDATE", "DELETE"]
        .into_iter()
        .flat_map(|event| {
            let name = format!("{table}_no_{}", event.to_lowercase());
            [
                format!("DROP TRIGGER IF EXISTS {name}"),
                format!(
                    "CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW SIGNAL SQLSTATE '45000'
                     SET MESSAGE_TEXT = 'records of {table} are neither changed nor removed'"
                ),
            ]
        })
        .collect()
}
