//! What every store must do: one suite, run over each of them.

use crate::support::Redis;
use bytes::Bytes;
use sqlx_cached::store::Keyspace;
use sqlx_cached::store::{
    ALL_GENERATION, CacheStore, Creation, ENTRY_MAGIC, FenceId, Label, MemoryStore, RedisAddress, RedisConfig, RedisStore, StoreError,
    TABLE_GENERATION,
};
use sqlx_cached::store::{Generation, ServerIdentity, Tag};
use sqlx_cached::store::{Lease, LeaseFate, Wish};
use std::time::Duration;

pub const TTL: Duration = Duration::from_mins(1);
pub const LEASE: Duration = Duration::from_secs(30);

/// A tag of the test's own, so that the tests of the suite may share a store.
pub fn table(name: &str) -> Tag {
    Tag::table(name)
}

pub fn id(name: &str) -> FenceId {
    FenceId(name.into())
}

pub async fn label(store: &dyn CacheStore, tag: &Tag) -> Label {
    store.look_up("sql:none:data:0", std::slice::from_ref(tag)).await.unwrap().labels[0]
}

pub async fn create(store: &dyn CacheStore, tag: &Tag) -> Creation {
    store.create(std::slice::from_ref(tag)).await.unwrap().remove(0)
}

/// Creates the tag's generation, which must succeed.
pub async fn standing(store: &dyn CacheStore, tag: &Tag) -> Generation {
    match create(store, tag).await {
        Creation::Standing(generation) => generation,
        other => panic!("{tag}: {other:?}"),
    }
}

pub async fn entry(store: &dyn CacheStore, key: &str) -> Option<Bytes> {
    store.look_up(key, &[]).await.unwrap().entry
}

/// An entry as the engine writes it, as far as a store may look into it.
pub fn entry_of(all: Generation, table: Generation) -> Bytes {
    let mut bytes = vec![0xAB; 100];
    bytes[..4].copy_from_slice(ENTRY_MAGIC);
    bytes[ALL_GENERATION].copy_from_slice(&all.0);
    bytes[TABLE_GENERATION].copy_from_slice(&table.0);
    bytes.into()
}

/// The key of an entry of this tag.
fn key_of(keyspace: &Keyspace, tag: &Tag, rest: &str) -> String {
    let pattern = keyspace.pattern(tag);
    format!("{}{rest}", pattern.strip_suffix('*').unwrap())
}

/// Everything that doesn't depend on where the store keeps it.
pub async fn contract(store: &dyn CacheStore) {
    let tag = table("server");
    assert_eq!(standing(store, &tag).await.server(), store.ping().await.unwrap(), "a token names its server");
    contract_of_many(store, &keyspace()).await;
}

/// What is left of it where keys are named otherwise, and there are several servers.
pub async fn contract_of_many(store: &dyn CacheStore, keyspace: &Keyspace) {
    generations_are_created_once(store).await;
    entries_are_bytes(store).await;
    a_fence_stands_until_its_last_writer_ends(store).await;
    a_strangers_end_changes_nothing(store).await;
    a_fence_covers_each_of_its_tags(store).await;
    invalidation_leaves_fences(store).await;
    deletion_by_pattern_counts_and_keeps_fences(store, keyspace).await;
    reclaim_unlinks_the_dead_and_nothing_else(store, keyspace).await;
    a_lease_gives_the_entry_once_it_is_there(store, keyspace).await;
    nothing_of_nothing_is_nothing(store).await;
}

async fn generations_are_created_once(store: &dyn CacheStore) {
    let (one, two) = (table("one"), table("two"));
    assert_eq!(label(store, &one).await, Label::Absent);
    let first = standing(store, &one).await;
    assert_eq!(label(store, &one).await, Label::Standing(first));
    assert_eq!(standing(store, &one).await, first, "never replaced");

    let tags = [two.clone(), one.clone(), Tag::all(), Tag::schema()];
    let created = store.create(&tags).await.unwrap();
    assert_eq!(created[1], Creation::Standing(first), "in the order asked for");
    let labels = store.look_up("sql:one:data:0", &tags).await.unwrap().labels;
    for (label, created) in labels.iter().zip(&created) {
        assert!(matches!((label, created), (Label::Standing(a), Creation::Standing(b)) if a == b));
    }
    let distinct: std::collections::HashSet<_> = labels.iter().map(|label| format!("{label:?}")).collect();
    assert_eq!(distinct.len(), 4);

    store.invalidate(&[one.clone(), two.clone()]).await.unwrap();
    assert_eq!((label(store, &one).await, label(store, &two).await), (Label::Absent, Label::Absent));
    assert!(matches!(label(store, &Tag::all()).await, Label::Standing(_)), "the others stand");
    assert_ne!(standing(store, &one).await, first, "no token returns");
}

