//! What a database's error means to whoever asked.

use crate::error::Error;

/// Whether the transaction was being committed when it happened, so that nobody knows whether it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum During {
    Work,
    Commit,
}

/// A database that said nothing for too long.
pub(super) fn silent(place: &str, during: During) -> Error {
    unavailable(place, "it did not answer in time".to_owned(), during)
}

/// The error for what the database said.
pub(super) fn fault(place: &str, error: sqlx::Error, during: During) -> Error {
    let said = error.to_string();
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().map(std::borrow::Cow::into_owned).unwrap_or_default();
            if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                from_mysql(place, mysql.number(), error.message().to_owned(), during)
            } else {
                from_sqlite(place, code.parse().unwrap_or(0), error.message().to_owned(), during)
            }
        }
        sqlx::Error::PoolTimedOut => {
            unavailable(place, "no connection could be had in time".to_owned(), During::Work)
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => unavailable(place, said, during),
        sqlx::Error::Configuration(_) => Error::CannotOpen { place: place.to_owned(), why: said },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
            Error::Corrupt { place: place.to_owned(), what: said }
        }
        _ => Error::Database { place: place.to_owned(), what: said },
    }
}

fn unavailable(place: &str, why: String, during: During) -> Error {
    Error::Unavailable { place: place.to_owned(), why, maybe_done: during == During::Commit }
}

/// By SQLite's result codes; the low byte is the class.
fn from_sqlite(place: &str, code: u32, said: String, during: During) -> Error {
    let place_owned = place.to_owned();
    match code & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED: nothing was changed, whatever was tried.
        5 | 6 => unavailable(place, "another program is writing to it".to_owned(), During::Work),
        // SQLITE_READONLY
        8 => Error::ReadOnly { place: place_owned },
        // SQLITE_IOERR
        10 => unavailable(place, said, during),
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => Error::Corrupt { place: place_owned, what: said },
        // SQLITE_FULL
        13 => Error::Full { place: place_owned, why: said },
        // SQLITE_CANTOPEN
        14 => Error::CannotOpen {
            place: place_owned,
            why: format!("{said}; see that its folder exists and that muster may read and write there"),
        },
        _ => Error::Database { place: place_owned, what: said },
    }
}

/// By MySQL's error numbers, which MariaDB shares.
fn from_mysql(place: &str, number: u16, said: String, during: During) -> Error {
    let place_owned = place.to_owned();
    match number {
        // No connection to be had, going down, killed, a lock not to be had in time, a deadlock, a statement ended by its time.
        1040
        | 1053
        | 1077
        | 1079
        | 1152
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1226
        | 1317
        | 1927
        | 1969
        | 3024 => unavailable(place, said, during),
        // Disk full, table full.
        1021 | 1114 => Error::Full { place: place_owned, why: said },
        // Read-only by option, by transaction, by storage engine; no right to write.
        1290 | 1792 | 1836 | 1142 | 1143 => Error::ReadOnly { place: place_owned },
        1049 => Error::CannotOpen { place: place_owned, why: format!("{said}; create that database first") },
        1044 | 1045 | 1698 => {
            Error::CannotOpen { place: place_owned, why: format!("{said}; check user, password and rights") }
        }
        // Crashed or unreadable tables and indexes.
        1034 | 1035 | 1194 | 1195 | 1712 | 1877 => Error::Corrupt { place: place_owned, what: said },
        _ => Error::Database { place: place_owned, what: said },
    }
}
