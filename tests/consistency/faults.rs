//! What is done to Redis, to the ways there, to the processes and to the database. Every fault is over when its function returns.

use super::clock::now;
use super::crew::{Crew, ROLES};
use super::world::{How, On, World};
use crate::support::Redis;
use crate::support::proxy::Proxy;
use rand::RngExt;
use rand::rngs::StdRng;
use sqlx::Pool;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;

/// What is done to Redis itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfRedis {
    Kill,
    KillAfterSnapshot,
    Stop,
    StopForLong,
    FlushAll,
    DeleteKeys,
    KillClients,
    KillTracking,
    Evict,
    OutOfMemory,
    ReadOnly,
    Loading,
    Misconfigured,
}

/// What is done to the processes' ways to Redis, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfWays {
    Delay,
    Hold,
    Cut,
    CloseAnswers,
    CloseRequests,
    Refuse,
}

/// What is done to the processes and their sessions of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfPeople {
    Kill,
    KillBlocked,
    Pause,
    Terminate,
}

/// What was done when.
#[derive(Default)]
pub struct Diary(Mutex<Vec<(u64, String)>>);

impl Diary {
    fn note(&self, what: String) {
        self.0.lock().expect("the diary").push((now(), what));
    }

    /// Everything, a line each; times are those of the processes' logs.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.0.lock().expect("the diary").iter().map(|(time, what)| format!("{time} {what}")).collect();
        lines.join("\n")
    }

    /// How often something was done whose name begins so.
    pub fn count(&self, what: &str) -> usize {
        self.0.lock().expect("the diary").iter().filter(|(_, done)| done.starts_with(what)).count()
    }
}

fn millis(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from..to))
}

fn has(until: u64, time: Duration) -> bool {
    u128::from(until.saturating_sub(now())) > time.as_nanos()
}

