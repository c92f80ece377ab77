//! Entries that are encrypted on their way to Redis.

use super::kit::{Asked, MARKER, Place};
use crate::faults::kit::{Server, eventually};
use crate::faults::late::{Blocking, blocked};
use sqlx::{MySql, Postgres, Sqlite};
use sqlx_cached::CachingExecutor;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

const SQL: &str = "SELECT password_hash FROM users WHERE id = 1";
const OTHER: &str = "SELECT name FROM users WHERE id = 1";

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

impl<DB: Asked> Place<DB> {
    /// With these keys, and nothing near: what it knows, it has from Redis.
    async fn keyed(&self, keys: &[[u8; 32]]) -> CachingExecutor<DB> {
        self.executor(|builder| if keys.is_empty() { builder } else { builder.encryption_keys(keys) }.near_bytes(0)).await
    }

    /// The one entry in Redis.
    fn entry(&self) -> (String, Vec<u8>) {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        let bytes = self.redis.cli(&["GET", &entries[0]]);
        (entries[0].clone(), bytes)
    }

    /// What a snapshot says of the marker.
    fn is_in_snapshot(&self) -> bool {
        self.redis.cli::<()>(&["SAVE"]);
        let directory: Vec<String> = self.redis.cli(&["CONFIG", "GET", "dir"]);
        let bytes = std::fs::read(format!("{}/dump.rdb", directory[1])).expect("a snapshot");
        assert!(bytes.starts_with(b"REDIS"));
        bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
    }

    /// Asks once: the answer is right, and comes from the store or not; says how many entries were of no use.
    async fn answers(executor: &CachingExecutor<DB>, sql: &str, expected: &str, hit: bool) -> (u64, u64) {
        executor.reset_stats();
        assert_eq!(DB::text(executor, sql).await, expected, "{}", DB::NAME);
        let stats = executor.stats();
        assert_eq!(
            (stats.hits, stats.fills, stats.store_errors, stats.replay_errors),
            (hit.into(), (!hit).into(), 0, 0),
            "{}: {stats}",
            DB::NAME
        );
        (stats.undecryptable_entries, stats.malformed_entries)
    }
}

/// As somebody may write it who knows the sum, and no key.
fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = xxh3_64(&bytes).to_le_bytes();
    bytes.extend(sum);
    bytes
}

