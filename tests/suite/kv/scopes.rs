//! Whose values they are.

use super::kit::{Stage, eventually};
use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use sqlx_cached::{CachedEntity, CachingExecutor, Repository, cached, invalidates};
use std::convert::Infallible;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    tenant: String,
}

impl CachedEntity for Order {
    type Id = i64;
    const NAME: &'static str = "order";
}

#[cached(prefix = "orders", key = "{id}", skip(tenant))]
async fn order(db: &CachingExecutor<Sqlite>, id: i64, tenant: &str) -> Result<Order, Infallible> {
    Ok(Order { tenant: tenant.to_owned() })
}

#[invalidates("orders:{id}")]
async fn change(db: &CachingExecutor<Sqlite>, id: i64) -> Result<(), Infallible> {
    Ok(())
}

#[tokio::test]
async fn what_an_executors_scope_keeps_no_other_one_is_given() {
    for redis in [false, true] {
        let stage = Stage::executors(redis).await;
        let (db, _home) = stage.executor.as_ref().unwrap();
        for _ in 0..2 {
            for tenant in ["one", "two", "none"] {
                let db = if tenant == "none" { db.clone() } else { db.scope(tenant) };
                assert_eq!(order(&db, 7, tenant).await.unwrap().tenant, tenant);
                let own = Order { tenant: tenant.to_owned() };
                let found = Repository::<Order>::new(&db).find(&7, async || Ok::<_, Infallible>(Some(own.clone()))).await;
                assert_eq!(found.unwrap(), Some(own));
                let given = db.cache().get_or_set("k", async || Ok::<_, Infallible>(tenant.to_owned())).await.unwrap();
                assert_eq!(given, tenant);
            }
        }
        assert_eq!(db.cache().scope("one").get::<String>("k").await.unwrap().as_deref(), Some("one"));
        change(&db.scope("one"), 7).await.unwrap();
        assert_eq!(order(&db.scope("one"), 7, "new").await.unwrap().tenant, "new");
        assert_eq!(order(&db.scope("two"), 7, "new").await.unwrap().tenant, "two");
    }
}

/// Somebody gave it another time to live by hand, and then its holder died.
#[tokio::test]
async fn a_claim_without_an_end_is_not_waited_for_again_and_again() {
    for stage in Stage::both().await {
        stage.plant("k", &[&b"SQV1\x01\0\0\0"[..], &[7; 16]].concat()).await;
        assert_eq!(stage.cache.get_or_set("k", async || Ok::<_, Infallible>(1)).await.unwrap(), 1);
        let since = Instant::now();
        eventually("the next value is kept", async || {
            stage.cache.get_or_set("k", async || Ok::<_, Infallible>(2)).await.unwrap();
            stage.cache.get("k").await.unwrap() == Some(2)
        })
        .await;
        assert!(since.elapsed() < Duration::from_secs(3), "{}", stage.name);
    }
}
