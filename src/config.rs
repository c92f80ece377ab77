//! Settings from the environment. A malformed value is an error that names the variable and the value, never a silent default.

mod environment;
mod memory;
mod redis;
#[cfg(feature = "axum")]
mod words;

#[cfg(feature = "axum")]
pub(crate) use self::words::Words;

pub use self::environment::Environment;

use crate::analysis::Category;
use crate::days::{Clock, system_clock};
use crate::engine::Without;
use crate::entry::Cipher;
use crate::error::Error;
use crate::kv;
use crate::policy::{Admission, Compression, Consistency, Invalidation, MemoryWatch, Policy, UnclearWrites, UnfencedWrites};
use crate::store::RedisConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Everything that can be set.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent settings, not states")]
pub(crate) struct Config {
    pub(crate) enabled: bool,
    pub(crate) redis: Option<RedisConfig>,
    pub(crate) namespace: String,
    /// How the keys of plain values begin.
    pub(crate) prefix: String,
    /// The most bytes of their keys.
    pub(crate) max_key: usize,
    pub(crate) policy: Policy,
    pub(crate) consistency: Consistency,
    pub(crate) invalidation: Invalidation,
    /// What becomes of a write without a fence.
    pub(crate) unfenced: UnfencedWrites,
    pub(crate) database_id: Option<String>,
    /// Bytes that the embedded store may hold.
    pub(crate) memory: u64,
    /// Whether the store's memory is watched, and how.
    pub(crate) memory_watch: Option<MemoryWatch>,
    /// What the store in use suggests, if not set.
    pub(crate) near: Option<u64>,
    /// How long a write's fence stands without renewal.
    pub(crate) lease: Duration,
    /// How long a lapsed fence stands where the database may not be asked about running transactions.
    pub(crate) fence_bound: Duration,
    /// Whether what the catalog knows of effects is used. Off only in tests that show what becomes of answers then.
    pub(crate) closure: bool,
    /// What a test leaves out of the protocol.
    pub(crate) without: Option<Without>,
    /// How often the schema's fingerprint is asked for; zero for never.
    pub(crate) refresh: Duration,
    /// Whether writers that use no executor are followed.
    pub(crate) external_writers: bool,
    /// The share of hits that are compared with the database, if not the usual one.
    pub(crate) freshness_probe: Option<f64>,
    /// Whether the loss of a fence is guarded against.
    pub(crate) fence_guard: bool,
    /// Whether what happens is counted by the day, in the store.
    pub(crate) daily_counters: bool,
    /// What metrics call it; the namespace, if not set.
    #[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "there are none"))]
    pub(crate) metrics_name: Option<String>,
    /// What time it is, by which days begin. A test has its own.
    pub(crate) clock: Clock,
    /// With what entries elsewhere are encrypted; the error where a setter's keys won't do.
    pub(crate) encryption: Option<Result<Cipher, &'static str>>,
}

/// Bytes of answers that are kept within reach, if nobody says otherwise.
const NEAR: u64 = 64 << 20;

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            redis: None,
            namespace: "sql".to_owned(),
            prefix: "kv".to_owned(),
            max_key: 250,
            policy: Policy::default(),
            consistency: Consistency::default(),
            invalidation: Invalidation::default(),
            unfenced: UnfencedWrites::default(),
            database_id: None,
            memory: 256 << 20,
            memory_watch: None,
            near: None,
            lease: Duration::from_secs(10),
            fence_bound: Duration::from_secs(3600),
            closure: true,
            without: None,
            refresh: Duration::from_secs(10),
            external_writers: false,
            freshness_probe: None,
            fence_guard: false,
            daily_counters: true,
            metrics_name: None,
            clock: system_clock(),
            encryption: None,
        }
    }
}

impl Config {
    /// With what entries elsewhere are encrypted, if at all.
    ///
    /// # Errors
    ///
    /// Keys that won't do.
    pub(crate) fn cipher(&self) -> Result<Option<Cipher>, Error> {
        self.encryption.clone().transpose().map_err(|reason| Error::secret_setting("encryption_keys", reason))
    }

    /// Bytes of answers to keep within reach.
    pub(crate) fn near_bytes(&self) -> u64 {
        let most = if self.redis.is_some() { u64::MAX } else { self.memory / 4 };
        self.near.unwrap_or(NEAR.min(most))
    }
}

