//! What can happen to a Redis server, to its keys, and on the way to it.

use crate::store_contract::{LEASE, TTL, create, entry, entry_of, id, label, redis_store, redis_store_at, standing, table, wish};
use crate::support::Redis;
use bytes::Bytes;
use sqlx_cached::store::{CacheStore, Creation, Label, Lease, LeaseFate, RedisAddress, StoreError, Wish};
use sqlx_cached::store::{Generation, ServerIdentity, Tag};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(30);

async fn pass(duration: Duration) {
    tokio::time::sleep(duration + Duration::from_millis(5)).await;
}

#[tokio::test]
async fn a_lapsed_lease_is_a_suspicion_until_somebody_proves_it() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let tags = std::slice::from_ref(&tag);
    store.begin(tags, &id("a"), SHORT).await.unwrap();
    store.begin(tags, &id("b"), SHORT).await.unwrap();
    pass(SHORT).await;
    assert_eq!(create(&store, &tag).await, Creation::Lapsed(vec![id("a"), id("b")]));
    assert_eq!(label(&store, &tag).await, Label::Fenced, "nothing is served meanwhile");

    // One of them was only slow.
    store.begin(tags, &id("b"), LEASE).await.unwrap();
    assert_eq!(create(&store, &tag).await, Creation::Fenced);
    store.clear_lapsed(&tag, &[id("a"), id("b")]).await.unwrap();
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "who renewed stays");
    assert_eq!(redis.cli::<Vec<String>>(&["ZRANGE", "sql-fence:users", "0", "-1"]), ["b"]);

    store.begin(tags, &id("b"), SHORT).await.unwrap();
    pass(SHORT).await;
    store.begin(tags, &id("c"), SHORT).await.unwrap();
    pass(SHORT).await;
    assert_eq!(create(&store, &tag).await, Creation::Lapsed(vec![id("b"), id("c")]), "a later write doesn't sweep them out");
    store.clear_lapsed(&tag, &[id("b")]).await.unwrap();
    assert_eq!(create(&store, &tag).await, Creation::Lapsed(vec![id("c")]));
    store.clear_lapsed(&tag, &[id("c")]).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Absent);
    standing(&store, &tag).await;
    assert!(redis.cli::<Vec<String>>(&["KEYS", "sql-fence:*"]).is_empty());
}

#[tokio::test]
async fn a_lost_fence_leaves_its_marker_and_a_renewal_restores_it() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let tags = std::slice::from_ref(&tag);
    standing(&store, &tag).await;
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(redis.cli::<i64>(&["PTTL", "sql-fence:users"]), -1, "a fence never expires");
    let marker: u128 = redis.cli(&["PTTL", "sql:users:gen"]);
    assert!(marker > 3 * LEASE.as_millis(), "{marker}: the marker must not undercut the lease");

    redis.cli::<()>(&["DEL", "sql-fence:users"]);
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "who stood in it is unknown");
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(redis.cli::<Vec<String>>(&["ZRANGE", "sql-fence:users", "0", "-1"]), ["a"]);

    redis.cli::<()>(&["DEL", "sql:users:gen"]);
    assert_eq!(label(&store, &tag).await, Label::Absent);
    assert_eq!(create(&store, &tag).await, Creation::Fenced, "the fence alone forbids it, too");
    store.begin(tags, &id("b"), LEASE).await.unwrap();
    redis.cli::<()>(&["DEL", "sql:users:gen"]);
    store.end(tags, &id("b")).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Fenced, "an end that leaves others restores the marker");
    assert!(redis.cli::<u128>(&["PTTL", "sql:users:gen"]) > 3 * LEASE.as_millis());

    // The writer died, and its fence was lost: the marker goes by itself.
    redis.cli::<()>(&["DEL", "sql-fence:users"]);
    redis.cli::<()>(&["PEXPIRE", "sql:users:gen", "10"]);
    pass(Duration::from_millis(10)).await;
    standing(&store, &tag).await;
}

