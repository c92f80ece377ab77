//! `invalidate` and `clear`.

use super::{Desk, ran};
use serde_json::json;

async fn filled(desk: &Desk) -> sqlx_cached::CachingExecutor<sqlx::Sqlite> {
    let executor = desk.executor(desk.shop().await).await;
    for sql in ["SELECT name FROM users", "SELECT id FROM orders"] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&executor).await.unwrap();
    }
    let cache = desk.cache().await;
    for key in ["page:1", "page:2", "user:7"] {
        cache.set(key, &1).await.unwrap();
    }
    cache.scope("tenant").set("page:1", &1).await.unwrap();
    executor.reset_stats();
    executor
}

/// Whether reads of users and of orders are hits.
async fn hits(executor: &sqlx_cached::CachingExecutor<sqlx::Sqlite>) -> [bool; 2] {
    let mut hits = [false; 2];
    for (hit, sql) in hits.iter_mut().zip(["SELECT name FROM users", "SELECT id FROM orders"]) {
        executor.reset_stats();
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(executor).await.unwrap();
        *hit = executor.stats().hits == 1;
    }
    hits
}

fn values(desk: &Desk) -> Vec<String> {
    let mut names: Vec<String> = desk.redis.cli(&["KEYS", "kv*"]);
    names.sort();
    names
}

#[tokio::test]
async fn a_table_goes_with_what_hangs_on_it_where_a_database_is_named() {
    let desk = Desk::new();
    let executor = filled(&desk).await;
    assert_eq!(hits(&executor).await, [true, true]);
    let text = desk.says(&["invalidate", "users"]);
    assert!(text.contains("invalidated the table users, with all that a write to it may change"), "{text}");
    assert_eq!(hits(&executor).await, [false, false], "a cascade leads to orders");
    // Without a database nobody knows of the cascade, and the tool says so.
    let alone = ran(desk.tool(&["invalidate", "users"]).env_remove("DATABASE_URL"));
    assert!(alone.code == 0 && alone.out.contains("alone"), "{}", alone.out);
    assert_eq!(hits(&executor).await, [false, true]);
    assert_eq!(
        desk.json(&["invalidate", "orders", "page:*"])["invalidated"],
        json!([{ "table": "orders", "closed": true }, { "pattern": "kv:page:*", "deleted": 2 }])
    );
    assert_eq!(hits(&executor).await, [true, false]);
}

#[tokio::test]
async fn a_typing_error_invalidates_nothing() {
    let desk = Desk::new();
    let executor = filled(&desk).await;
    let unknown = desk.run(&["invalidate", "users", "usres"]);
    assert!(unknown.code == 3 && unknown.err.contains("no table \"usres\"; nothing was invalidated"), "{}", unknown.err);
    assert_eq!(hits(&executor).await, [true, true]);
    assert_eq!(desk.run(&["invalidate"]).code, 2);
    assert_eq!(desk.run(&["invalidate", " "]).code, 2);
    // A running write's fence is nobody's to delete.
    let fence = desk.run(&["invalidate", "sql-fence:*"]);
    assert!(fence.code == 2 && fence.err.contains("leave that alone"), "{}", fence.err);
    assert_eq!(values(&desk).len(), 4);
}

#[tokio::test]
async fn patterns_delete_what_they_match() {
    let desk = Desk::new();
    let executor = filled(&desk).await;
    assert_eq!(desk.says(&["invalidate", "kv:page:*"]), "deleted 2 keys that match kv:page:*\n");
    assert_eq!(values(&desk), ["kv/tenant:page:1", "kv:user:7"]);
    desk.says(&["invalidate", "sql:users:*"]);
    assert_eq!(hits(&executor).await, [false, true]);
    desk.says(&["invalidate", "kv/tenant:*"]);
    assert_eq!(values(&desk), ["kv:user:7"]);
}

/// The one program's settings may look like the other's, and the values' like the queries'.
#[tokio::test]
async fn a_prefix_may_begin_as_the_namespace_does() {
    let desk = Desk::new();
    let shop = |prefix: &str| sqlx_cached::Cache::builder().store(desk.store()).namespace("shop").prefix(prefix);
    for prefix in ["shop-kv", "shop-kv2"] {
        shop(prefix).build().await.unwrap().set("page:1", &1).await.unwrap();
    }
    let settings = ["--namespace", "shop", "--prefix", "shop-kv"];
    let text = desk.says(&[&["invalidate", "page:*"][..], &settings].concat());
    assert_eq!(text, "deleted 1 key that match shop-kv:page:*\n");
    let fence = desk.run(&[&["invalidate", "shop-fence:*"][..], &settings].concat());
    assert!(fence.code == 2 && fence.err.contains("leave that alone"), "{}", fence.err);
    assert_eq!(desk.redis.cli::<Vec<String>>(&["KEYS", "shop*"]), ["shop-kv2:page:1"]);
    // Settings by which one would empty the other's.
    for settings in
        [["--namespace", "shop-fence"], ["--namespace", "kv/sql"], ["--prefix", "shop-days"], ["--prefix", "s*"], ["--prefix", ""]]
    {
        let refused = desk.run(&[&["clear", "--yes"][..], &settings].concat());
        assert_eq!((refused.code, refused.out.as_str()), (3, ""), "{settings:?}: {}", refused.err);
    }
}

#[tokio::test]
async fn clear_asks_at_a_terminal_and_refuses_without_one() {
    let desk = Desk::new();
    let executor = filled(&desk).await;
    let refused = desk.run(&["clear"]);
    assert!(refused.code == 2 && refused.err.contains("--yes") && refused.out.is_empty(), "{}", refused.err);
    assert_eq!((hits(&executor).await, values(&desk).len()), ([true, true], 4));
    desk.says(&["clear", "--queries", "--yes"]);
    assert_eq!((hits(&executor).await, values(&desk).len()), ([false, false], 4));
    assert_eq!(desk.json(&["clear", "--values", "--yes"]), json!({ "deleted": { "values": 4 } }));
    assert_eq!((hits(&executor).await, values(&desk).len()), ([true, true], 0));
    let both = desk.json(&["clear", "-y"]);
    assert!(both["deleted"]["queries"].as_u64().unwrap() >= 2 && both["deleted"]["values"] == 0, "{both}");
    assert_eq!(hits(&executor).await, [false, false]);
    assert_eq!(desk.run(&["clear", "--queries", "--values", "--yes"]).code, 2);
}
