//! Plain values. One command each, or a script where what is there decides.

use super::cluster::{is_between, slot};
use super::connection::Connection;
use super::scan::number;
use super::{CLAIM, EXPIRE, PEEK, Packet, Place, RedisStore, Request, Route, SETTLE_CLAIM, array, millis, set};
use crate::store::StoreError;
use crate::store::values::{Claim, Claimed, Operation, Outcome, Peeked, Purpose, Settled, StoreInfo, TimeLeft, VALUE_MAGIC, ValueStore};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use redis::{Cmd, Pipeline, Value};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// How many keys or values one request carries at most, so that the server does something else in between.
const AT_ONCE: usize = 500;

impl RedisStore {
    /// A connection of the caller's own to the server that has this key: for whatever Redis can do besides. It is made now, and not made again when it breaks; keep it, its
    /// clones share it. Nothing limits how long an answer may take.
    ///
    /// # Errors
    ///
    /// No connection within the time that one may take.
    pub async fn connection(&self, key: &str) -> Result<redis::aio::MultiplexedConnection, StoreError> {
        match &self.route {
            Route::One(pool) => pool.own().await,
            Route::Cluster(cluster) => {
                let topology = cluster.topology_within(self.timeout).await?;
                match topology.owner(slot(key.as_bytes())) {
                    Some(node) => node.pool.own().await,
                    None => Err(StoreError::Protocol("no server of the cluster has this key's slot".into())),
                }
            }
        }
    }

    /// The places of these keys by the servers that must be asked for them, a limited number at once.
    fn places<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Vec<Vec<usize>> {
        let mut slots = BTreeMap::<u16, Vec<usize>>::new();
        for (index, key) in keys.enumerate() {
            slots.entry(if self.is_cluster() { slot(key.as_bytes()) } else { 0 }).or_default().push(index);
        }
        slots.into_values().flat_map(|places| places.chunks(AT_ONCE).map(<[usize]>::to_vec).collect::<Vec<_>>()).collect()
    }

    /// Some of them at a time: requests that wait for each other on one connection would run out of their time.
    fn waves(mut places: &[Vec<usize>]) -> Vec<&[Vec<usize>]> {
        let mut waves = Vec::new();
        while !places.is_empty() {
            let mut under_way = 0;
            let wave = places.iter().take_while(|places| {
                let fits = under_way < 4 * AT_ONCE;
                under_way += places.len();
                fits
            });
            let (wave, later) = places.split_at(wave.count());
            waves.push(wave);
            places = later;
        }
        waves
    }

    async fn values_of(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let get = |command: &mut Cmd| _ = command.arg(keys);
        match self.ask(&Request::command("MGET", Place::Key(keys[0].as_bytes()), &get)).await {
            Ok((answer, _)) => {
                let values: Vec<_> = array(answer)?.map(text).collect();
                if values.len() == keys.len() { Ok(values) } else { Err(StoreError::Protocol("MGET: not as many values as keys".into())) }
            }
            // The slot is moving, and its keys are in two places.
            Err(error) if keys.len() > 1 && is_between(&error) => {
                let mut values = Vec::with_capacity(keys.len());
                for key in keys {
                    let get = |command: &mut Cmd| _ = command.arg(key);
                    let (answer, _) = self.ask(&Request::command("MGET", Place::Key(key.as_bytes()), &get)).await?;
                    values.push(array(answer)?.next().and_then(text));
                }
                Ok(values)
            }
            Err(error) => Err(error),
        }
    }

    async fn set_some(&self, values: &[&(String, Bytes)], ttl: Option<Duration>) -> Result<(), StoreError> {
        let place = Place::Key(values[0].0.as_bytes());
        let build = |values: &[&(String, Bytes)]| {
            let mut pipeline = redis::pipe();
            for (key, value) in values {
                pipeline.add_command(set(key, value, ttl));
            }
            Packet::Pipeline(pipeline)
        };
        if values.len() > 1 {
            match self.ask(&Request::new("SET", place, |_| build(values))).await {
                Err(error) if is_between(&error) => {}
                answer => return answer.map(drop),
            }
        }
        for (key, value) in values {
            self.ask(&Request::new("SET", Place::Key(key.as_bytes()), |_| Packet::Command(set(key, value, ttl)))).await?;
        }
        Ok(())
    }

    async fn names_at(&self, at: Place<'_>, pattern: &str, most: usize, names: &mut HashSet<String>) -> Result<(), StoreError> {
        let mut cursor = 0;
        while names.len() < most {
            let (next, keys) = self.step(at, pattern, cursor).await?;
            // What is not UTF-8 is none of ours.
            names.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).take(most - names.len()));
            if next == 0 {
                break;
            }
            cursor = next;
        }
        Ok(())
    }

    async fn info_at(&self, at: Place<'_>) -> Result<StoreInfo, StoreError> {
        let build = |_: &Connection| {
            let mut pipeline = redis::pipe();
            pipeline.cmd("INFO").cmd("DBSIZE");
            Packet::Pipeline(pipeline)
        };
        let (answer, _) = self.ask(&Request::new("INFO", at, build)).await?;
        let (text, keys): (String, u64) =
            redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("INFO: {error}")))?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let number = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        let version = |name: &str, server: &str| field(name).map(|version| format!("{server} {version}"));
        Ok(StoreInfo {
            server: version("valkey_version", "Valkey").or_else(|| version("redis_version", "Redis")),
            used_memory: number("used_memory"),
            max_memory: Some(number("maxmemory")).filter(|limit| *limit > 0),
            keys,
            connected_clients: number("connected_clients"),
            commands_processed: number("total_commands_processed"),
            keyspace_hits: number("keyspace_hits"),
            keyspace_misses: number("keyspace_misses"),
            evicted_keys: number("evicted_keys"),
            expired_keys: number("expired_keys"),
        })
    }
}