#[tokio::test]
async fn a_flush_under_a_running_write_is_healed_by_its_renewal_and_its_end() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let tags = std::slice::from_ref(&tag);
    let before = standing(&store, &tag).await;
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    redis.cli::<()>(&["FLUSHALL"]);
    let meanwhile = standing(&store, &tag).await;
    assert_ne!(before, meanwhile);
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Fenced);
    redis.cli::<()>(&["FLUSHALL"]);
    let meanwhile = standing(&store, &tag).await;
    store.end(tags, &id("a")).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Absent, "{meanwhile:?} may carry what was read before the commit");

    // The same for a lapsed write that is proven over only after the flush.
    let meanwhile = standing(&store, &tag).await;
    store.clear_lapsed(&tag, &[id("a")]).await.unwrap();
    assert_eq!(label(&store, &tag).await, Label::Absent, "{meanwhile:?}");
}

#[tokio::test]
async fn a_scan_and_delete_by_hand_invalidates() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let (users, posts) = (table("users"), table("posts"));
    let (users_before, posts_before) = (standing(&store, &users).await, standing(&store, &posts).await);
    for index in 0..20 {
        store.fill(&format!("sql:users:data:{index}"), &[], Bytes::from_static(b"x"), TTL).await.unwrap();
    }
    let mut cursor = "0".to_owned();
    loop {
        let (next, keys): (String, Vec<String>) = redis.cli(&["SCAN", &cursor, "MATCH", "sql:users:*"]);
        for key in keys {
            redis.cli::<()>(&["DEL", &key]);
        }
        cursor = next;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(label(&store, &users).await, Label::Absent);
    assert_eq!(label(&store, &posts).await, Label::Standing(posts_before));
    assert_ne!(standing(&store, &users).await, users_before);
}

#[tokio::test]
async fn garbage_at_bookkeeping_keys_is_a_miss_and_is_replaced() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let tags = std::slice::from_ref(&tag);
    let foreign = Generation::fresh(ServerIdentity(*b"elsewher"));
    let garbage: [&[&[u8]]; 6] = [
        &[b"SET", b"sql:users:gen", b""],
        &[b"SET", b"sql:users:gen", b"FENCED"],
        &[b"SET", b"sql:users:gen", &[0; 23]],
        &[b"SET", b"sql:users:gen", &foreign.0],
        &[b"RPUSH", b"sql:users:gen", b"fenced"],
        &[b"HSET", b"sql:users:gen", b"a", b"b"],
    ];
    for command in garbage {
        redis.cli::<()>(&["DEL", "sql:users:gen"]);
        redis.cli::<()>(command);
        assert_eq!(label(&store, &tag).await, Label::Absent, "{command:?}");
        let generation = standing(&store, &tag).await;
        assert_ne!(generation, foreign);
        assert_eq!(label(&store, &tag).await, Label::Standing(generation));
    }
    // Another program's value where the fence should be: the fence was lost.
    redis.cli::<()>(&["SET", "sql-fence:users", "x"]);
    standing(&store, &tag).await;
    store.end(tags, &id("a")).await.unwrap();
    store.clear_lapsed(&tag, &[id("a")]).await.unwrap();
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(create(&store, &tag).await, Creation::Fenced);
    store.end(tags, &id("a")).await.unwrap();
    standing(&store, &tag).await;

    // Values of other types below the namespace are no entries, and nobody stumbles over them.
    redis.cli::<()>(&["RPUSH", "sql:users:data:list", "x"]);
    assert_eq!(entry(&store, "sql:users:data:list").await, None);
    assert_eq!(store.reclaim(&tag).await.unwrap(), 0);
    assert_eq!(store.delete_matching("sql:users:*").await.unwrap(), 2);
}

#[tokio::test]
async fn a_restart_makes_every_token_foreign_even_from_a_snapshot() {
    let mut redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let before = standing(&store, &tag).await;
    store.fill("sql:users:data:1", &[], entry_of(before, before), TTL).await.unwrap();
    redis.cli::<()>(&["SAVE"]);
    redis.restart();
    assert_eq!(redis.cli::<Vec<u8>>(&["GET", "sql:users:gen"]), before.0, "the snapshot has the old token");
    // On the same store: the dead connection is replaced within the request.
    let lookup = store.look_up("sql:users:data:1", std::slice::from_ref(&tag)).await.unwrap();
    assert!(lookup.entry.is_some());
    assert_eq!(lookup.labels, [Label::Absent]);
    assert_eq!(store.reclaim(&tag).await.unwrap(), 1, "dead, though the old token is still there");
    let after = standing(&store, &tag).await;
    assert_ne!(after.server(), before.server());
}