async fn entries_are_bytes(store: &dyn CacheStore) {
    let key = "sql:one:data:bytes";
    assert_eq!(entry(store, key).await, None);
    for bytes in [Bytes::from_static(b"\0\r\n\xff$-1\r\n"), Bytes::new(), Bytes::from((0..=255).cycle().take(100_000).collect::<Vec<u8>>())]
    {
        store.fill(key, &[], bytes.clone(), TTL).await.unwrap();
        assert_eq!(entry(store, key).await, Some(bytes));
    }
    store.fill(key, &[], Bytes::from_static(b"endless"), Duration::MAX).await.unwrap();
    assert_eq!(entry(store, key).await, Some(Bytes::from_static(b"endless")));
    store.discard(key).await.unwrap();
    assert_eq!(entry(store, key).await, None);
    store.discard(key).await.unwrap();

    store.fill(key, &[], Bytes::from_static(b"x"), Duration::ZERO).await.unwrap();
    store.fill("sql:one:data:short", &[], Bytes::from_static(b"x"), Duration::from_millis(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((entry(store, key).await, entry(store, "sql:one:data:short").await), (None, None), "entries expire");
}

async fn a_fence_stands_until_its_last_writer_ends(store: &dyn CacheStore) {
    let tag = table("fenced");
    let tags = std::slice::from_ref(&tag);
    let before = standing(store, &tag).await;
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    assert_eq!(label(store, &tag).await, Label::Fenced);
    assert_eq!(create(store, &tag).await, Creation::Fenced);
    store.begin(tags, &id("b"), LEASE).await.unwrap();
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    store.end(tags, &id("a")).await.unwrap();
    assert_eq!(label(store, &tag).await, Label::Fenced, "b still writes; a renewal is not a second write");
    assert_eq!(create(store, &tag).await, Creation::Fenced);
    store.end(tags, &id("b")).await.unwrap();
    assert_eq!(label(store, &tag).await, Label::Absent);
    assert_ne!(standing(store, &tag).await, before);
}

async fn a_strangers_end_changes_nothing(store: &dyn CacheStore) {
    let tag = table("strange");
    let tags = std::slice::from_ref(&tag);
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    store.end(tags, &id("stranger")).await.unwrap();
    store.clear_lapsed(&tag, &[id("a"), id("stranger")]).await.unwrap();
    assert_eq!(create(store, &tag).await, Creation::Fenced, "a has not lapsed");
    store.end(tags, &id("a")).await.unwrap();

    // With no fence at all: whatever generation stands may have been created while the fence was lost.
    let before = standing(store, &tag).await;
    store.end(tags, &id("a")).await.unwrap();
    assert_ne!(label(store, &tag).await, Label::Standing(before));
}

async fn a_fence_covers_each_of_its_tags(store: &dyn CacheStore) {
    let tags = [table("left"), table("right")];
    store.begin(&tags, &id("both"), LEASE).await.unwrap();
    store.begin(&tags[..1], &id("left"), LEASE).await.unwrap();
    assert_eq!(store.create(&tags).await.unwrap(), [Creation::Fenced, Creation::Fenced]);
    store.end(&tags, &id("both")).await.unwrap();
    let created = store.create(&tags).await.unwrap();
    assert!(matches!(created[..], [Creation::Fenced, Creation::Standing(_)]), "{created:?}");
    store.end(&tags[..1], &id("left")).await.unwrap();
    assert!(matches!(create(store, &tags[0]).await, Creation::Standing(_)));
}

async fn invalidation_leaves_fences(store: &dyn CacheStore) {
    let tag = table("invalidated");
    let tags = std::slice::from_ref(&tag);
    store.begin(tags, &id("a"), LEASE).await.unwrap();
    store.invalidate(tags).await.unwrap();
    assert!(!matches!(label(store, &tag).await, Label::Standing(_)));
    assert_eq!(create(store, &tag).await, Creation::Fenced);
    store.end(tags, &id("a")).await.unwrap();
    standing(store, &tag).await;
}

async fn deletion_by_pattern_counts_and_keeps_fences(store: &dyn CacheStore, keyspace: &Keyspace) {
    // Names that would be patterns, were they not escaped.
    let (odd, other, fenced) = (table("od*d:[x]?"), table("other"), table("kept"));
    let odd_keys = [key_of(keyspace, &odd, "data:1"), key_of(keyspace, &odd, "count:2")];
    let other_key = key_of(keyspace, &other, "data:1");
    let before = standing(store, &other).await;
    standing(store, &odd).await;
    for key in odd_keys.iter().map(String::as_str).chain([other_key.as_str()]) {
        store.fill(key, &[], Bytes::from_static(b"x"), TTL).await.unwrap();
    }
    assert_eq!(store.delete_matching(&key_of(keyspace, &odd, "data:*")).await.unwrap(), 1);
    assert_eq!(store.delete_matching(&keyspace.pattern(&odd)).await.unwrap(), 2, "the other entry and the generation");
    assert_eq!(store.delete_matching(&keyspace.pattern(&odd)).await.unwrap(), 0);
    assert_eq!(label(store, &odd).await, Label::Absent);
    assert_eq!(label(store, &other).await, Label::Standing(before));
    assert!(entry(store, &other_key).await.is_some());

    store.begin(std::slice::from_ref(&fenced), &id("a"), LEASE).await.unwrap();
    let deleted = store.delete_matching("sql:*").await.unwrap();
    assert!(deleted >= 2, "{deleted}");
    assert_eq!(entry(store, &other_key).await, None);
    assert_eq!(label(store, &other).await, Label::Absent);
    assert_eq!(create(store, &fenced).await, Creation::Fenced, "a running write keeps its fence");
    store.end(&[fenced], &id("a")).await.unwrap();

    for pattern in ["*", "sql", "sq*:x", "other:*", "sql-fence:*", ""] {
        assert!(matches!(store.delete_matching(pattern).await, Err(StoreError::Pattern { .. })), "{pattern:?} could match what isn't ours");
    }
}

async fn reclaim_unlinks_the_dead_and_nothing_else(store: &dyn CacheStore, keyspace: &Keyspace) {
    let (tag, other) = (table("reclaimed"), table("reclaimed2"));
    let (all, live) = (standing(store, &Tag::all()).await, standing(store, &tag).await);
    let dead = Generation::fresh(ServerIdentity::default());
    let other_live = standing(store, &other).await;
    let keys = ["live", "dead", "dead everywhere", "foreign", "truncated"].map(|name| key_of(keyspace, &tag, &format!("data:{name}")));
    let other_key = key_of(keyspace, &other, "data:dead");
    let fill = async || {
        let truncated = entry_of(all, live).slice(..40);
        let contents =
            [entry_of(all, live), entry_of(all, dead), entry_of(dead, dead), Bytes::from_static(b"somebody else's value"), truncated];
        for (key, bytes) in keys.iter().zip(contents) {
            store.fill(key, &[], bytes, TTL).await.unwrap();
        }
        store.fill(&other_key, &[], entry_of(all, dead), TTL).await.unwrap();
    };
    let left = async || {
        let mut left = Vec::new();
        for key in keys.iter().chain([&other_key]) {
            if entry(store, key).await.is_some() {
                left.push(key.rsplit(':').next().unwrap().to_owned());
            }
        }
        left
    };

    fill().await;
    assert_eq!(store.reclaim(&tag).await.unwrap(), 3);
    assert_eq!(left().await, ["live", "foreign", "dead"], "and nothing of the other table");
    assert_eq!(label(store, &tag).await, Label::Standing(live));

    // `_all` speaks for every table, but judges by its own generation only.
    fill().await;
    store.fill(&other_key, &[], entry_of(dead, other_live), TTL).await.unwrap();
    assert_eq!(store.reclaim(&Tag::all()).await.unwrap(), 2);
    assert_eq!(left().await, ["live", "dead", "foreign", "truncated"]);

    // Without a generation, or with a fence, nothing read under the tag is valid.
    fill().await;
    store.begin(std::slice::from_ref(&tag), &id("a"), LEASE).await.unwrap();
    assert_eq!(store.reclaim(&tag).await.unwrap(), 4);
    assert_eq!(left().await, ["foreign", "dead"]);
    store.end(&[tag], &id("a")).await.unwrap();
    store.invalidate(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(store.reclaim(&other).await.unwrap(), 1);
}

/// Who asks for the answer under these generations.
pub fn wish(all: Generation, table: Generation, holder: u8) -> Wish {
    Wish { head: [&all.0[..], &table.0[..], &[1, 0]].concat(), except: None, holder: [holder; 16] }
}

/// The same, on its way to the store: stored at a moment of eight equal bytes.
pub fn entry_at(all: Generation, table: Generation, moment: u8) -> Bytes {
    let mut bytes = entry_of(all, table).to_vec();
    bytes[56..58].copy_from_slice(&[1, 0]);
    bytes[58..66].copy_from_slice(&[moment; 8]);
    bytes.into()
}

async fn a_lease_gives_the_entry_once_it_is_there(store: &dyn CacheStore, keyspace: &Keyspace) {
    let key = &key_of(keyspace, &table("leased"), "data:1");
    let generations: Vec<_> = (0..3).map(|_| Generation::fresh(ServerIdentity::default())).collect();
    let wish = wish(generations[0], generations[1], 1);
    assert_eq!(store.lease(key, &wish, LEASE).await.unwrap(), Lease::Granted, "nothing is there");
    store.settle_lease(key, &wish, LeaseFate::Free).await.unwrap();
    for of_another in
        [entry_at(generations[0], generations[2], 7), Bytes::from_static(b"short"), entry_at(generations[0], generations[1], 7).slice(..57)]
    {
        store.fill(key, &[], of_another, TTL).await.unwrap();
        assert_eq!(store.lease(key, &wish, LEASE).await.unwrap(), Lease::Granted, "the entry is of another answer");
        store.settle_lease(key, &wish, LeaseFate::Free).await.unwrap();
    }
    let entry = entry_at(generations[0], generations[1], 7);
    store.fill(key, &[], entry.clone(), TTL).await.unwrap();
    assert_eq!(store.lease(key, &wish, LEASE).await.unwrap(), Lease::Entry(entry.clone()));
    let another = Wish { except: Some([6; 8]), ..wish.clone() };
    assert_eq!(store.lease(key, &another, LEASE).await.unwrap(), Lease::Entry(entry));
    let newer = Wish { except: Some([7; 8]), ..wish.clone() };
    assert_eq!(store.lease(key, &newer, LEASE).await.unwrap(), Lease::Granted, "that one is too old");
    store.settle_lease(key, &newer, LeaseFate::Free).await.unwrap();
    store.discard(key).await.unwrap();
}

async fn nothing_of_nothing_is_nothing(store: &dyn CacheStore) {
    assert_eq!(store.create(&[]).await.unwrap(), []);
    store.begin(&[], &id("a"), LEASE).await.unwrap();
    store.end(&[], &id("a")).await.unwrap();
    store.invalidate(&[]).await.unwrap();
    assert_eq!(store.look_up("sql:none:data:0", &[]).await.unwrap().labels, []);
}

pub fn keyspace() -> Keyspace {
    Keyspace::new("sql")
}

/// A store of this server, over its Unix socket, with time enough for a busy machine.
pub fn redis_store(redis: &Redis) -> RedisStore {
    redis_store_at(RedisAddress::Url(redis.url()), |_| ())
}

pub fn redis_store_at(address: RedisAddress, change: impl FnOnce(&mut RedisConfig)) -> RedisStore {
    let mut config = RedisConfig::new(address);
    config.timeout = Duration::from_secs(5);
    config.connect_timeout = Duration::from_secs(5);
    // Stores alone; the near cache has tests of its own.
    config.near = false;
    change(&mut config);
    RedisStore::new(&config, keyspace()).unwrap()
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract(&MemoryStore::new(keyspace(), 64 << 20)).await;
}

#[tokio::test]
async fn redis_keeps_the_contract_over_a_socket() {
    contract(&redis_store(&Redis::start())).await;
}

#[tokio::test]
async fn redis_keeps_the_contract_over_tcp_with_password_database_and_several_connections() {
    let redis = Redis::configured().tcp().password("secret").start();
    let address = RedisAddress::Host("127.0.0.1".into(), redis.port());
    let store = redis_store_at(address, |config| {
        config.password = Some("secret".into());
        config.db = Some(5);
        config.connections = 3;
    });
    contract(&store).await;
    assert!(redis.cli_in::<i64>(5, &["DBSIZE"]) > 0);
    assert_eq!(redis.cli::<i64>(&["DBSIZE"]), 0, "nothing outside its database");
}

/// The commands that `src/store/redis.rs` names, and no other.
#[tokio::test]
async fn redis_keeps_the_contract_as_a_restricted_user() {
    const COMMANDS: &str = "+mget +get +set +del +unlink +scan +info +evalsha +script|load +time +getrange +zcount +zadd +zrem +zscore +zrangebyscore +zremrangebyscore +zrevrange";
    let mut rules = vec!["on", ">secret", "~sql:*", "~sql-fence:*", "-@all", "+select"];
    rules.extend(COMMANDS.split(' '));
    let redis = Redis::configured().user("cache", &rules).start();
    let store = redis_store_at(RedisAddress::Socket(redis.socket()), |config| {
        config.username = Some("cache".into());
        config.password = Some("secret".into());
        config.db = Some(2);
    });
    contract(&store).await;
}

#[tokio::test]
async fn without_info_tokens_name_no_server_but_the_contract_holds() {
    let redis = Redis::configured().user("cache", &["on", ">secret", "~*", "+@all", "-info"]).start();
    let store = redis_store_at(RedisAddress::Url(format!("{}?user=cache&pass=secret", redis.url())), |_| ());
    contract(&store).await;
    assert_eq!(store.ping().await.unwrap(), ServerIdentity::default());
}