/// Every variable that means something, for the README's table and the search for typing errors.
const KNOWN: &[&str] = &[
    "REDIS_ENABLED",
    "REDIS_URL",
    "REDIS_SOCKET_PATH",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_DB",
    "REDIS_CLUSTER_NODES",
    "REDIS_SENTINELS",
    "REDIS_SENTINEL_MASTER",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_TLS",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
    "REDIS_MAX_CONNECTIONS",
    "REDIS_SOCKET_TIMEOUT",
    "REDIS_SOCKET_CONNECT_TIMEOUT",
    "REDIS_DEFAULT_TTL",
    "CACHE_NEAR",
    "CACHE_NEAR_BYTES",
    "CACHE_NEAR_STALENESS",
    "CACHE_NAMESPACE",
    "CACHE_KEY_PREFIX",
    "CACHE_MAX_KEY_LENGTH",
    "CACHE_DEFAULT_TTL",
    "CACHE_TTL_DATA",
    "CACHE_TTL_SCHEMA",
    "CACHE_TTL_METADATA",
    "CACHE_TTL_COUNT",
    "CACHE_TTL_JITTER",
    "CACHE_STALE_WHILE_REVALIDATE",
    "CACHE_STALE_WHILE_REVALIDATE_DATA",
    "CACHE_STALE_WHILE_REVALIDATE_SCHEMA",
    "CACHE_STALE_WHILE_REVALIDATE_METADATA",
    "CACHE_STALE_WHILE_REVALIDATE_COUNT",
    "CACHE_EARLY_REFRESH",
    "CACHE_ADMISSION",
    "CACHE_MAX_ENTRY_BYTES",
    "CACHE_COMPRESSION_THRESHOLD",
    "CACHE_MEMORY_BYTES",
    "CACHE_MEMORY_WATCH",
    "CACHE_MEMORY_WATCH_INTERVAL",
    "CACHE_MEMORY_WATCH_LIMIT",
    "CACHE_MEMORY_WATCH_FACTOR",
    "CACHE_CONSISTENCY",
    "CACHE_INVALIDATION",
    "CACHE_DATABASE_ID",
    "CACHE_FENCE_LEASE",
    "CACHE_FENCE_BOUND",
    "CACHE_SCHEMA_REFRESH",
    "CACHE_EXTERNAL_WRITERS",
    "CACHE_UNCLEAR_WRITES",
    "CACHE_UNFENCED_WRITES",
    "CACHE_FENCE_GUARD",
    "CACHE_DAILY_COUNTERS",
    "CACHE_METRICS_NAME",
    "CACHE_FRESHNESS_PROBE",
    "CACHE_ENCRYPTION_KEY",
    "CACHE_DENY_TABLES",
    "CACHE_DENY_COLUMNS",
];

const TABLE_TTL: &str = "CACHE_TTL_TABLE_";