#[tokio::test]
async fn a_replica_is_refused_and_a_demotion_is_noticed() {
    let (one, two) = (Redis::start(), Redis::configured().tcp().start());
    let store = redis_store(&one);
    let identity = store.ping().await.unwrap();
    one.cli::<()>(&["REPLICAOF", "127.0.0.1", &two.port().to_string()]);
    assert!(store.ping().await.is_err());
    assert!(matches!(store.look_up("sql:a:data:1", &[]).await, Err(StoreError::Backend(_))));
    one.cli::<()>(&["REPLICAOF", "NO", "ONE"]);
    pass(Duration::from_millis(100)).await;
    assert_ne!(store.ping().await.unwrap(), identity, "the same run, another history");

    // Without a ping, the first refused write notices.
    let tag = table("a");
    let before = standing(&store, &tag).await;
    one.cli::<()>(&["REPLICAOF", "127.0.0.1", &two.port().to_string()]);
    assert!(store.begin(std::slice::from_ref(&tag), &id("a"), LEASE).await.is_err());
    one.cli::<()>(&["REPLICAOF", "NO", "ONE"]);
    pass(Duration::from_millis(100)).await;
    assert_ne!(label(&store, &tag).await, Label::Standing(before));
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_once() {
    const DEADLINE: Duration = Duration::from_millis(80);
    let redis = Redis::start();
    let store = redis_store_at(RedisAddress::Url(redis.url()), |config| {
        config.timeout = DEADLINE;
        config.connect_timeout = DEADLINE * 2;
    });
    let tag = table("users");
    let tags = std::slice::from_ref(&tag);
    standing(&store, &tag).await;
    redis.pause();
    let start = Instant::now();
    let error = store.look_up("sql:users:data:1", tags).await.unwrap_err();
    assert!(matches!(error, StoreError::Deadline(DEADLINE)), "{error}");
    assert!(start.elapsed() < DEADLINE * 3, "{:?}", start.elapsed());
    // The next one waits for a new connection; those after it fail at once, for a while.
    let _ = store.create(tags).await.unwrap_err();
    let start = Instant::now();
    for _ in 0..20 {
        assert!(matches!(store.end(tags, &id("a")).await, Err(StoreError::Backend(_))));
    }
    assert!(start.elapsed() < DEADLINE / 2, "{:?}", start.elapsed());
    redis.resume();
    pass(Duration::from_millis(300)).await;
    standing(&store, &tag).await;
}

#[tokio::test]
async fn a_program_starts_without_redis_and_finds_it_later() {
    let mut redis = Redis::start();
    redis.stop();
    let store = redis_store(&redis);
    let start = Instant::now();
    for _ in 0..50 {
        let error = store.look_up("sql:users:data:1", &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Backend(_)), "{error}");
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    redis.restart();
    pass(Duration::from_millis(100)).await;
    standing(&store, &table("users")).await;
}

#[tokio::test]
async fn concurrent_first_uses_share_one_connection() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let all = futures_util::future::join_all((0..100).map(|_| create(&store, &tag))).await;
    assert!(all.iter().all(|created| *created == all[0]), "and create one generation");
    let clients: String = redis.cli(&["CLIENT", "LIST", "TYPE", "normal"]);
    assert_eq!(clients.lines().count(), 2, "ours and the test's: {clients}");
}

