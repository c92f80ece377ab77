//! The writes. Every committed change of a row makes its version one greater, so that versions are in the database's order whoever made them.

use super::clock::now;
use super::log::{Log, Object};
use super::world::{GHOSTS, How, ITEMS, On, PAIRS, World, ghost, item, pair};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::Error;
use sqlx_cached::{CachingExecutor, CachingTransaction, InvalidationPending, WriteRefused};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub struct Writer<DB: World> {
    pub executor: CachingExecutor<DB>,
    pub log: Arc<Log>,
    /// Counts the writes of the process.
    pub writes: Arc<AtomicU64>,
    pub random: StdRng,
    /// The mean pause between two writes.
    pub pause: Duration,
}

/// How a write ended.
enum Outcome {
    Done(Vec<(Object, i64)>),
    NotDone,
    Unknown,
}

/// A statement that makes a version and tells it.
struct Bump {
    postgres: &'static str,
    mariadb: &'static str,
}

const BUMPS: [Bump; 3] = [
    Bump {
        postgres: "UPDATE items SET v = v + 1 WHERE id = $1 RETURNING v",
        mariadb: "UPDATE items SET v = LAST_INSERT_ID(v + 1) WHERE id = ?",
    },
    Bump {
        postgres: "INSERT INTO items AS i (id, v) VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET v = i.v + 1 RETURNING v",
        mariadb: "INSERT INTO items (id, v) VALUES (?, 0) ON DUPLICATE KEY UPDATE v = LAST_INSERT_ID(v + 1)",
    },
    Bump {
        postgres: "WITH made AS (UPDATE items SET v = v + 1 WHERE id = $1 RETURNING v) SELECT v FROM made",
        mariadb: "UPDATE items SET v = LAST_INSERT_ID(v + 1) WHERE id = ? ORDER BY v LIMIT 1",
    },
];

/// What the ways of writing need, in the database's words.
struct Words {
    up: &'static str,
    read: &'static str,
    up_all: &'static str,
    left: &'static str,
    right: &'static str,
    read_left: &'static str,
    never: &'static str,
    tick: &'static str,
    read_clock: &'static str,
    appear: &'static str,
    vanish: &'static str,
}

fn words<DB: World>() -> Words {
    let told = |sql: &str| -> &'static str { super::world::told::<DB>(sql).leak() };
    Words {
        up: told("UPDATE items SET v = v + 1 WHERE id = $1"),
        read: told("SELECT id, v FROM items WHERE id = $1"),
        up_all: told("UPDATE items SET v = v + 1"),
        left: told("UPDATE lefts SET v = v + 1 WHERE id = $1"),
        right: told("UPDATE rights SET v = v - 1 WHERE id = $1"),
        read_left: told("SELECT v FROM lefts WHERE id = $1"),
        // Whoever sees it has read what never was.
        never: told("UPDATE items SET v = v + 1000000000 WHERE id = $1"),
        tick: told("UPDATE clocks SET n = n + 1 WHERE id = $1"),
        read_clock: told("SELECT n FROM clocks WHERE id = $1"),
        appear: told("INSERT INTO ghosts (id, inc) VALUES ($1, $2)"),
        vanish: told("DELETE FROM ghosts WHERE id = $1"),
    }
}

impl<DB: World> Writer<DB> {
    /// Writes with pauses of random length, and now and then without any, until that time.
    pub async fn run(mut self, until: u64) {
        let words = words::<DB>();
        let mut burst = 0;
        while now() < until {
            if burst > 0 {
                burst -= 1;
            } else {
                // Long ones as well, so that what is read in between is read again and again.
                let pause = self.pause.mul_f64(-self.random.random_range(0.001_f64..1.0).ln());
                tokio::time::sleep(pause.min(Duration::from_nanos(until.saturating_sub(now())))).await;
                if self.random.random_ratio(1, 25) {
                    burst = self.random.random_range(3..12);
                }
            }
            self.one(&words).await;
        }
    }

