//! What the environment says, and what it can't say.

use super::*;
use crate::store::RedisAddress;

pub(super) fn read(variables: &[(&str, &str)]) -> Result<Config, Error> {
    Config::from_variables(&variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn an_empty_environment_is_the_embedded_store() {
    let config = read(&[("REDIS_URL", ""), ("REDIS_HOST", "  ")]).unwrap();
    assert!(config.enabled && config.redis.is_none());
    assert_eq!(config.namespace, "sql");
    assert_eq!(config.consistency, Consistency::Fenced);
}

#[test]
fn malformed_values_name_the_variable_and_the_value() {
    for (name, value) in [
        ("REDIS_ENABLED", "maybe"),
        ("REDIS_PORT", "70000"),
        ("REDIS_DB", "-1"),
        ("REDIS_MAX_CONNECTIONS", "0"),
        ("REDIS_SOCKET_TIMEOUT", "soon"),
        ("CACHE_NAMESPACE", "a:b"),
        ("CACHE_NAMESPACE", "sql-fence"),
        ("CACHE_TTL_DATA", "5 parsecs"),
        ("CACHE_TTL_DATA", "0"),
        ("CACHE_TTL_DATA", "-5"),
        ("CACHE_TTL_DATA", "NaN"),
        ("CACHE_TTL_TABLE_USERS", "x"),
        ("CACHE_TTL_JITTER", "2"),
        ("CACHE_DEFAULT_TTL", "1e99"),
        ("CACHE_STALE_WHILE_REVALIDATE", "long"),
        ("CACHE_STALE_WHILE_REVALIDATE_COUNT", "-1"),
        ("CACHE_EARLY_REFRESH", "-0.5"),
        ("CACHE_EARLY_REFRESH", "inf"),
        ("REDIS_DEFAULT_TTL", "?"),
        ("CACHE_MAX_ENTRY_BYTES", "1MB"),
        ("CACHE_COMPRESSION_THRESHOLD", "1KB"),
        ("CACHE_COMPRESSION_THRESHOLD", "0"),
        ("CACHE_CONSISTENCY", "strict"),
        ("CACHE_INVALIDATION", "never"),
        ("CACHE_ADMISSION", "free"),
        ("CACHE_SCHEMA_REFRESH", "never"),
        ("CACHE_EXTERNAL_WRITERS", "some"),
        ("CACHE_UNFENCED_WRITES", "maybe"),
        ("CACHE_FENCE_GUARD", "perhaps"),
        ("CACHE_DAILY_COUNTERS", "weekly"),
        ("CACHE_MEMORY_WATCH", "90,80"),
        ("CACHE_NEAR", "far"),
        ("CACHE_NEAR_BYTES", "0"),
        ("CACHE_NEAR_STALENESS", "0"),
        ("CACHE_FRESHNESS_PROBE", "1%"),
        ("CACHE_FRESHNESS_PROBE", "1.5"),
        ("CACHE_FRESHNESS_PROBE", "NaN"),
        ("CACHE_DENY_TABLES", "app."),
        ("CACHE_DENY_COLUMNS", "users..x"),
    ] {
        let mut variables = vec![(name, value)];
        if name.starts_with("REDIS_") || name.starts_with("CACHE_NEAR") {
            variables.push(("REDIS_HOST", "localhost"));
        }
        let error = read(&variables).map(|_| ()).expect_err(name);
        assert!(error.is_setting());
        assert!(error.to_string().contains(name) && error.to_string().contains(value), "{error}");
    }
    assert!(read(&[("REDIS_URL", "redis://localhost"), ("REDIS_SOCKET_PATH", "/run/redis.sock")]).is_err());
}

#[test]
fn values_are_read_as_people_write_them() {
    let config = read(&[
        ("REDIS_HOST", "cache"),
        ("REDIS_PORT", "6380"),
        ("REDIS_SOCKET_TIMEOUT", "0.05"),
        ("CACHE_TTL_DATA", "90s"),
        ("CACHE_TTL_TABLE_USERS", "2m"),
        ("REDIS_DEFAULT_TTL", "45"),
        ("CACHE_CONSISTENCY", "AFTER_COMMIT"),
        ("CACHE_STALE_WHILE_REVALIDATE", "5"),
        ("CACHE_STALE_WHILE_REVALIDATE_COUNT", "0"),
        ("CACHE_EARLY_REFRESH", "2.5"),
    ])
    .unwrap();
    let redis = config.redis.unwrap();
    assert!(redis.address == RedisAddress::Host("cache".into(), 6380));
    assert_eq!(redis.timeout, Duration::from_millis(50));
    assert_eq!(config.policy.data, Some(Duration::from_secs(90)));
    assert_eq!(config.policy.tables["users"], Duration::from_secs(120));
    assert_eq!(config.policy.default, Some(Duration::from_secs(45)));
    let stale = &config.policy.stale;
    assert!(stale.default == Duration::from_secs(5) && stale.categories == [(Category::Count, Duration::ZERO)].into());
    assert!((config.policy.early - 2.5).abs() < f64::EPSILON);
    assert_eq!(config.consistency, Consistency::AfterCommit);
    assert_eq!(config.refresh, Duration::from_secs(10));
    let threshold = |value| read(&[("CACHE_COMPRESSION_THRESHOLD", value)]).unwrap().policy.compression;
    assert_eq!(
        ["", "Off", "1", "65536"].map(threshold),
        [Compression::Usual, Compression::Never, Compression::From(1), Compression::From(65536)]
    );
    assert_eq!(config.policy.admission, Admission::Auto);
    assert_eq!(read(&[("CACHE_ADMISSION", "Always")]).unwrap().policy.admission, Admission::Always);
    assert!(!config.external_writers && read(&[("CACHE_EXTERNAL_WRITERS", "on")]).unwrap().external_writers);
    assert_eq!(read(&[("CACHE_UNFENCED_WRITES", "Refuse")]).unwrap().unfenced, UnfencedWrites::Refuse);
    assert!(!config.fence_guard && read(&[("CACHE_FENCE_GUARD", "on")]).unwrap().fence_guard);
    let share = |value| read(&[("CACHE_FRESHNESS_PROBE", value)]).unwrap().freshness_probe;
    assert_eq!(["", "0", "0.01", "1e-6", "1"].map(share), [None, Some(0.0), Some(0.01), Some(1e-6), Some(1.0)]);
    let deny =
        read(&[("CACHE_DENY_TABLES", "Secrets, app.keys"), ("CACHE_DENY_COLUMNS", "users.Password_Hash,api_key")]).unwrap().policy.deny;
    assert_eq!(deny.tables, ["secrets", "app.keys"]);
    assert_eq!(deny.columns().collect::<Vec<_>>(), [(Some("users"), "password_hash"), (None, "api_key")]);
    assert!(read(&[]).unwrap().cipher().unwrap().is_none());
    assert_eq!(read(&[("CACHE_SCHEMA_REFRESH", "0")]).unwrap().refresh, Duration::ZERO);
    assert_eq!(read(&[("CACHE_SCHEMA_REFRESH", "1m")]).unwrap().refresh, Duration::from_secs(60));
}