#[tokio::test]
async fn every_operation_is_one_command() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tags = [Tag::all(), table("users"), table("posts")];
    let rounds = async || {
        let mut monitor = redis.monitor();
        let mut seen = Vec::new();
        let mut note =
            |name: &str| seen.push((name.to_owned(), monitor.commands().into_iter().map(|words| words[0].clone()).collect::<Vec<_>>()));
        store.look_up("sql:users:data:1", &tags).await.unwrap();
        note("look_up");
        store.create(&tags).await.unwrap();
        note("create");
        store.fill("sql:users:data:1", &[], Bytes::from_static(b"x"), TTL).await.unwrap();
        note("fill");
        store.begin(&tags, &id("a"), LEASE).await.unwrap();
        note("begin");
        store.end(&tags, &id("a")).await.unwrap();
        note("end");
        store.clear_lapsed(&tags[1], &[id("a"), id("b")]).await.unwrap();
        note("clear_lapsed");
        store.invalidate(&tags).await.unwrap();
        note("invalidate");
        let wish = wish(Generation([1; 24]), Generation([2; 24]), 1);
        store.lease("sql:users:data:1", &wish, LEASE).await.unwrap();
        note("lease");
        store.settle_lease("sql:users:data:1", &wish, LeaseFate::Free).await.unwrap();
        note("settle_lease");
        seen
    };
    let expected = [
        ("look_up", "MGET"),
        ("create", "EVALSHA"),
        ("fill", "SET"),
        ("begin", "EVALSHA"),
        ("end", "EVALSHA"),
        ("clear_lapsed", "EVALSHA"),
        ("invalidate", "DEL"),
        ("lease", "EVALSHA"),
        ("settle_lease", "EVALSHA"),
    ]
    .map(|(name, command)| (name.to_owned(), vec![command.to_owned()]));
    rounds().await;
    assert_eq!(rounds().await, expected);

    // Scripts that the server forgot are loaded again, without an error.
    redis.cli::<()>(&["SCRIPT", "FLUSH"]);
    let after = rounds().await;
    assert_eq!(after[1].1, ["EVALSHA", "SCRIPT", "EVALSHA"]);
    assert_eq!(rounds().await, expected);
}

#[tokio::test]
async fn many_keys_are_walked_in_steps() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let tag = table("users");
    let (all, live) = (standing(&store, &Tag::all()).await, standing(&store, &tag).await);
    let dead = Generation::fresh(live.server());
    futures_util::future::join_all((0..3000).map(|index| {
        let (store, key) = (&store, format!("sql:users:data:{index}"));
        async move { store.fill(&key, &[], entry_of(all, if index % 3 == 0 { live } else { dead }), TTL).await.unwrap() }
    }))
    .await;
    assert_eq!(store.reclaim(&tag).await.unwrap(), 2000);
    assert_eq!(redis.cli::<i64>(&["DBSIZE"]), 1000 + 2);
    assert_eq!(store.delete_matching("sql:users:*").await.unwrap(), 1001);
}

