//! A MySQL server that stands still, dies and comes back. Each test starts its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use muster_catalog::label::NewLabel;
use muster_catalog::{Catalog, Error, Settings};
use sqlx::{Connection, MySqlConnection};

use crate::fixture::{NOW, ann, create_database, make, named, open, rule, run};

struct Server {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--user=root",
            ])
            .arg(format!("--datadir={}", data.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(folder.path(), port);
        Self { folder, port, child }
    }

    fn spawn(folder: &Path, port: u16) -> Child {
        let program =
            ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"].into_iter().find(|at| Path::new(at).exists());
        Command::new(program.unwrap_or("mariadbd"))
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", folder.join("s").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }

    async fn wait(&self) {
        for _ in 0..300 {
            if let Ok(conn) = MySqlConnection::connect(&self.url()).await {
                conn.close().await.unwrap();
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server did not start");
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap().success()
        );
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn restart(&mut self) {
        self.child = Self::spawn(self.folder.path(), self.port);
        self.wait().await;
    }

    /// A catalog that is told soon when nothing answers.
    async fn catalog(&self) -> Catalog {
        self.wait().await;
        create_database(&self.url(), "muster").await;
        let mut settings = Settings::at(format!("{}/muster", self.url()));
        settings.connect_timeout_ms = 500;
        settings.statement_timeout_ms = 500;
        settings.lock_timeout_ms = 1_000;
        let catalog = open(&settings).await;
        make(&catalog, "before", "true").await;
        catalog
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_unavailable<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Unavailable { .. }))
}

/// Asks until it is answered; how long that took.
async fn recovered(catalog: &Catalog) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        match catalog.label(&ann(), &named("before"), NOW).await {
            Ok(_) => return begun.elapsed(),
            Err(Error::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the catalog did not recover");
}

#[test]
#[ignore = "needs MariaDB"]
fn a_killed_server_is_told_and_comes_back() {
    let mut server = Server::start();
    run(async {
        let catalog = server.catalog().await;
        for round in 0..3 {
            // In the middle of changes.
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let catalog = catalog.clone();
                    tokio::spawn(async move {
                        let mut made = Vec::new();
                        for at in 0..10_000 {
                            let name = format!("label {round} {writer} {at}");
                            let new = NewLabel::new(name.clone(), rule("true"));
                            match catalog.create_label(&ann(), new, NOW).await {
                                Ok(_) => made.push(name),
                                Err(error) => return (made, error),
                            }
                        }
                        panic!("the server was not killed");
                    })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(400)).await;
            server.kill();
            let mut made = Vec::new();
            for writer in writers {
                let (names, error) = writer.await.unwrap();
                assert!(matches!(error, Error::Unavailable { .. }), "{error}");
                made.extend(names);
            }
            let begun = Instant::now();
            assert!(is_unavailable(&catalog.changes().await));
            assert!(is_unavailable(&catalog.delete_label(&ann(), &named("before"), None, NOW).await));
            assert!(begun.elapsed() < Duration::from_secs(4));
            server.restart().await;
            println!("recovered in {:?}, {} labels made before", recovered(&catalog).await, made.len());
            // What was acknowledged is there, and everything holds together.
            for name in made {
                assert!(catalog.label(&ann(), &named(&name), NOW).await.is_ok(), "{name} is lost");
            }
            catalog.verify().await.unwrap();
        }
    });
}

#[test]
#[ignore = "needs MariaDB"]
fn a_server_that_stands_still_is_told_and_goes_on() {
    let server = Server::start();
    run(async {
        let catalog = server.catalog().await;
        server.signal("-STOP");
        let begun = Instant::now();
        let waiting: Vec<_> = (0..20)
            .map(|at| {
                let catalog = catalog.clone();
                tokio::spawn(async move {
                    if at % 2 == 0 {
                        catalog.changes().await.map(drop)
                    } else {
                        catalog.create_label(&ann(), NewLabel::list(format!("l{at}")), NOW).await.map(drop)
                    }
                })
            })
            .collect();
        for task in waiting {
            assert!(is_unavailable(&task.await.unwrap()));
        }
        println!("told in {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(8));
        server.signal("-CONT");
        println!("recovered in {:?}", recovered(&catalog).await);
        make(&catalog, "after", "label('before')").await;
        catalog.verify().await.unwrap();
    });
}

#[test]
#[ignore = "needs MariaDB"]
fn a_wrong_address_is_told_without_the_password() {
    let server = Server::start();
    run(async {
        server.wait().await;
        for (url, expected) in [
            (
                format!("mysql://eve:geheim@127.0.0.1:{}/muster", server.port),
                "check user, password and rights",
            ),
            (format!("{}/nowhere", server.url()), "create that database first"),
            ("mysql://eve:geheim@127.0.0.1:1/muster".to_owned(), "is not available"),
        ] {
            let mut settings = Settings::at(url);
            settings.connect_timeout_ms = 500;
            let error = Catalog::open(settings).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("geheim"), "{error}");
        }
    });
}
