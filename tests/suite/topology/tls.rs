//! TLS, with a private authority.

use super::kit::{executor_with, home, names, read, store_with};
use crate::store_contract::{contract, contract_of_many, redis_store_at};
use crate::support::Redis;
use crate::support::certificates::Certificates;
use crate::support::log::Log;
use crate::support::redis_cluster::RedisCluster;
use sqlx_cached::store::{CacheStore, RedisAddress, RedisConfig, RedisTls};
use tracing::Level;

fn server(certificates: &Certificates, clients_show_one: bool) -> (Redis, u16) {
    let redis = Redis::configured().tls(certificates, clients_show_one).start();
    let port = redis.port();
    (redis, port)
}

fn trusting(certificates: &Certificates) -> impl Fn(&mut RedisConfig) {
    let ca = certificates.ca();
    move |config| {
        let mut tls = RedisTls::default();
        tls.ca = Some(ca.clone());
        config.tls = Some(tls);
    }
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_keeps_the_contract() {
    let certificates = Certificates::make();
    let (_redis, port) = server(&certificates, false);
    let trusting = trusting(&certificates);
    contract(&redis_store_at(RedisAddress::Host("localhost".into(), port), &trusting)).await;
    contract(&redis_store_at(RedisAddress::Url(format!("rediss://127.0.0.1:{port}")), &trusting)).await;
    let near = |config: &mut RedisConfig| {
        trusting(config);
        config.near = true;
    };
    contract(&redis_store_at(RedisAddress::Host("127.0.0.1".into(), port), near)).await;
}

#[tokio::test]
async fn a_server_that_is_not_to_be_trusted_is_refused() {
    let (ours, theirs) = (Certificates::make(), Certificates::make());
    let (_redis, port) = server(&theirs, false);
    let home = home().await;
    for (trusted, address) in [
        ("another authority", RedisAddress::Host("127.0.0.1".into(), port)),
        ("the system's", RedisAddress::Url(format!("rediss://127.0.0.1:{port}"))),
    ] {
        let (log, _guard) = Log::start(Level::INFO);
        let db = executor_with(&home, address, |config| {
            if trusted == "another authority" {
                trusting(&ours)(config);
            }
        })
        .await;
        home.check(&db, &read("counters")).await;
        assert_eq!(db.stats().hits, 0);
        assert!(log.text().contains("certificate"), "{trusted}: {}", log.text());
        println!("{}", log.text().lines().find(|line| line.contains("certificate")).unwrap());
    }
    // The right authority, another server's certificate.
    let elsewhere = Certificates::of(&["elsewhere", "10.0.0.1"]);
    let (_redis, port) = server(&elsewhere, false);
    let error = redis_store_at(RedisAddress::Host("127.0.0.1".into(), port), trusting(&elsewhere)).ping().await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    // Without TLS there is nobody to talk to.
    assert!(redis_store_at(RedisAddress::Host("127.0.0.1".into(), port), |_| ()).ping().await.is_err());
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let certificates = Certificates::make();
    let (_redis, port) = server(&certificates, true);
    let address = || RedisAddress::Host("127.0.0.1".into(), port);
    let without = redis_store_at(address(), trusting(&certificates));
    assert!(without.ping().await.is_err());
    let (certificate, key) = certificates.client();
    let with = redis_store_at(address(), |config| {
        trusting(&certificates)(config);
        let tls = config.tls.as_mut().unwrap();
        (tls.certificate, tls.key) = (Some(certificate), Some(key));
    });
    contract(&with).await;
}

#[tokio::test]
async fn a_cluster_speaks_it_everywhere() {
    let certificates = Certificates::make();
    let cluster = RedisCluster::configured(|server| server.tls(&certificates, false)).await;
    contract_of_many(&store_with(&cluster, trusting(&certificates)), &names()).await;
}