/// Asks Redis something; whatever it says, or that it is not there, is fine.
fn say(redis: &Redis, words: &[&str]) -> Option<redis::Value> {
    block_in_place(|| {
        let mut connection = redis::Client::open(redis.url()).ok()?.get_connection_with_timeout(Duration::from_millis(500)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let (name, arguments) = words.split_first()?;
        redis::cmd(name).arg(arguments).query(&mut connection).ok()
    })
}

fn texts(redis: &Redis, words: &[&str]) -> Vec<String> {
    say(redis, words).and_then(|value| redis::from_redis_value(value).ok()).unwrap_or_default()
}

fn text(redis: &Redis, words: &[&str]) -> String {
    say(redis, words).and_then(|value| redis::from_redis_value(value).ok()).unwrap_or_default()
}

pub async fn on_redis(redis: &mut Redis, faults: &[OfRedis], until: u64, mut random: StdRng, diary: &Diary) {
    while !faults.is_empty() && has(until, Duration::ZERO) {
        sleep(millis(&mut random, 100, 900)).await;
        let fault = faults[random.random_range(0..faults.len())];
        if fault == OfRedis::StopForLong && !has(until, Duration::from_secs(5)) {
            continue;
        }
        diary.note(format!("redis {fault:?}"));
        one_on_redis(redis, fault, &mut random).await;
        diary.note(format!("over: {fault:?}"));
    }
}

async fn one_on_redis(redis: &mut Redis, fault: OfRedis, random: &mut StdRng) {
    let set = |redis: &Redis, name: &str, value: &str| say(redis, &["CONFIG", "SET", name, value]);
    match fault {
        OfRedis::Kill => {
            block_in_place(|| redis.kill());
            redis.forget_snapshot();
            sleep(millis(random, 10, 1500)).await;
            block_in_place(|| redis.restart());
        }
        OfRedis::KillAfterSnapshot => {
            say(redis, &["SAVE"]);
            // Time for the snapshot to become an old one.
            sleep(millis(random, 50, 600)).await;
            block_in_place(|| redis.kill());
            sleep(millis(random, 0, 600)).await;
            block_in_place(|| redis.restart());
            redis.forget_snapshot();
        }
        OfRedis::Loading => {
            // Each key takes its time to load: see the campaign's server.
            for number in 0..150 {
                say(redis, &["SET", &format!("slow:{number}"), "x", "PX", "5000"]);
            }
            say(redis, &["SAVE"]);
            block_in_place(|| redis.restart());
            sleep(millis(random, 500, 1000)).await;
            redis.forget_snapshot();
        }
        OfRedis::Stop | OfRedis::StopForLong => {
            redis.pause();
            sleep(if fault == OfRedis::Stop { millis(random, 50, 1500) } else { Duration::from_secs(5) }).await;
            redis.resume();
        }
        OfRedis::FlushAll => drop(say(redis, &["FLUSHALL"])),
        OfRedis::DeleteKeys => {
            for _ in 0..random.random_range(1..20) {
                let pattern = ["sql:*:gen", "sql-fence:*", "sql*"][random.random_range(0..3)];
                let keys = texts(redis, &["KEYS", pattern]);
                if !keys.is_empty() {
                    say(redis, &["DEL", &keys[random.random_range(0..keys.len())]]);
                }
                sleep(millis(random, 1, 60)).await;
            }
        }
        OfRedis::KillClients => drop(say(redis, &["CLIENT", "KILL", "TYPE", "normal"])),
        OfRedis::KillTracking => {
            for client in text(redis, &["CLIENT", "LIST"]).lines() {
                let field = |name: &str| client.split(' ').find_map(|field| field.strip_prefix(name)).unwrap_or_default().to_owned();
                if field("flags=").contains('t') && random.random_bool(0.7) {
                    say(redis, &["CLIENT", "KILL", "ID", &field("id=")]);
                }
            }
            say(redis, &["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        OfRedis::Evict => {
            set(redis, "maxmemory-policy", "allkeys-lru");
            set(redis, "maxmemory", "2mb");
            let junk = "x".repeat(20_000);
            for _ in 0..random.random_range(50..300) {
                say(redis, &["SET", &format!("junk:{}", random.random_range(0..1000)), &junk, "PX", "3000"]);
                sleep(Duration::from_millis(2)).await;
            }
            set(redis, "maxmemory", "0");
        }
        OfRedis::OutOfMemory => {
            set(redis, "maxmemory-policy", "noeviction");
            set(redis, "maxmemory", "1");
            sleep(millis(random, 100, 1500)).await;
            set(redis, "maxmemory", "0");
        }
        OfRedis::ReadOnly => {
            let stale = if random.random_bool(0.5) { "yes" } else { "no" };
            set(redis, "replica-serve-stale-data", stale);
            say(redis, &["REPLICAOF", "127.0.0.1", "1"]);
            sleep(millis(random, 100, 1500)).await;
            say(redis, &["REPLICAOF", "NO", "ONE"]);
        }
        OfRedis::Misconfigured => {
            redis.spoil("spoilt.rdb");
            set(redis, "dbfilename", "spoilt.rdb");
            set(redis, "save", "3600 1000000");
            say(redis, &["BGSAVE"]);
            sleep(millis(random, 300, 1500)).await;
            set(redis, "save", "");
            set(redis, "dbfilename", "dump.rdb");
        }
    }
}

pub async fn on_ways(ways: &[Proxy], faults: &[OfWays], until: u64, mut random: StdRng, diary: &Diary) {
    while !faults.is_empty() && has(until, Duration::ZERO) {
        sleep(millis(&mut random, 50, 500)).await;
        let fault = faults[random.random_range(0..faults.len())];
        // One process's way, or everybody's.
        let one = random.random_range(0..ways.len() * 2);
        let mine: Vec<&Proxy> =
            ways.iter().enumerate().filter(|(index, _)| one == *index || one >= ways.len()).map(|(_, way)| way).collect();
        diary.note(format!("ways {fault:?} {one}"));
        let time = millis(&mut random, 20, 1200);
        for way in &mine {
            match fault {
                OfWays::Delay => way.delay(Duration::from_millis(random.random_range(1..150))),
                OfWays::Hold => way.hold(true),
                OfWays::Cut => way.cut(),
                OfWays::CloseAnswers => way.close_answers(),
                OfWays::CloseRequests => way.close_requests(),
                OfWays::Refuse => {
                    way.close(true);
                    way.cut();
                }
            }
        }
        sleep(time).await;
        for way in mine {
            way.delay(Duration::ZERO);
            way.hold(false);
            way.close(false);
            way.forget_cut();
        }
        diary.note(format!("over: {fault:?}"));
    }
}

pub async fn on_people<DB: World>(crew: &mut Crew, pool: &Pool<DB>, faults: &[OfPeople], until: u64, mut random: StdRng, diary: &Diary) {
    while !faults.is_empty() && has(until, Duration::ZERO) {
        sleep(millis(&mut random, 20, 250)).await;
        let fault = faults[random.random_range(0..faults.len())];
        // Mostly those who mostly write.
        let role = if random.random_ratio(1, 6) { random.random_range(0..ROLES.len()) } else { random.random_range(2..ROLES.len()) };
        match fault {
            OfPeople::Kill => {
                diary.note(format!("kill {role}"));
                replace(crew, role, &mut random).await;
            }
            OfPeople::KillBlocked => {
                let Ok(lock) = DB::lock(pool).await else { continue };
                let blocked = blocked(pool).await;
                // All who write: some of them stand at the lock.
                let roles = [2, 3].into_iter().filter(|_| role >= 2).chain((role < 2).then_some(role));
                for role in roles {
                    diary.note(if blocked > 0 { format!("kill {role} while {blocked} are blocked") } else { format!("kill {role}") });
                    replace(crew, role, &mut random).await;
                }
                // Now and then for longer than a lease.
                let held = if random.random_ratio(1, 8) { millis(&mut random, 1500, 2500) } else { millis(&mut random, 0, 500) };
                sleep(held).await;
                let _ = lock.rollback().await;
                diary.note("over: the lock".to_owned());
            }
            OfPeople::Pause => {
                diary.note(format!("pause {role}"));
                crew.signal(role, "STOP");
                sleep(millis(&mut random, 100, 2500)).await;
                crew.signal(role, "CONT");
                diary.note(format!("over: pause {role}"));
            }
            OfPeople::Terminate => {
                let lock = if random.random_bool(0.7) { DB::lock(pool).await.ok() } else { None };
                if lock.is_some() {
                    blocked(pool).await;
                }
                let busy = DB::fetch(On::Direct(pool), DB::BUSY, Vec::new(), How::Optional).await.unwrap_or_default();
                if let Some(id) = busy.first().map(|row| row[0]) {
                    diary.note(format!("terminate session {id}"));
                    let _ = DB::run(pool, DB::TERMINATE.replace("{id}", &id.to_string())).await;
                }
                sleep(millis(&mut random, 0, 200)).await;
                drop(lock);
            }
        }
    }
}

/// Waits until some writers are blocked; how many.
async fn blocked<DB: World>(pool: &Pool<DB>) -> i64 {
    let mut count = 0;
    for _ in 0..40 {
        count = DB::fetch(On::Direct(pool), DB::BLOCKED, Vec::new(), How::One).await.map_or(0, |rows| rows[0][0]);
        if count >= 3 {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    count
}

/// Kills a process, starts its successor, and mostly waits until that works: to be killed while it starts is nothing that it must not bear.
async fn replace(crew: &mut Crew, role: usize, random: &mut StdRng) {
    block_in_place(|| crew.replace(role));
    while random.random_ratio(59, 60) && !crew.works(role) && has(crew.until(), Duration::ZERO) {
        sleep(Duration::from_millis(5)).await;
    }
}