    async fn one(&mut self, words: &Words) {
        let id = self.writes.fetch_add(1, Relaxed);
        let row = self.random.random_range(1..=ITEMS);
        match self.random.random_range(0..100) {
            0..50 => self.bump(id, row).await,
            50..55 => self.drop_half_way(id, row).await,
            55..67 => self.in_transaction(id, words, Some(row)).await,
            67..70 => self.in_transaction(id, words, None).await,
            70..75 => self.never(words, row).await,
            75..90 => self.pair(id, words).await,
            _ => self.ghost(id, words).await,
        }
    }

    fn begins(&self, id: u64, objects: &[Object]) {
        let mut line = format!("b {id} {}", now());
        for object in objects {
            let _ = write!(line, " {object}");
        }
        self.log.line_now(line);
    }

    fn ends(&self, id: u64, outcome: Outcome) {
        let end = now();
        self.log.line_now(match outcome {
            Outcome::Done(versions) => format!("a {id} {end}{}", listed(&versions)),
            Outcome::NotDone => format!("n {id} {end}"),
            Outcome::Unknown => format!("u {id} {end}"),
        });
    }

    fn failed(&self, error: &Error) -> Outcome {
        let text = error.to_string().replace('\n', " ");
        self.log.line_now(format!("e {} write {} {text}", now(), class(error)));
        if is_known(error) { Outcome::NotDone } else { Outcome::Unknown }
    }

    /// One statement that commits by itself.
    async fn bump(&mut self, id: u64, row: i64) {
        let bump = &BUMPS[self.random.random_range(0..BUMPS.len())];
        self.begins(id, &[item(row)]);
        let outcome = match bumped(&self.executor, bump, row).await {
            Ok(version) => Outcome::Done(vec![(item(row), version)]),
            Err(error) => self.failed(&error),
        };
        self.ends(id, outcome);
    }

    /// The caller loses patience; the server may not have noticed.
    async fn drop_half_way(&mut self, id: u64, row: i64) {
        let patience = Duration::from_micros(self.random.random_range(0..4000));
        self.begins(id, &[item(row)]);
        let outcome = match tokio::time::timeout(patience, bumped(&self.executor, &BUMPS[0], row)).await {
            Ok(Ok(version)) => Outcome::Done(vec![(item(row), version)]),
            Ok(Err(error)) => self.failed(&error),
            Err(_) => Outcome::Unknown,
        };
        self.ends(id, outcome);
    }

    async fn in_transaction(&mut self, id: u64, words: &Words, row: Option<i64>) {
        let objects: Vec<Object> = row.map_or_else(|| (1..=ITEMS).map(item).collect(), |row| vec![item(row)]);
        self.begins(id, &objects);
        let outcome = match self.executor.begin().await {
            Ok(mut transaction) => {
                let versions = async {
                    let (sql, arguments) = row.map_or((words.up_all, vec![]), |row| (words.up, vec![row]));
                    DB::execute(On::Transaction(&mut transaction), sql, arguments).await?;
                    let mut versions = Vec::new();
                    for row in row.map_or(1..=ITEMS, |row| row..=row) {
                        let rows = DB::fetch(On::Transaction(&mut transaction), words.read, vec![row], How::One).await?;
                        versions.push((item(row), rows[0][1]));
                    }
                    Ok(versions)
                };
                let versions = versions.await;
                self.commit(id, transaction, versions).await
            }
            Err(error) => self.failed(&error),
        };
        self.ends(id, outcome);
    }

    /// Both parts of a pair, or neither.
    async fn pair(&mut self, id: u64, words: &Words) {
        let row = self.random.random_range(1..=PAIRS);
        self.begins(id, &[pair(row)]);
        let outcome = match self.executor.begin().await {
            Ok(mut transaction) => {
                let versions = async {
                    DB::execute(On::Transaction(&mut transaction), words.left, vec![row]).await?;
                    if self.random.random_ratio(1, 4) {
                        tokio::time::sleep(Duration::from_micros(self.random.random_range(0..3000))).await;
                    }
                    DB::execute(On::Transaction(&mut transaction), words.right, vec![row]).await?;
                    let rows = DB::fetch(On::Transaction(&mut transaction), words.read_left, vec![row], How::One).await?;
                    Ok(vec![(pair(row), rows[0][0])])
                };
                let versions = versions.await;
                self.commit(id, transaction, versions).await
            }
            Err(error) => self.failed(&error),
        };
        self.ends(id, outcome);
    }