async fn nothing_shows<DB: Asked>() {
    let place = Place::<DB>::new().await;
    for (keys, threshold, shows) in [(&[][..], None, true), (&[OLD], None, false), (&[OLD], Some(1), false), (&[NEW, OLD], None, false)] {
        place.redis.cli::<()>(&["FLUSHALL"]);
        let build = || {
            place.executor(|builder| if keys.is_empty() { builder } else { builder.encryption_keys(keys) }.compression_threshold(threshold))
        };
        let (writer, reader) = (build().await, build().await);
        for sql in ["SELECT password_hash FROM users", "SELECT v, v AS again, v AS once_more FROM secrets", "SELECT * FROM orders"] {
            for executor in [&writer, &reader] {
                for one in [false, true] {
                    Place::is_kept(executor, sql, one).await;
                }
            }
        }
        let stats = reader.stats();
        assert!(stats.fills == 0 && stats.near_hits > 0 && stats.hits > stats.near_hits, "{}: {stats}", DB::NAME);
        assert_eq!(stats.undecryptable_entries + stats.malformed_entries, 0);
        assert_eq!(place.entries().len(), 6);
        assert_eq!((!place.told().is_empty(), place.is_in_snapshot()), (shows, shows), "{}: {} keys", DB::NAME, keys.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_of_postgres() {
    nothing_shows::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_of_mariadb() {
    nothing_shows::<MySql>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_of_sqlite() {
    nothing_shows::<Sqlite>().await;
}

#[tokio::test]
async fn a_new_key_takes_over() {
    let place = Place::<Sqlite>::new().await;
    let (old, both, new) = (place.keyed(&[OLD]).await, place.keyed(&[NEW, OLD]).await, place.keyed(&[NEW]).await);
    Place::answers(&old, SQL, MARKER, false).await;
    assert_eq!(Place::answers(&both, SQL, MARKER, true).await, (0, 0), "what the old one sealed");
    Sqlite::run(&both, "UPDATE users SET password_hash = 'other' WHERE id = 1").await.unwrap();
    Place::answers(&both, SQL, "other", false).await;
    assert_eq!(Place::answers(&new, SQL, "other", true).await, (0, 0), "sealed by the first of both");
    assert_eq!(Place::answers(&old, SQL, "other", false).await, (1, 0));
    assert_eq!(Place::answers(&both, SQL, "other", true).await, (0, 0));
}

/// Whoever has another key, or none, or one where there was none, reads from the database; what is there is not deleted, but for something better.
#[tokio::test]
async fn who_can_not_read_it_misses() {
    let place = Place::<Postgres>::new().await;
    for (writer, reader) in [(&[OLD][..], &[NEW][..]), (&[OLD], &[]), (&[], &[OLD]), (&[NEW, OLD], &[OLD])] {
        place.redis.cli::<()>(&["FLUSHALL"]);
        let (writing, reading) = (place.keyed(writer).await, place.keyed(reader).await);
        Place::answers(&writing, SQL, MARKER, false).await;
        let (key, theirs) = place.entry();
        assert_eq!(theirs[5], u8::from(!writer.is_empty()));
        place.redis.cli::<()>(&["CONFIG", "RESETSTAT"]);
        assert_eq!(Place::answers(&reading, SQL, MARKER, false).await, (1, 0), "{} for {}", reader.len(), writer.len());
        let commands: String = place.redis.cli(&["INFO", "commandstats"]);
        assert!(!commands.contains("cmdstat_unlink"), "{commands}");
        assert_eq!(place.entry().0, key, "both name it alike");
        // It has written its own over it.
        assert_eq!(Place::answers(&reading, SQL, MARKER, true).await, (0, 0));
        let reads_it = reader.first().is_some_and(|key| writer.contains(key));
        assert_eq!(Place::answers(&writing, SQL, MARKER, reads_it).await, (u64::from(!reads_it), 0));
    }
}

/// Who waited for another process's read, and can't read what came of it, asks for leave of his own, and shares what he reads with those who can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_what_he_can_not_read() {
    let place = Place::<Postgres>::new().await;
    let executors = [place.keyed(&[OLD]).await, place.keyed(&[NEW]).await, place.keyed(&[NEW]).await];
    let lock = Postgres::locked(&place.home, &["LOCK TABLE users IN ACCESS EXCLUSIVE MODE"]).await;
    place.redis.cli::<()>(&["CONFIG", "RESETSTAT"]);
    let first = tokio::spawn(Postgres::text(&executors[0], SQL));
    blocked(&place.home).await;
    let waiting = [1, 2].map(|number| tokio::spawn(Postgres::text(&executors[number], SQL)));
    let looked_up = async || place.redis.cli::<String>(&["INFO", "commandstats"]).contains("cmdstat_mget:calls=3");
    eventually("everybody has looked up", looked_up).await;
    assert_eq!(place.home.direct(Postgres::WAITING).await, 1, "the others wait for the store");
    Postgres::finish(lock, "SELECT 1").await;
    for read in [first].into_iter().chain(waiting) {
        assert_eq!(tokio::time::timeout(Duration::from_secs(4), read).await.expect("nobody is stuck").unwrap(), MARKER);
    }
    let stats = executors.each_ref().map(CachingExecutor::stats);
    assert_eq!((stats[0].misses, stats[1].misses + stats[2].misses, stats[1].joined + stats[2].joined), (1, 1, 1), "{stats:?}");
}

/// A copy under another key, an old answer under the generations of now: without encryption whoever may write to Redis can give them out.
#[tokio::test]
async fn what_is_relabelled_is_a_miss() {
    let place = Place::<Sqlite>::new().await;
    for keys in [&[][..], &[OLD]] {
        place.redis.cli::<()>(&["FLUSHALL"]);
        place.home.run("UPDATE users SET name = 'Ada'").await;
        let executor = place.keyed(keys).await;
        let believed = keys.is_empty();
        let useless = |told| if believed { (0, 0) } else { told };

        Place::answers(&executor, SQL, MARKER, false).await;
        let (key, secret) = place.entry();
        Place::answers(&executor, OTHER, "Ada", false).await;
        let other = place.entries().into_iter().find(|other| *other != key).unwrap();
        let put = |bytes: &[u8]| place.redis.cli::<()>(&[b"SET".as_slice(), other.as_bytes(), bytes, b"KEEPTTL"]);
        put(&secret);
        assert_eq!(Place::answers(&executor, OTHER, "Ada", false).await, (0, 1), "it names its key");
        let at = secret.windows(key.len()).position(|bytes| bytes == key.as_bytes()).expect("the key");
        let mut renamed = secret[..secret.len() - 8].to_vec();
        renamed[at..at + key.len()].copy_from_slice(other.as_bytes());
        put(&summed(renamed));
        assert_eq!(Place::answers(&executor, OTHER, if believed { MARKER } else { "Ada" }, believed).await, useless((1, 0)));

        Place::answers(&executor.refresh(), OTHER, "Ada", false).await;
        let former: Vec<u8> = place.redis.cli(&["GET", &other]);
        Sqlite::run(&executor, "UPDATE users SET name = 'Grace'").await.unwrap();
        Place::answers(&executor, OTHER, "Grace", false).await;
        let current: Vec<u8> = place.redis.cli(&["GET", &other]);
        let mut revived = former[..former.len() - 8].to_vec();
        // The generations, of which there are three: of all, of the table, of the schema.
        let generations = 8..58 + 24;
        revived[generations.clone()].copy_from_slice(&current[generations]);
        put(&summed(revived));
        assert_eq!(Place::answers(&executor, OTHER, if believed { "Ada" } else { "Grace" }, believed).await, useless((1, 0)));
    }
}

#[tokio::test]
async fn cut_and_changed_ones_are_misses() {
    let place = Place::<MySql>::new().await;
    let writer = place.keyed(&[OLD]).await;
    Place::answers(&writer, SQL, MARKER, false).await;
    let (key, entry) = place.entry();
    let at = entry.windows(key.len()).position(|bytes| bytes == key.as_bytes()).expect("the key") + key.len();
    let (head, sealed) = (&entry[..at], &entry[at + 8..entry.len() - 8]);
    let with = |sealed: &[u8]| summed([head, &(sealed.len() as u64).to_le_bytes(), sealed].concat());
    assert_eq!(with(sealed), entry);
    let flipped = |at: usize| {
        let mut sealed = sealed.to_vec();
        sealed[at] ^= 0x10;
        with(&sealed)
    };
    let (nonce, tag) = (24, 16);
    let mut unsummed = entry.clone();
    unsummed[at + 20] ^= 1;
    for (what, lie, told) in [
        ("the nonce", flipped(0), (1, 0)),
        ("the bytes", flipped(nonce), (1, 0)),
        ("the last byte", flipped(sealed.len() - tag - 1), (1, 0)),
        ("the tag", flipped(sealed.len() - 1), (1, 0)),
        ("cut", with(&sealed[..sealed.len() - 1]), (1, 0)),
        ("no more than a nonce and a tag", with(&sealed[..nonce + tag]), (1, 0)),
        ("less", with(&sealed[..nonce + tag - 1]), (1, 0)),
        ("nothing", with(&[]), (1, 0)),
        ("longer", with(&[sealed, b"x"].concat()), (1, 0)),
        ("without the sum", unsummed, (0, 1)),
        ("half", entry[..entry.len() / 2].to_vec(), (0, 1)),
    ] {
        place.redis.cli::<()>(&[b"SET".as_slice(), key.as_bytes(), &lie, b"KEEPTTL"]);
        let reader = place.keyed(&[NEW, OLD]).await;
        assert_eq!(Place::answers(&reader, SQL, MARKER, false).await, told, "{what}");
        assert_eq!(Place::answers(&reader, SQL, MARKER, true).await, (0, 0), "{what}");
    }
}
