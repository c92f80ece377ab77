//! A master is lost, or gives way: nothing stale, no error to the program, and cached again afterwards.

use super::kit::{TABLES, executor_with, home, impatient, names, read, write};
use crate::faults::kit::{Home, Server};
use crate::store_contract::table;
use crate::support::redis_cluster::RedisCluster;
use sqlx::Sqlite;
use sqlx_cached::CachingExecutor;
use sqlx_cached::store::{RedisAddress, Tag};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What readers and writers note while servers fail.
#[derive(Default)]
struct Notes {
    /// By table, what was acknowledged last.
    acknowledged: [AtomicI64; TABLES.len()],
    reads: AtomicU64,
    writes: AtomicU64,
    stale: AtomicU64,
    stop: AtomicBool,
    /// While it is set, a write may be acknowledged whose invalidation is kept for later.
    undelivered: AtomicU64,
}

/// One writer per table: each version is one more than the last. Its own reads must see it at once, whatever happens to the servers.
async fn write_and_read(executor: CachingExecutor<Sqlite>, notes: Arc<Notes>, number: usize) {
    while !notes.stop.load(SeqCst) {
        Sqlite::run(&executor, &write(TABLES[number])).await.expect("a write never fails because of Redis");
        let version = notes.acknowledged[number].fetch_add(1, SeqCst) + 1;
        notes.writes.fetch_add(1, SeqCst);
        for _ in 0..4 {
            let seen = Sqlite::number(&executor, &read(TABLES[number])).await.expect("a read never fails because of Redis");
            notes.reads.fetch_add(1, SeqCst);
            if seen < version {
                notes.stale.fetch_add(1, SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// Another process: what it sees of a table whose writer's invalidations are delivered is as new as what was acknowledged.
async fn read_elsewhere(executor: CachingExecutor<Sqlite>, writer: CachingExecutor<Sqlite>, notes: Arc<Notes>) {
    let mut seen = [0; TABLES.len()];
    while !notes.stop.load(SeqCst) {
        for (number, table) in TABLES.iter().enumerate() {
            let delivered = writer.health().await.distrusted == 0;
            let least = notes.acknowledged[number].load(SeqCst);
            let version = Sqlite::number(&executor, &read(table)).await.expect("a read never fails because of Redis");
            notes.reads.fetch_add(1, SeqCst);
            if version < least {
                // Before the delivery of what was kept, no protocol could avoid it; it is counted apart.
                let counter = if delivered && writer.health().await.distrusted == 0 { &notes.stale } else { &notes.undelivered };
                counter.fetch_add(1, SeqCst);
            }
            seen[number] = version.max(seen[number]);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Program {
    home: Home<Sqlite>,
    writer: CachingExecutor<Sqlite>,
    reader: CachingExecutor<Sqlite>,
    notes: Arc<Notes>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Program {
    async fn start(address: RedisAddress) -> Self {
        let home = home().await;
        let writer = executor_with(&home, address.clone(), impatient).await;
        let reader = executor_with(&home, address, impatient).await;
        let notes = Arc::new(Notes::default());
        for (number, table) in TABLES.iter().enumerate() {
            home.resumes(&reader, &read(table)).await;
            notes.acknowledged[number].store(home.direct(&read(table)).await, SeqCst);
        }
        let mut tasks = vec![tokio::spawn(read_elsewhere(reader.clone(), writer.clone(), Arc::clone(&notes)))];
        for number in 0..TABLES.len() {
            tasks.push(tokio::spawn(write_and_read(writer.clone(), Arc::clone(&notes), number)));
        }
        Self { home, writer, reader, notes, tasks }
    }

    /// Ends the readers and writers; then every table must be cached again. Returns when that was, counted from `since`.
    async fn end(self, what: &str, since: Instant) {
        let at_once = self.caches_again(since).await;
        self.notes.stop.store(true, SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        for table in TABLES {
            self.home.resumes(&self.writer, &read(table)).await;
            self.home.resumes(&self.reader, &read(table)).await;
        }
        let stats = self.reader.stats();
        println!(
            "{what}: {} reads ({} hits), {} writes, {} stale, {} before a kept invalidation was delivered; hits from all servers again after {at_once:?}",
            self.notes.reads.load(SeqCst),
            stats.hits,
            self.notes.writes.load(SeqCst),
            self.notes.stale.load(SeqCst),
            self.notes.undelivered.load(SeqCst),
        );
        assert!(stats.hits > 0 && self.notes.writes.load(SeqCst) > 20, "nothing was put to the test");
        assert_eq!(self.notes.stale.load(SeqCst), 0);
    }

    /// Until a read of each table, which nobody writes (row 2), is a hit once more.
    async fn caches_again(&self, since: Instant) -> Duration {
        for table in TABLES {
            let sql = format!("SELECT v FROM {table} WHERE id = 2");
            self.home.resumes(&self.reader, &sql).await;
        }
        since.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_gives_way_is_followed() {
    let cluster = RedisCluster::start().await;
    let program = Program::start(RedisAddress::Cluster(cluster.seeds())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    let first = names().generation(&Tag::all());
    let mut others = TABLES.iter().map(|name| names().generation(&table(name)));
    let second = others.find(|key| cluster.owner(key) != cluster.owner(&first)).expect("a table on another server");
    for key in [first, second] {
        let master = cluster.owner(&key);
        let replica = cluster.replica(master);
        let mut waited = 0;
        while cluster.owner_as_known_by(replica, &key) != Some(replica) {
            // On a busy machine it may be given up half-way, without a word.
            if waited % 500 == 0 {
                cluster.nodes()[replica].cli::<()>(&["CLUSTER", "FAILOVER"]);
            }
            waited += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cluster.until_whole().await;
    }
    program.end("CLUSTER FAILOVER of two masters", since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_replaced() {
    let mut cluster = RedisCluster::start().await;
    let program = Program::start(RedisAddress::Cluster(cluster.seeds())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The one that has everything's generation: nothing is cached without it.
    let key = names().generation(&Tag::all());
    let master = cluster.owner(&key);
    let replica = cluster.replica(master);
    let since = Instant::now();
    cluster.node_mut(master).kill();
    while cluster.owner_as_known_by(replica, &key) != Some(replica) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("the cluster itself took {:?}", since.elapsed());
    program.end("kill -9 of a master", since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hangs_is_replaced_and_its_awakening_brings_nothing_back() {
    let cluster = RedisCluster::start().await;
    let program = Program::start(RedisAddress::Cluster(cluster.seeds())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let key = names().generation(&Tag::all());
    let master = cluster.owner(&key);
    let replica = cluster.replica(master);
    let since = Instant::now();
    cluster.nodes()[master].pause();
    while cluster.owner_as_known_by(replica, &key) != Some(replica) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    program.caches_again(since).await;
    cluster.nodes()[master].resume();
    tokio::time::sleep(Duration::from_millis(300)).await;
    program.end("SIGSTOP of a master", since).await;
}
