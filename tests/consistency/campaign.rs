//! The same under faults, one kind after another and all together. A database and a Redis stay for all rounds of it, with whatever earlier ones have left there;
//! what was known at the end of a round is known in the next.

use super::check::check;
use super::clock::{after, now};
use super::cluster;
use super::crew::{Crew, ROLES};
use super::faults::{Diary, OfPeople, OfRedis, OfWays, on_people, on_redis, on_ways};
use super::history::Before;
use super::options::Setting;
use super::report::{Circumstances, Findings, ratio, report};
use super::run::Staged;
use super::world::World;
use super::writes::random;
use crate::support::proxy::Proxy;
use crate::support::{Redis, TestDatabase};
use sqlx::{MySql, Postgres};
use std::time::Duration;

/// A kind of trouble.
struct Play {
    name: &'static str,
    redis: &'static [OfRedis],
    ways: &'static [OfWays],
    people: &'static [OfPeople],
}

const fn redis(name: &'static str, redis: &'static [OfRedis]) -> Play {
    Play { name, redis, ways: &[], people: &[] }
}

const fn people(name: &'static str, people: &'static [OfPeople]) -> Play {
    Play { name, redis: &[], ways: &[], people }
}

use OfPeople::{KillBlocked, Pause, Terminate};
use OfRedis::{
    DeleteKeys, Evict, FlushAll, Kill, KillAfterSnapshot, KillClients, KillTracking, Loading, Misconfigured, OutOfMemory, ReadOnly, Stop,
    StopForLong,
};
use OfWays::{CloseAnswers, CloseRequests, Cut, Delay, Hold, Refuse};

/// The play that has a stage of its own.
const CLUSTER: &str = "cluster";

const EVERY_WAY: &[OfWays] = &[Delay, Hold, Cut, CloseAnswers, CloseRequests, Refuse];

const PLAYS: &[Play] = &[
    Play {
        name: "everything",
        redis: &[
            Kill,
            KillAfterSnapshot,
            Stop,
            FlushAll,
            DeleteKeys,
            KillClients,
            KillTracking,
            Evict,
            OutOfMemory,
            ReadOnly,
            Loading,
            Misconfigured,
        ],
        ways: EVERY_WAY,
        people: &[OfPeople::Kill, KillBlocked, Pause, Terminate],
    },
    people("writers killed", &[OfPeople::Kill, KillBlocked]),
    redis("redis killed", &[Kill]),
    Play { name: "ways", redis: &[], ways: EVERY_WAY, people: &[] },
    redis("keys deleted", &[DeleteKeys, DeleteKeys, FlushAll]),
    people("writers killed blocked", &[KillBlocked]),
    redis("redis killed after a snapshot", &[KillAfterSnapshot, KillAfterSnapshot, Loading]),
    redis("clients killed", &[KillClients, KillTracking]),
    redis("memory", &[Evict, Evict, OutOfMemory]),
    people("processes paused", &[Pause]),
    redis("redis stopped", &[Stop, Stop, StopForLong]),
    redis("refusals", &[OutOfMemory, ReadOnly, Loading, Misconfigured]),
    people("sessions terminated", &[Terminate]),
    Play { name: "ways and writers", redis: &[], ways: EVERY_WAY, people: &[OfPeople::Kill, KillBlocked] },
    redis("flushed", &[FlushAll]),
    Play { name: "redis and writers", redis: &[Kill, Stop, FlushAll], ways: &[], people: &[OfPeople::Kill, KillBlocked, Pause] },
];

/// Database, near cache, refuse, guard.
const WAYS_OF_SETTING: [(&str, bool, bool, bool); 6] = [
    ("postgres", false, true, true),
    ("mariadb", false, false, false),
    ("postgres", true, false, false),
    ("mariadb", false, true, true),
    ("postgres", false, false, true),
    ("mariadb", true, true, true),
];

impl Play {
    fn circumstances(&self) -> Circumstances {
        let loses = |fault: &OfRedis| matches!(fault, Kill | KillAfterSnapshot | Loading | FlushAll | DeleteKeys | Evict);
        Circumstances { fences_lost: self.redis.iter().any(loses), database_fails: self.people.contains(&Terminate) }
    }

    fn fails_redis(&self) -> bool {
        !self.redis.is_empty() || !self.ways.is_empty()
    }
}

/// What stays for all rounds.
struct Stage<DB: World> {
    database: TestDatabase<DB>,
    redis: Redis,
    ways: Vec<Proxy>,
    before: Before,
}

impl<DB: Staged> Stage<DB> {
    async fn set() -> Self {
        let database = DB::database().await;
        let redis = Redis::configured().arguments(&["--key-load-delay", "4000", "--loading-process-events-interval-bytes", "1024"]).start();
        let ways = ROLES.iter().map(|_| Proxy::start(&redis.socket())).collect();
        Self { database, redis, ways, before: Before::default() }
    }