impl Config {
    /// The settings of the process's environment; a `.env` file in this folder or above fills in what the environment leaves open.
    ///
    /// # Errors
    ///
    /// A value, or a line of `.env`, that can't be read.
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::from_variables(&Self::variables()?)
    }

    /// What the environment says, or else `.env`.
    fn variables() -> Result<BTreeMap<String, String>, Error> {
        let mut variables = BTreeMap::new();
        match dotenvy::dotenv_iter() {
            Ok(lines) => {
                for line in lines {
                    // The error's own text would show the line, which may hold a password.
                    let (name, value) = line.map_err(|_| Error::secret_setting(".env", "it has a line that is not NAME=value"))?;
                    variables.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(Error::secret_setting(".env", format!("it can't be read: {error}"))),
        }
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().map(str::to_owned) else { continue };
            if !name.starts_with("REDIS_") && !name.starts_with("CACHE_") {
                continue;
            }
            let value = value.into_string().map_err(|_| Error::secret_setting(&name, "it is not valid UTF-8"))?;
            variables.insert(name, value);
        }
        Ok(variables)
    }

    /// The settings of these variables. An empty value counts as not set, as with most programs that read the environment.
    ///
    /// # Errors
    ///
    /// A value that can't be read.
    pub(crate) fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        let vars = Variables(variables);
        let defaults = Self::default();
        let mut policy = Policy {
            data: vars.duration("CACHE_TTL_DATA")?,
            schema: vars.duration("CACHE_TTL_SCHEMA")?,
            metadata: vars.duration("CACHE_TTL_METADATA")?,
            count: vars.duration("CACHE_TTL_COUNT")?,
            default: match vars.duration("CACHE_DEFAULT_TTL")? {
                Some(ttl) => Some(ttl),
                None => vars.duration("REDIS_DEFAULT_TTL")?,
            },
            ..Policy::default()
        };
        for name in variables.keys() {
            if let Some(table) = name.strip_prefix(TABLE_TTL).filter(|table| !table.is_empty()) {
                if let Some(ttl) = vars.duration(name)? {
                    policy.tables.insert(table.to_lowercase(), ttl);
                }
            } else if name.starts_with("CACHE_") && !KNOWN.contains(&name.as_str()) {
                // Someone's typing error, or another program's variable: say so, and go on.
                tracing::warn!(variable = %name, "sqlx-cached knows no such variable");
            }
        }
        policy.jitter = vars.part("CACHE_TTL_JITTER")?.unwrap_or(policy.jitter);
        if let Some(factor) = vars.get("CACHE_EARLY_REFRESH") {
            policy.early = factor
                .parse()
                .ok()
                .filter(|factor| is_factor(*factor))
                .ok_or_else(|| Error::setting("CACHE_EARLY_REFRESH", factor, "is not a number from 0 on"))?;
        }
        policy.stale.default = vars.interval("CACHE_STALE_WHILE_REVALIDATE")?.unwrap_or_default();
        for category in [Category::Data, Category::Schema, Category::Metadata, Category::Count] {
            let name = format!("CACHE_STALE_WHILE_REVALIDATE_{}", category.as_str().to_uppercase());
            if let Some(stale) = vars.interval(&name)? {
                policy.stale.categories.insert(category, stale);
            }
        }
        policy.unclear = vars.choice("CACHE_UNCLEAR_WRITES", &[("forget", UnclearWrites::Forget), ("ask", UnclearWrites::Ask)])?;
        let admissions = [("auto", Admission::Auto), ("always", Admission::Always), ("cost", Admission::Cost)];
        policy.admission = vars.choice("CACHE_ADMISSION", &admissions)?;
        let names = |name| vars.get(name).into_iter().flat_map(|names| names.split(','));
        policy.deny.deny_tables(names("CACHE_DENY_TABLES"));
        policy.deny.deny_columns(names("CACHE_DENY_COLUMNS"));
        policy.deny.check("CACHE_DENY_TABLES", "CACHE_DENY_COLUMNS")?;
        policy.max_entry = vars.number("CACHE_MAX_ENTRY_BYTES", 1..=usize::MAX)?.unwrap_or(policy.max_entry);
        policy.compression = match vars.get("CACHE_COMPRESSION_THRESHOLD") {
            None => policy.compression,
            Some(off) if off.eq_ignore_ascii_case("off") => Compression::Never,
            // 0 might be meant for either: never, or always.
            Some(bytes) => Compression::From(bytes.parse().ok().filter(|bytes| *bytes > 0).ok_or_else(|| {
                Error::setting("CACHE_COMPRESSION_THRESHOLD", bytes, "is neither off nor a whole number of bytes above 0")
            })?),
        };
        let namespace = match vars.get("CACHE_NAMESPACE") {
            Some(namespace) => self::namespace(namespace).map_err(|reason| Error::setting("CACHE_NAMESPACE", namespace, reason))?,
            None => defaults.namespace,
        };
        Ok(Self {
            enabled: vars.boolean("REDIS_ENABLED")?.unwrap_or(true),
            redis: vars.redis()?,
            prefix: match vars.get("CACHE_KEY_PREFIX") {
                Some(prefix) => kv::prefix(prefix, &namespace).map_err(|reason| Error::setting("CACHE_KEY_PREFIX", prefix, reason))?,
                None => defaults.prefix,
            },
            max_key: vars.number("CACHE_MAX_KEY_LENGTH", 1..=usize::MAX)?.unwrap_or(defaults.max_key),
            namespace,
            policy,
            consistency: vars.choice(
                "CACHE_CONSISTENCY",
                &[("fenced", Consistency::Fenced), ("after_commit", Consistency::AfterCommit), ("ttl", Consistency::Ttl)],
            )?,
            invalidation: vars.choice("CACHE_INVALIDATION", &[("generation", Invalidation::Generation), ("scan", Invalidation::Scan)])?,
            unfenced: vars.choice("CACHE_UNFENCED_WRITES", &[("proceed", UnfencedWrites::Proceed), ("refuse", UnfencedWrites::Refuse)])?,
            database_id: vars.get("CACHE_DATABASE_ID").map(str::to_owned),
            memory: vars.number("CACHE_MEMORY_BYTES", 1..=u64::MAX)?.unwrap_or(defaults.memory),
            memory_watch: vars.memory_watch()?,
            near: vars.near()?,
            lease: vars.duration("CACHE_FENCE_LEASE")?.unwrap_or(defaults.lease),
            fence_bound: vars.duration("CACHE_FENCE_BOUND")?.unwrap_or(defaults.fence_bound),
            closure: defaults.closure,
            without: None,
            refresh: vars.interval("CACHE_SCHEMA_REFRESH")?.unwrap_or(defaults.refresh),
            external_writers: vars.boolean("CACHE_EXTERNAL_WRITERS")?.unwrap_or(defaults.external_writers),
            freshness_probe: vars.part("CACHE_FRESHNESS_PROBE")?,
            fence_guard: vars.boolean("CACHE_FENCE_GUARD")?.unwrap_or(defaults.fence_guard),
            daily_counters: vars.boolean("CACHE_DAILY_COUNTERS")?.unwrap_or(defaults.daily_counters),
            metrics_name: vars.get("CACHE_METRICS_NAME").map(str::to_owned),
            clock: defaults.clock,
            encryption: match vars.get("CACHE_ENCRYPTION_KEY") {
                Some(keys) => Some(Ok(Cipher::parse(keys).map_err(|reason| Error::secret_setting("CACHE_ENCRYPTION_KEY", reason))?)),
                None => None,
            },
        })
    }
}