#[tokio::test]
async fn a_lease_is_one_holders_until_it_ends() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let key = "sql:users:data:1";
    let (all, users) = (standing(&store, &Tag::all()).await, standing(&store, &table("users")).await);
    let (one, two) = (wish(all, users, 1), wish(all, users, 2));
    let lease = async |wish, time| store.lease(key, wish, time).await.unwrap();
    let settle = async |wish, fate| store.settle_lease(key, wish, fate).await.unwrap();
    assert_eq!(lease(&one, LEASE).await, Lease::Granted);
    assert_eq!(lease(&two, LEASE).await, Lease::Held);
    assert_eq!(lease(&one, LEASE).await, Lease::Granted, "it is his");
    settle(&two, LeaseFate::Free).await;
    settle(&two, LeaseFate::Renewed(SHORT)).await;
    assert_eq!(lease(&two, LEASE).await, Lease::Held, "a stranger settles nothing");
    settle(&one, LeaseFate::Free).await;
    assert_eq!(lease(&two, SHORT).await, Lease::Granted);

    // Renewed it goes on, and then it runs out; a late renewal does not bring it back.
    settle(&two, LeaseFate::Renewed(LEASE)).await;
    pass(SHORT).await;
    assert_eq!(lease(&one, LEASE).await, Lease::Held);
    settle(&two, LeaseFate::Renewed(SHORT)).await;
    pass(SHORT).await;
    settle(&two, LeaseFate::Renewed(LEASE)).await;
    assert_eq!(lease(&one, LEASE).await, Lease::Granted, "the holder died");

    // What can't be kept.
    settle(&one, LeaseFate::Alone(SHORT)).await;
    assert_eq!((lease(&one, LEASE).await, lease(&two, LEASE).await), (Lease::Alone, Lease::Alone));
    pass(SHORT).await;
    assert_eq!(lease(&two, LEASE).await, Lease::Granted);

    // Under other generations it is another answer.
    store.invalidate(&[table("users")]).await.unwrap();
    let later = wish(all, standing(&store, &table("users")).await, 3);
    assert_eq!(lease(&later, LEASE).await, Lease::Granted);
    settle(&two, LeaseFate::Free).await;
    let another = Wish { holder: [4; 16], ..later.clone() };
    assert_eq!(lease(&another, LEASE).await, Lease::Held);

    // A reclaim leaves it alone, and so does nobody who deletes by pattern.
    assert_eq!(store.reclaim(&table("users")).await.unwrap(), 0);
    assert_eq!(redis.cli::<i64>(&["EXISTS", "sql:users:data:1:lease"]), 1);
    store.delete_matching("sql:users:*").await.unwrap();
    assert_eq!(redis.cli::<i64>(&["EXISTS", "sql:users:data:1:lease"]), 0);
    // Other programs' values.
    for garbage in [vec!["SET", "sql:users:data:1:lease", "x"], vec!["RPUSH", "sql:users:data:1:lease", "x"]] {
        redis.cli::<()>(&["DEL", "sql:users:data:1:lease"]);
        redis.cli::<()>(&garbage);
        assert_eq!(lease(&one, LEASE).await, Lease::Granted);
        settle(&one, LeaseFate::Free).await;
    }
    redis.cli::<()>(&["RPUSH", key, "x"]);
    assert_eq!(lease(&one, LEASE).await, Lease::Granted);
}

/// Random patterns over a small alphabet: what Redis matches, the embedded store's matcher matches.
#[tokio::test]
async fn both_stores_read_patterns_alike() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let redis = Redis::start();
    let (store, memory) = (redis_store(&redis), sqlx_cached::store::MemoryStore::new(crate::store_contract::keyspace(), 64 << 20));
    let mut random = StdRng::seed_from_u64(7);
    let mut word = |alphabet: &[u8], longest: usize| -> String {
        let length = random.random_range(0..=longest);
        (0..length).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
    };
    for _ in 0..1000 {
        let pattern = format!("sql:{}", word(b"ab*?[]^-\\a*", 8));
        let keys: Vec<String> = (0..12).map(|_| format!("sql:{}", word(b"ab-]^\\[", 5))).collect();
        let mut matched = Vec::new();
        for store in [&store as &dyn CacheStore, &memory] {
            for key in &keys {
                store.fill(key, &[], Bytes::from_static(b"x"), TTL).await.unwrap();
            }
            let count = store.delete_matching(&pattern).await.unwrap();
            let mut left = Vec::new();
            for key in &keys {
                left.push(store.look_up(key, &[]).await.unwrap().entry.is_some());
            }
            store.delete_matching("sql:*").await.unwrap();
            matched.push((count, left));
        }
        assert_eq!(matched[0], matched[1], "{pattern} {keys:?}");
    }
}

#[tokio::test]
async fn reclaims_take_turns() {
    let redis = Redis::start();
    let store = redis_store(&redis);
    let (all, live) = (standing(&store, &Tag::all()).await, standing(&store, &table("users")).await);
    let dead = Generation::fresh(live.server());
    store.fill("sql:users:data:0", &[], entry_of(all, dead), TTL).await.unwrap();
    redis.cli::<()>(&["SET", "sql-near::reclaim", "", "PX", "700"]);
    let since = Instant::now();
    assert_eq!(store.reclaim(&table("users")).await.unwrap(), 1);
    assert!(since.elapsed() > Duration::from_millis(600), "another process was at it");
    assert!(!redis.cli::<bool>(&["EXISTS", "sql-near::reclaim"]), "the next one may begin");
}
