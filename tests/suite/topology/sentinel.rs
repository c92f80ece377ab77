//! A master that sentinels name.

use super::kit::{executor_with, home, impatient, read};
use crate::faults::kit::Server;
use crate::store_contract::{contract, id, label, redis_store_at, table};
use crate::support::Redis;
use crate::support::sentinels::{MASTER, SENTINELS_PASSWORD, Sentinels};
use sqlx::Sqlite;
use sqlx_cached::store::{CacheStore, Label, RedisAddress, RedisConfig, RedisStore, StoreError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn address(sentinels: &Sentinels) -> RedisAddress {
    let nodes = sentinels.ports().into_iter().map(|port| ("127.0.0.1".to_owned(), port)).collect();
    RedisAddress::Sentinel { sentinels: nodes, master: MASTER.into() }
}

fn login(config: &mut RedisConfig) {
    config.sentinel_password = Some(SENTINELS_PASSWORD.into());
}

fn store(sentinels: &Sentinels) -> RedisStore {
    redis_store_at(address(sentinels), login)
}

#[tokio::test]
async fn what_the_sentinels_name_keeps_the_contract() {
    let mut sentinels = Sentinels::start().await;
    contract(&store(&sentinels)).await;
    // One hangs, one is gone: the third alone must do, though it takes half of the time to connect to be sure.
    sentinels.pause(0);
    contract(&store(&sentinels)).await;
    sentinels.lose(1);
    contract(&store(&sentinels)).await;
}

#[tokio::test]
async fn sentinels_that_can_not_help_say_so() {
    let mut sentinels = Sentinels::start().await;
    let refused = async |change: fn(&mut RedisConfig)| {
        let error = redis_store_at(address(&sentinels), change).ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Backend(_)), "{error}");
        error.to_string()
    };
    let error = refused(|_| ()).await;
    assert!(error.contains("NOAUTH") || error.contains("uthentication"), "{error}");
    let error = refused(|config| {
        config.sentinel_password = Some("wr0ng".into());
    })
    .await;
    assert!(!error.contains("wr0ng"), "{error}");
    let error = refused(|config| {
        login(config);
        let RedisAddress::Sentinel { master, .. } = &mut config.address else { unreachable!() };
        *master = "nobody".into();
    })
    .await;
    assert!(error.contains("nobody"), "{error}");
    for number in 0..3 {
        sentinels.lose(number);
    }
    assert!(store(&sentinels).ping().await.is_err());
}

/// What a sentinel says of the master, or nothing at all.
#[derive(Clone, Copy)]
enum Says {
    Port(u16),
    Unknown,
    Nothing,
}

/// A sentinel that says always the same.
async fn somebody_who_says(what: Says) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1000];
                while let Ok(1..) = stream.read(&mut asked).await {
                    let answer = match what {
                        Says::Port(port) => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.to_string().len()),
                        Says::Unknown => "*-1\r\n".to_owned(),
                        Says::Nothing => continue,
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    port
}

/// A sentinel that was cut off goes on naming the old master, and that may go on taking itself for one.
#[tokio::test]
async fn most_of_the_sentinels_decide() {
    let (old, new) = (Redis::configured().tcp().start(), Redis::configured().tcp().start());
    let identity = |redis: &Redis| redis_store_at(RedisAddress::Socket(redis.socket()), |_| ());
    let (old_one, new_one) = (identity(&old).ping().await.unwrap(), identity(&new).ping().await.unwrap());
    let (says_old, says_new) = (Says::Port(old.port()), Says::Port(new.port()));
    let cases: [(&[Says], _); 10] = [
        (&[says_old, says_new, says_new], Some(new_one)),
        (&[says_new, says_old, says_new], Some(new_one)),
        (&[says_old, says_old, says_new], Some(old_one)),
        (&[says_new, Says::Nothing, says_new], Some(new_one)),
        (&[Says::Nothing, Says::Nothing, says_new], Some(new_one)),
        (&[Says::Unknown, says_new, Says::Nothing], Some(new_one)),
        (&[says_new], Some(new_one)),
        (&[says_old, says_new, Says::Nothing], None),
        (&[says_old, says_new], None),
        (&[Says::Nothing, Says::Unknown], None),
    ];
    for (number, (sentinels, expected)) in cases.iter().enumerate() {
        let mut nodes = Vec::new();
        for says in *sentinels {
            nodes.push(("127.0.0.1".to_owned(), somebody_who_says(*says).await));
        }
        let store = redis_store_at(RedisAddress::Sentinel { sentinels: nodes, master: MASTER.into() }, |config| {
            config.connect_timeout = Duration::from_secs(3);
            config.timeout = Duration::from_secs(5);
        });
        assert_eq!(store.ping().await.ok(), *expected, "case {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed() {
    for (how, signal) in [("kill -9", "KILL"), ("SIGSTOP", "STOP"), ("SENTINEL FAILOVER", "")] {
        let mut sentinels = Sentinels::start().await;
        let home = home().await;
        let settings = |config: &mut RedisConfig| {
            login(config);
            impatient(config);
        };
        let one = executor_with(&home, address(&sentinels), settings).await;
        let other = executor_with(&home, address(&sentinels), settings).await;
        let idle = Arc::new(store(&sentinels));
        let tag = table("counters");
        home.resumes(&one, &read("counters")).await;
        home.resumes(&other, &read("counters")).await;
        let Label::Standing(before) = label(&*idle, &tag).await else { panic!("cached") };
        let since = Instant::now();
        match signal {
            "KILL" => sentinels.servers[0].kill(),
            "STOP" => sentinels.servers[0].pause(),
            _ => {
                let url = format!("redis://:{SENTINELS_PASSWORD}@127.0.0.1:{}", sentinels.ports()[0]);
                let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
                redis::cmd("SENTINEL").arg("FAILOVER").arg(MASTER).exec(&mut connection).unwrap();
            }
        }
        // Reads and writes go on; the writer's own process sees what it wrote.
        let mut writes = 0;
        while sentinels.servers[1].role() != "master" || writes < 20 {
            Sqlite::run(&one, "UPDATE counters SET v = v + 1 WHERE id = 1").await.expect("no error because of Redis");
            home.check(&one, &read("counters")).await;
            writes += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let promoted = since.elapsed();
        let again = home.resumes(&one, &read("counters")).await.max(home.resumes(&other, &read("counters")).await);
        println!(
            "{how}: promoted after {promoted:?}, cached again {again:?} later; {writes} writes, {} store errors",
            one.stats().store_errors
        );
        let now = idle.look_up("sql:counters:data:0", std::slice::from_ref(&tag)).await;
        assert!(!matches!(now.map(|found| found.labels), Ok(labels) if labels == [Label::Standing(before)]), "a token of the old master");
        // It comes back as somebody's replica.
        match signal {
            "KILL" => sentinels.servers[0].restart(),
            "STOP" => sentinels.servers[0].resume(),
            _ => {}
        }
        while sentinels.servers[0].role() != "slave" {
            home.check(&other, &read("counters")).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        home.resumes(&other, &read("counters")).await;
        // Who was idle all the time finds out at once, or by the refusal of a server that is a replica now.
        let (fence, tags) = (id("a"), [tag]);
        let mut refused = 0;
        while let Err(error) = idle.begin(&tags, &fence, Duration::from_secs(30)).await {
            refused += 1;
            assert!(refused < 20, "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        idle.end(&tags, &fence).await.unwrap();
    }
}