/// Checks a namespace: it is the first segment of every key, and its patterns must match nothing else.
pub(crate) fn namespace(namespace: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    match namespace {
        "" => Err("is empty"),
        _ if is_beside(namespace) => Err(BESIDE),
        _ if namespace.chars().all(plain) => Ok(namespace.to_owned()),
        _ => Err("has a character other than letters, digits and _ - . /"),
    }
}

/// Why what [`is_beside`] another namespace is refused.
pub(crate) const BESIDE: &str = "ends in -fence, -near or -days, where another namespace keeps its running writes and counters";

/// Whether keys that begin so lie among those beside a namespace's own. To clear them would take its running writes' fences along.
pub(crate) fn is_beside(name: &str) -> bool {
    ["-fence", "-near", "-days"].iter().any(|end| name.ends_with(end))
}

/// Whether a number will do as the eagerness of early refreshes.
pub(crate) fn is_factor(factor: f64) -> bool {
    factor.is_finite() && factor >= 0.0
}

struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Some(true)),
            "false" | "0" | "no" | "off" => Ok(Some(false)),
            _ => Err(Error::setting(name, value, "is neither true nor false")),
        }
    }

    fn near(&self) -> Result<Option<u64>, Error> {
        let bytes = self.number("CACHE_NEAR_BYTES", 1..=u64::MAX)?;
        Ok(if self.boolean("CACHE_NEAR")? == Some(false) { Some(0) } else { bytes })
    }

    fn number<N: std::str::FromStr + PartialOrd + fmt::Display>(&self, name: &str, range: RangeInclusive<N>) -> Result<Option<N>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| range.contains(number));
        number
            .map(Some)
            .ok_or_else(|| Error::setting(name, value, format!("is not a whole number from {} to {}", range.start(), range.end())))
    }

    /// A part of the whole.
    fn part(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let part = value.parse().ok().filter(|part| (0.0..=1.0).contains(part));
        part.map(Some).ok_or_else(|| Error::setting(name, value, "is not a number from 0 to 1"))
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let duration = duration(value).filter(|duration| !duration.is_zero());
        duration
            .map(Some)
            .ok_or_else(|| Error::setting(name, value, "is not a time above zero: seconds, or a number with ms, s, m, h or d"))
    }

    /// A time, or zero for never.
    fn interval(&self, name: &str) -> Result<Option<Duration>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        duration(value)
            .map(Some)
            .ok_or_else(|| Error::setting(name, value, "is neither 0 nor a time: seconds, or a number with ms, s, m, h or d"))
    }

    fn choice<T: Copy + Default>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, Error> {
        let Some(value) = self.get(name) else { return Ok(T::default()) };
        let chosen = choices.iter().find(|(text, _)| text.eq_ignore_ascii_case(value));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(text, _)| *text).collect();
            Error::setting(name, value, format!("is none of {}", names.join(", ")))
        })
    }
}

/// A time as people write it: `30`, `0.5` (seconds), `250ms`, `30s`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * scale).ok().filter(|duration| *duration <= Duration::from_secs(366 * 86400))
}

#[cfg(test)]
mod tests;