#[async_trait]
impl ValueStore for RedisStore {
    async fn values(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut values = vec![None; keys.len()];
        let places = self.places(keys.iter().map(String::as_str));
        for wave in Self::waves(&places) {
            let asked = wave.iter().map(|places| async {
                let keys: Vec<&str> = places.iter().map(|place| keys[*place].as_str()).collect();
                self.values_of(&keys).await
            });
            for (places, found) in wave.iter().zip(try_join_all(asked).await?) {
                for (place, value) in places.iter().zip(found) {
                    values[*place] = value;
                }
            }
        }
        Ok(values)
    }

    async fn set_values(&self, values: &[(String, Bytes)], ttl: Option<Duration>) -> Result<u64, StoreError> {
        let places = self.places(values.iter().map(|(key, _)| key.as_str()));
        for wave in Self::waves(&places) {
            try_join_all(wave.iter().map(|places| async {
                let values: Vec<_> = places.iter().map(|place| &values[*place]).collect();
                self.set_some(&values, ttl).await
            }))
            .await?;
        }
        Ok(values.len() as u64)
    }

    async fn delete_values(&self, keys: &[String]) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for chunk in keys.chunks(AT_ONCE) {
            for keys in self.by_slot(chunk.iter().map(|key| key.clone().into_bytes()).collect()) {
                deleted += self.unlink(&keys).await?;
            }
        }
        Ok(deleted)
    }

    async fn peek(&self, key: &str) -> Result<Option<Peeked>, StoreError> {
        let (answer, _) = self.ask(&Request::script(&PEEK, &[key], &|_, _| {})).await?;
        let mut words = array(answer)?;
        match (words.next(), words.next()) {
            (None, _) => Ok(None),
            (Some(head), Some(Value::Int(left))) => {
                let left = u64::try_from(left).map_or(TimeLeft::Endless, |left| TimeLeft::Left(Duration::from_millis(left)));
                Ok(Some(Peeked { head: text(head).unwrap_or_default(), left }))
            }
            _ => Err(StoreError::Protocol("peek.lua: an unknown answer".into())),
        }
    }

    async fn expire(&self, key: &str, ttl: Option<Duration>) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| _ = command.arg(ttl.map_or(0, millis)).arg(VALUE_MAGIC);
        let (answer, _) = self.ask(&Request::script(&EXPIRE, &[key], &arguments)).await?;
        Ok(number(answer)? == 1)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, StoreError> {
        let build = |_: &Connection| {
            let mut pipeline = redis::pipe();
            // A transaction only where there are two steps: not every user may begin one.
            if ttl.is_some() {
                pipeline.atomic();
            }
            increment(&mut pipeline, key, by, ttl);
            Packet::Pipeline(pipeline)
        };
        // Sent twice it would count twice.
        let (answer, _) = self.ask(&Request::new("INCRBY", Place::Key(key.as_bytes()), build).once()).await?;
        match array(answer)?.next() {
            Some(Value::Int(sum)) => Ok(sum),
            _ => Err(StoreError::Protocol("INCRBY: no number".into())),
        }
    }

    async fn batch(&self, operations: &[Operation]) -> Result<Vec<Outcome>, StoreError> {
        let Some(first) = operations.first() else { return Ok(Vec::new()) };
        if self.places(operations.iter().map(Operation::key)).len() > 1 && self.is_cluster() {
            return Err(StoreError::Refused("a batch in a cluster must be about one slot's keys: give them the same {...} part".into()));
        }
        let build = |_: &Connection| {
            let mut pipeline = redis::pipe();
            pipeline.atomic();
            for operation in operations {
                match operation {
                    Operation::Get(key) => _ = pipeline.cmd("GET").arg(key),
                    Operation::Set(key, value, ttl) => _ = pipeline.add_command(set(key, value, *ttl)),
                    Operation::Delete(key) => _ = pipeline.cmd("UNLINK").arg(key),
                    Operation::Expire(key, ttl) => expire(&mut pipeline, key, *ttl),
                    Operation::Increment(key, by, ttl) => increment(&mut pipeline, key, *by, *ttl),
                }
            }
            Packet::Pipeline(pipeline)
        };
        let request = Request::new("MULTI", Place::Key(first.key().as_bytes()), build).once();
        let answers = array(self.ask(&request).await?.0)?;
        if answers.len() != operations.len() {
            return Err(StoreError::Protocol("EXEC: not as many answers as steps".into()));
        }
        let outcome = |(operation, answer): (&Operation, Value)| match (operation, answer) {
            (Operation::Get(_), value) => Ok(Outcome::Value(text(value))),
            (Operation::Increment(..), Value::Int(sum)) => Ok(Outcome::Number(sum)),
            (Operation::Set(..), Value::Okay) => Ok(Outcome::Done(true)),
            (Operation::Delete(_) | Operation::Expire(..), Value::Int(done)) => Ok(Outcome::Done(done > 0)),
            (operation, answer) => Err(StoreError::Protocol(format!("EXEC: {answer:?} is no answer to {operation:?}"))),
        };
        operations.iter().zip(answers).map(outcome).collect()
    }

    async fn claim(&self, key: &str, claim: &Claim, time: Duration) -> Result<Claimed, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| {
            let (purpose, except) = match &claim.purpose {
                Purpose::Fill { except } => ("fill", except.as_ref().map_or(&[][..], |except| &except[..])),
                Purpose::Write => ("write", &[][..]),
            };
            command.arg(purpose).arg(&claim.id).arg(millis(time)).arg(except).arg(VALUE_MAGIC);
        };
        let (answer, _) = self.ask(&Request::script(&CLAIM, &[key], &arguments)).await?;
        let mut words = array(answer)?;
        match (words.next().and_then(text).as_deref(), words.next().and_then(text)) {
            (Some(b"claimed"), None) => Ok(Claimed::Yes),
            (Some(b"there"), Some(value)) => Ok(Claimed::There(value)),
            _ => Err(StoreError::Protocol("claim.lua: an unknown answer".into())),
        }
    }

    async fn settle_claim(&self, key: &str, claim: &Claim, settled: &Settled) -> Result<bool, StoreError> {
        let arguments = |command: &mut Cmd, _: &Connection| {
            command.arg(if claim.purpose == Purpose::Write { "write" } else { "fill" }).arg(&claim.id);
            match settled {
                Settled::Renewed(time) => command.arg("renewed").arg(millis(*time)).arg(VALUE_MAGIC),
                Settled::Value(value, ttl) => command.arg("value").arg(ttl.map_or(0, millis)).arg(VALUE_MAGIC).arg(&value[..]),
                Settled::Nothing => command.arg("nothing").arg(0).arg(VALUE_MAGIC),
            };
        };
        let (answer, _) = self.ask(&Request::script(&SETTLE_CLAIM, &[key], &arguments)).await?;
        Ok(number(answer)? == 1)
    }

    async fn names(&self, pattern: &str, most: usize) -> Result<Vec<String>, StoreError> {
        let mut names = HashSet::new();
        match &self.route {
            Route::One(_) => self.names_at(Place::Key(b""), pattern, most, &mut names).await?,
            Route::Cluster(cluster) => {
                for node in cluster.topology_within(self.timeout).await?.nodes() {
                    self.names_at(Place::Node(node), pattern, most, &mut names).await?;
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    async fn delete_names(&self, pattern: &str) -> Result<u64, StoreError> {
        self.unlink_names(pattern).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        let Route::Cluster(cluster) = &self.route else {
            return self.info_at(Place::Key(b"")).await;
        };
        let mut sum = StoreInfo::default();
        for node in cluster.topology_within(self.timeout).await?.nodes() {
            let info = self.info_at(Place::Node(node)).await?;
            sum = StoreInfo {
                server: info.server,
                used_memory: sum.used_memory + info.used_memory,
                // Without a limit on one of them there is none on all.
                max_memory: if sum.keys == 0 && sum.server.is_none() {
                    info.max_memory
                } else {
                    sum.max_memory.zip(info.max_memory).map(|(a, b)| a + b)
                },
                keys: sum.keys + info.keys,
                connected_clients: sum.connected_clients + info.connected_clients,
                commands_processed: sum.commands_processed + info.commands_processed,
                keyspace_hits: sum.keyspace_hits + info.keyspace_hits,
                keyspace_misses: sum.keyspace_misses + info.keyspace_misses,
                evicted_keys: sum.evicted_keys + info.evicted_keys,
                expired_keys: sum.expired_keys + info.expired_keys,
            };
        }
        Ok(sum)
    }

    fn redis(&self) -> Option<&RedisStore> {
        Some(self)
    }
}

/// A string's bytes.
fn text(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}

/// PERSIST answers 0 where there was no end to take away; whether there is such a key, EXISTS says.
fn expire(pipeline: &mut Pipeline, key: &str, ttl: Option<Duration>) {
    match ttl {
        Some(ttl) => _ = pipeline.cmd("PEXPIRE").arg(key).arg(millis(ttl)),
        None => _ = pipeline.cmd("PERSIST").arg(key).ignore().cmd("EXISTS").arg(key),
    }
}

fn increment(pipeline: &mut Pipeline, key: &str, by: i64, ttl: Option<Duration>) {
    if let Some(ttl) = ttl {
        pipeline.cmd("SET").arg(key).arg(0).arg("PX").arg(millis(ttl)).arg("NX").ignore();
    }
    pipeline.cmd("INCRBY").arg(key).arg(by);
}