    /// One round; what it found, and the kills in it: all, and of writers that were blocked.
    async fn play(&mut self, play: &Play, setting: &Setting) -> (Findings, usize, usize) {
        println!("{}: {}, {} s", play.name, setting.name(), setting.seconds);
        let Self { database, redis, ways, before } = self;
        let mut crew =
            Crew::start(setting, &database.url, ways.iter().map(|way| format!("REDIS_SOCKET_PATH={}", way.socket().display())).collect());
        // What comes after the faults shows whether caching resumes.
        let calm = setting.lease * 2 + Duration::from_millis(1500);
        let until = crew.until().saturating_sub(u64::try_from(calm.as_nanos()).unwrap_or_default());
        let diary = Diary::default();
        let generator = |number| random(setting.seed, u64::MAX, number);
        tokio::join!(
            on_redis(redis, play.redis, until, generator(1), &diary),
            on_ways(ways, play.ways, until, generator(2), &diary),
            on_people(&mut crew, &database.pool, play.people, until, generator(3), &diary),
        );
        let (calm_from, calm_to) = (after(setting.lease + Duration::from_secs(1)), crew.until());
        let (history, logs) = crew.finish(before, play.fails_redis()).await;
        let violations = check(&history, setting.lag());
        let findings = report(setting, play.circumstances(), &history, &violations);
        let [hits, _, misses, _] = history.counted(calm_from, calm_to);
        let faults = diary.text().lines().filter(|line| !line.contains("over")).count();
        let calmly = if hits + misses > 50 { format!("{:.0}% hits", ratio(hits, misses) * 100.0) } else { "no time".to_owned() };
        println!("  {faults} faults; in the calm thereafter {calmly}");
        if findings.broken > 0 || findings.errors > 0 {
            let to = logs.keep(&format!("campaign-{}-{}", play.name.replace(' ', "-"), setting.seed));
            std::fs::write(to.join("faults"), diary.text()).expect("the diary");
            println!("  NOT AS PROMISED: see {}", to.display());
        }
        *before = history.before();
        if history.processes.iter().any(|process| process.trouble.iter().any(|trouble| trouble.to == u64::MAX)) {
            // Old answers whose invalidation is lost are there for their time to live: they are this round's, not those to come's.
            redis.cli::<String>(&["FLUSHALL"]);
        }
        (findings, diary.count("kill"), diary.text().lines().filter(|line| line.contains("are blocked")).count())
    }
}

/// The whole campaign; whether nothing was broken. `only` names a play.
pub async fn run(base: &Setting, minutes: f64, only: Option<&str>) -> bool {
    if only == Some(CLUSTER) {
        let setting = Setting { seconds: 20, refuse: true, redis_timeout: Duration::from_millis(100), ..base.clone() };
        let findings =
            if setting.database == "postgres" { cluster::play::<Postgres>(&setting).await } else { cluster::play::<MySql>(&setting).await };
        return findings.broken == 0 && findings.errors == 0;
    }
    let plays: Vec<&Play> = PLAYS.iter().filter(|play| only.is_none_or(|only| play.name == only)).collect();
    if plays.is_empty() {
        let names: Vec<_> = PLAYS.iter().map(|play| play.name).collect();
        println!("no such fault; there are: {CLUSTER}, {}", names.join(", "));
        return false;
    }
    let time = Duration::from_secs_f64(minutes * 60.0);
    let end = after(time);
    let seconds = (time.as_secs() / 16).clamp(8, 20);
    let mut postgres = Stage::<Postgres>::set().await;
    let mut mariadb = Stage::<MySql>::set().await;
    let (mut sum, mut kills, mut blocked, mut rounds) = (Findings::default(), 0, 0, 0);
    while now() < end {
        let play = plays[rounds % plays.len()];
        // So that every play meets every setting.
        let shift = if plays.len() > 1 { rounds / plays.len() } else { 0 };
        let (database, near, refuse, guard) = WAYS_OF_SETTING[(rounds + shift) % WAYS_OF_SETTING.len()];
        let redis_timeout = if play.fails_redis() { Duration::from_millis(100) } else { Duration::from_secs(2) };
        let seed = base.seed + rounds as u64;
        let setting = Setting { database, near, refuse, guard, seconds, seed, redis_timeout, ..base.clone() };
        let (findings, killed, killed_blocked) =
            if database == "postgres" { postgres.play(play, &setting).await } else { mariadb.play(play, &setting).await };
        kills += killed;
        blocked += killed_blocked;
        rounds += 1;
        sum.add(findings);
        if only.is_none() && rounds % PLAYS.len() == 8 {
            let setting = Setting { seconds: 20, near: false, ..setting };
            sum.add(if database == "postgres" {
                cluster::play::<MySql>(&Setting { database: "mariadb", ..setting }).await
            } else {
                cluster::play::<Postgres>(&Setting { database: "postgres", ..setting }).await
            });
        }
    }
    println!("\n{rounds} rounds, {minutes} minutes: {} reads, {} writes ({} of unknown outcome)", sum.reads, sum.writes, sum.unknown);
    println!(
        "  {} hits of which {} near, {} misses: {:.0}% hits",
        sum.hits,
        sum.near_hits,
        sum.misses,
        ratio(sum.hits, sum.misses) * 100.0
    );
    println!("  {kills} processes killed, {blocked} of them while writers were blocked on a lock");
    println!(
        "  violations of what is promised: {}; errors of the cache that reached callers: {}; refusals: {}",
        sum.broken, sum.errors, sum.refused
    );
    sum.print();
    sum.broken == 0 && sum.errors == 0
}