    /// Makes a ghost vanish, or come again with a greater number.
    async fn ghost(&mut self, id: u64, words: &Words) {
        let row = self.random.random_range(1..=GHOSTS);
        self.begins(id, &[ghost(row)]);
        let outcome = match self.executor.begin().await {
            Ok(mut transaction) => {
                let versions = async {
                    DB::execute(On::Transaction(&mut transaction), words.tick, vec![row]).await?;
                    let rows = DB::fetch(On::Transaction(&mut transaction), words.read_clock, vec![row], How::One).await?;
                    let version = rows[0][0];
                    if version % 2 == 0 {
                        DB::execute(On::Transaction(&mut transaction), words.appear, vec![row, version]).await?;
                    } else {
                        DB::execute(On::Transaction(&mut transaction), words.vanish, vec![row]).await?;
                    }
                    Ok(vec![(ghost(row), version)])
                };
                let versions = versions.await;
                self.commit(id, transaction, versions).await
            }
            Err(error) => self.failed(&error),
        };
        self.ends(id, outcome);
    }

    /// What is rolled back, by a word or by dropping it, has never been.
    async fn never(&mut self, words: &Words, row: i64) {
        let Ok(mut transaction) = self.executor.begin().await else { return };
        let _ = DB::execute(On::Transaction(&mut transaction), words.never, vec![row]).await;
        if self.random.random_bool(0.5) {
            tokio::time::sleep(Duration::from_micros(self.random.random_range(0..4000))).await;
            let _ = transaction.rollback().await;
        }
    }

    async fn commit(&self, id: u64, transaction: CachingTransaction<'static, DB>, versions: Result<Vec<(Object, i64)>, Error>) -> Outcome {
        match versions {
            Ok(versions) => {
                self.log.line_now(format!("i {id} {}{}", now(), listed(&versions)));
                match transaction.commit().await {
                    Ok(()) => Outcome::Done(versions),
                    Err(error) => self.failed(&error),
                }
            }
            Err(error) => {
                // Nothing was committed, whatever became of the connection.
                let _ = self.failed(&error);
                Outcome::NotDone
            }
        }
    }
}

async fn bumped<DB: World>(executor: &CachingExecutor<DB>, bump: &Bump, row: i64) -> Result<i64, Error> {
    if DB::RETURNS {
        DB::fetch(On::Cached(executor), bump.postgres, vec![row], How::One).await.map(|rows| rows[0][0])
    } else {
        DB::execute(On::Cached(executor), bump.mariadb, vec![row]).await
    }
}

fn listed(versions: &[(Object, i64)]) -> String {
    let mut list = String::new();
    for (object, version) in versions {
        let _ = write!(list, " {object}={version}");
    }
    list
}

/// Whether it is certain that nothing was written.
fn is_known(error: &Error) -> bool {
    match error {
        _ if WriteRefused::of(error).is_some() => true,
        Error::Database(error) => error.code().is_some_and(|code| {
            // The connection went, or the server behind it. MariaDB says 70100 of a statement that was killed.
            !(code.starts_with("08") || code.starts_with("57P") || matches!(&*code, "40003" | "70100"))
        }),
        Error::PoolTimedOut | Error::PoolClosed => true,
        _ => false,
    }
}

/// An error's kind, in one word.
pub fn class(error: &Error) -> &'static str {
    match error {
        _ if WriteRefused::of(error).is_some() => "refused",
        // Committed, and not acknowledged.
        _ if InvalidationPending::of(error).is_some() => "pending",
        Error::Database(error) => match error.code().as_deref() {
            Some("40001" | "40P01") => "deadlock",
            Some(code) if code.starts_with("57P") || code.starts_with("08") || code == "70100" => "killed",
            _ => "database",
        },
        Error::Io(_) | Error::Tls(_) => "io",
        Error::PoolTimedOut | Error::PoolClosed => "pool",
        _ => "other",
    }
}

/// A generator of its own for each task.
pub fn random(seed: u64, process: u64, task: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (process << 32) ^ task)
}
