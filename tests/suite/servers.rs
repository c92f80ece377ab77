//! The servers that the other tests rely on do what they say.

use crate::support::{Redis, mariadb, postgres};
use std::time::Duration;

#[tokio::test]
async fn databases_of_a_postgres_server_are_separate() {
    let (one, two) = (postgres().await.database().await, postgres().await.database().await);
    sqlx::query("CREATE TABLE t (a int)").execute(&one.pool).await.unwrap();
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&one.pool).await.is_ok());
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&two.pool).await.is_err());

    let by_url = sqlx::PgPool::connect(&one.url).await.unwrap();
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&by_url).await.is_ok());

    let role = postgres().await.role("NOINHERIT").await;
    let as_role = sqlx::PgPool::connect_with(one.options.clone().username(&role)).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, String>("SELECT current_user::text").fetch_one(&as_role).await.unwrap(), role);
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&as_role).await.is_err(), "a role owns nothing");
}

#[tokio::test]
async fn databases_of_a_mariadb_server_are_separate() {
    let (one, two) = (mariadb().await.database().await, mariadb().await.database().await);
    sqlx::query("CREATE TABLE t (a int)").execute(&one.pool).await.unwrap();
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&one.pool).await.is_ok());
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&two.pool).await.is_err());

    let by_url = sqlx::MySqlPool::connect(&one.url).await.unwrap();
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&by_url).await.is_ok());

    let user = mariadb().await.user(&format!("INSERT ON {}.*", one.name)).await;
    let as_user = sqlx::MySqlPool::connect_with(one.options.clone().username(&user)).await.unwrap();
    assert!(sqlx::query("INSERT INTO t VALUES (1)").execute(&as_user).await.is_ok());
    assert!(sqlx::query("SELECT * FROM t").fetch_all(&as_user).await.is_err(), "only what was granted");
}

#[test]
fn a_redis_server_stops_restarts_and_is_monitored() {
    let mut redis = Redis::configured().tcp().password("secret").arguments(&["--databases", "4"]).start();
    let mut monitor = redis.monitor();
    assert_eq!(redis.cli_in::<String>(3, &["SET", "a b", "\"c\\\r\n"]), "OK");
    assert_eq!(monitor.commands(), [vec!["SELECT".to_owned(), "3".into()], vec!["SET".into(), "a b".into(), r#"\"c\\\r\n"#.into()]]);
    assert_eq!(redis.cli::<i64>(&["EVAL", "return redis.call('dbsize')", "0"]), 0);
    let observed = monitor.observed();
    assert_eq!(observed.iter().filter(|command| command.lua).count(), 1, "{observed:?}");

    let before: String = redis.cli(&["INFO", "server"]);
    redis.restart();
    let after: String = redis.cli(&["INFO", "server"]);
    assert_ne!(before, after);
    assert_eq!(redis.cli_in::<i64>(3, &["DBSIZE"]), 0, "nothing is kept unless asked for");

    let by_tcp = redis::Client::open(redis.tcp_url()).unwrap();
    assert!(by_tcp.get_connection().is_ok());
    redis.pause();
    assert!(by_tcp.get_connection_with_timeout(Duration::from_millis(50)).is_err());
    redis.resume();
    assert!(by_tcp.get_connection_with_timeout(Duration::from_secs(5)).is_ok());
    redis.stop();
    assert!(by_tcp.get_connection().is_err());
}

#[test]
fn a_redis_server_has_users() {
    let redis = Redis::configured().user("alice", &["on", ">secret", "~sql*", "+@read"]).start();
    let url = |password: &str| format!("{}?user=alice&pass={password}", redis.url());
    assert!(redis::Client::open(url("wrong")).unwrap().get_connection().is_err());
    let mut alice = redis::Client::open(url("secret")).unwrap().get_connection().unwrap();
    assert_eq!(redis::cmd("GET").arg("sql:x").query::<Option<String>>(&mut alice).unwrap(), None);
    assert!(redis::cmd("GET").arg("other").query::<Option<String>>(&mut alice).is_err());
}
