//! Values that are loaded where there are none: [`Cache::get_or_set`] and its kin.
//!
//! Who misses claims the key, then asks for the value, then stores it if the claim still stands. So whatever ends the value meanwhile, a deletion by name, by pattern or by hand,
//! ends the claim as well, and what was read before is not stored after. Whoever finds a claim joins the flight of its holder in this process, or waits for the value
//! from another. He who finds a claim came after it and before it ended, so what its holder reads is as good for him as what he would have read himself; where tables matter too, both must have seen the same
//! generations (see `engine/flight.rs`). A claim tells by its name which ones its holder saw before he claimed: whoever saw others would be given nothing by him, and takes the claim over.

use super::frame::{Form, Written};
use super::holding::{Holding, LEASE, MARK, mark};
use super::look::Looked;
use super::{Cache, Depends, read};
use crate::engine::{Boarded, Engine, Flight, Landing, is_within, loading};
use crate::policy::Pressure;
use crate::store::values::{FILLING, VALUE_MAGIC};
use crate::store::{Claim, Claimed, Peeked, Purpose, TimeLeft};
use crate::tag::Generation;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often another process's claim is looked at, in ms.
const PAUSE: Range<u64> = 10..40;

/// How long somebody waits for another process before he loads for himself.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long somebody waits for a load of this process. Loads that wait for each other, each asking for what the other one loads, would never end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What became of joining another one's load.
enum Joined<T> {
    Value(T),
    /// Look again.
    Again,
    /// Nobody loads what the caller could be given: what stands there was begun under other generations, and will be stored dead.
    Free {
        except: Option<[u8; 16]>,
    },
    /// Load, and store nothing.
    Alone,
}

/// Somebody else was faster.
struct Taken;

impl Cache {
    /// The value at a key, or what `load` gives, which is then stored for this clone's time to live. Those who miss at the same time share one load, in this process and in others. An
    /// error is returned to its own caller, and never stored.
    ///
    /// What goes wrong in the cache is no error here: then `load` is asked. So it is by those who have waited for another process's load for five seconds, or for one of their own process for
    /// half a minute; what they load is not stored. A process that dies leaves its claim for ten seconds.
    ///
    /// What `load` reads through an executor is no near hit, which may be behind, but asks the store: what is deleted after a write is not loaded again from before it. (That holds for the task that loads, not for
    /// those that it spawns.) What it reads inside a transaction others would be given though it may yet be rolled back: don't. A load that asks for the very key that it loads is answered by
    /// its own inner load.
    ///
    /// # Cancel safety
    ///
    /// A load that is dropped is given up; those who waited for it load for themselves.
    pub async fn get_or_set<T, E, F, Fut>(&self, key: &str, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.load(key, None, load, |_| Keep::Any(self.ttl().into())).await
    }

    /// The same for a value that may not be there. That there is none is remembered only by a clone that [`negative`](Self::negative) says so of, and for that time.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_set`](Self::get_or_set).
    pub async fn get_or_set_optional<T, E, F, Fut>(&self, key: &str, load: F) -> Result<Option<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<T>, E>>,
    {
        self.load(key, None, load, |value| self.keep_optional(value.is_some())).await
    }

    /// Loads a value whatever is stored, and stores it: what was deleted or overwritten meanwhile by somebody else's hand is not overwritten again.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_set`](Self::get_or_set); the old value may be gone.
    pub async fn refresh<T, E, F, Fut>(&self, key: &str, load: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.drop_before_load(key).await;
        self.get_or_set(key, load).await
    }

    pub(super) fn keep_optional(&self, is_there: bool) -> Keep {
        if is_there { Keep::There(self.ttl().into()) } else { Keep::None(self.how.negative.map(TimeLeft::Left)) }
    }

    pub(super) async fn drop_before_load(&self, key: &str) {
        if let Ok(name) = self.names.of(key) {
            self.delete_names(vec![name]).await;
        }
    }

    /// `keep` says whether a value is to be stored, and for how long.
    pub(super) async fn load<T, E, F, Fut>(&self, key: &str, depends: Option<&Depends>, load: F, keep: impl Fn(&T) -> Keep) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.look_or_claim(key, depends).await {
            Ok(Found::Value(value)) => Ok(value),
            Ok(Found::Claim(holding, flight, generations)) => {
                self.inner.state.counts.miss(&holding.name);
                self.lead(key, holding, flight, depends.zip(generations.as_deref()), load, keep).await
            }
            Ok(Found::Alone) => {
                self.inner.state.counts.miss(&self.names.of(key).unwrap_or_default());
                load().await
            }
            Err(error) => {
                tracing::error!(%error, "a value is not cached");
                load().await
            }
        }
    }

    async fn look_or_claim<T: DeserializeOwned>(&self, key: &str, depends: Option<&Depends>) -> Result<Found<T>, crate::error::Error> {
        let name = self.names.of(key)?;
        if self.inner.engine.is_none() {
            return Ok(Found::Alone);
        }
        let counts = &self.inner.state.counts;
        let since = Instant::now();
        while !self.inner.state.kept.covers(&self.inner, &name) {
            if since.elapsed() >= PATIENCE {
                self.end_endless_claim(&name).await;
                break;
            }
            let joined = match self.look(&name, depends).await {
                Looked::Failed => return Ok(Found::Alone),
                Looked::Value(value) => match self.inner.read(&name, &value) {
                    Some(value) => {
                        counts.hit(&name);
                        return Ok(Found::Value(value));
                    }
                    None => {
                        // Of another type: whoever asks for it in this way says what belongs here.
                        self.delete_names(vec![name.clone()]).await;
                        Joined::Again
                    }
                },
                Looked::Claimed { kind, id, generations } => self.join(&name, kind, id, &generations, depends).await,
                Looked::Nothing { except } => Joined::Free { except },
            };
            match joined {
                Joined::Value(value) => {
                    counts.join();
                    return Ok(Found::Value(value));
                }
                Joined::Alone => return Ok(Found::Alone),
                Joined::Again => {}
                Joined::Free { except } => match self.claim(&name, except, depends).await {
                    Some(Ok(found)) => return Ok(found),
                    Some(Err(Taken)) => {}
                    None => return Ok(Found::Alone),
                },
            }
        }
        Ok(Found::Alone)
    }

    /// A claim may have been given another time to live, as a value is, just before its holder died; everybody would wait for it.
    async fn end_endless_claim(&self, name: &str) {
        let Some((_, store)) = self.inner.plain() else { return };
        let is_endless = |peeked: &Peeked| match peeked.left {
            TimeLeft::Endless => true,
            TimeLeft::Left(left) => left > LEASE,
        };
        let peeked = self.inner.tolerate("peek", store.peek(name).await).flatten();
        if peeked.is_some_and(|peeked| peeked.head[..] == [&VALUE_MAGIC[..], &[FILLING, 0, 0, 0]].concat()[..] && is_endless(&peeked)) {
            self.delete_names(vec![name.to_owned()]).await;
        }
    }

    /// Claims a key to load what belongs there; nothing where that can't be stored. The tables' generations are looked at first, so that the claim can tell them.
    async fn claim<T>(&self, name: &str, except: Option<[u8; 16]>, depends: Option<&Depends>) -> Option<Result<Found<T>, Taken>> {
        let (engine, store) = self.inner.plain()?;
        let generations = match depends {
            None => None,
            Some(depends) => Some(self.observe(engine, depends).await?),
        };
        let mut claim = Claim::fresh(Purpose::Fill { except });
        if let Some(generations) = &generations {
            claim.id[MARK].copy_from_slice(&mark(generations));
        }
        // From here on: whose answer is lost, or not waited for, may stand all the same.
        let mut holding = Holding { engine: Arc::clone(engine), name: name.to_owned(), claim, settled: false };
        let claimed = store.claim(name, &claim, LEASE).await;
        if let Claimed::There(_) = self.inner.tolerate("claim", claimed)? {
            holding.settled = true;
            return Some(Err(Taken));
        }
        match engine.board_claimed(name, claim.id, generations.as_deref().unwrap_or_default()) {
            Boarded::Leads(flight) => Some(Ok(Found::Claim(holding, flight, generations))),
            Boarded::Follows(_) => None,
        }
    }

    /// The generations of what a value depends on, if it may be stored under them.
    pub(super) async fn observe(&self, engine: &Arc<Engine>, depends: &Depends) -> Option<Vec<Generation>> {
        let generations = match engine.observe(&depends.tags).await {
            Ok(generations) => generations,
            Err(reason) => {
                tracing::debug!(%reason, "a value is not stored");
                return None;
            }
        };
        match depends.understood {
            Some(understood) if generations.last().copied() != understood.epoch => {
                // Somebody changed the schema: what the names stand for must be learnt anew.
                self.inner.tables.learn_anew(understood.version).await;
                None
            }
            _ => Some(generations),
        }
    }

    /// What can be had again is kept for shorter, or not at all, where the store's memory is nearly full.
    fn time_to_keep(&self, engine: &Engine, ttl: TimeLeft) -> Option<TimeLeft> {
        let kept = match ttl {
            TimeLeft::Left(ttl) => engine.time_to_keep(ttl).map(TimeLeft::Left),
            TimeLeft::Endless => (engine.pressure() != Pressure::Full).then_some(ttl),
        };
        if kept.is_none() {
            self.inner.state.counts.not_store();
        }
        kept
    }

    /// Joins whoever loads under this claim.
    async fn join<T: DeserializeOwned>(
        &self,
        name: &str,
        kind: u8,
        id: [u8; 16],
        seen: &[Generation],
        depends: Option<&Depends>,
    ) -> Joined<T> {
        // A writer stores what he wrote when he is done; until then nothing is known.
        let Some((engine, _)) = self.inner.plain().filter(|_| kind == FILLING) else { return Joined::Alone };
        if is_within(id) {
            // A load that asks for what it is loading.
            return Joined::Alone;
        }
        let observed;
        let generations = match depends {
            Some(depends) if seen.len() != depends.tags.len() => match self.observe(engine, depends).await {
                Some(generations) => {
                    observed = generations;
                    &observed[..]
                }
                None => return Joined::Alone,
            },
            _ => seen,
        };
        if depends.is_some() && id[MARK] != mark(generations) {
            return Joined::Free { except: Some(id) };
        }
        let Some(mut following) = engine.join_claimed(name, id, generations) else {
            // Somebody else's, in another process or not aloft yet.
            tokio::time::sleep(Duration::from_millis(rand::random_range(PAUSE))).await;
            return Joined::Again;
        };
        match tokio::time::timeout(LONGEST_WAIT, following.landed()).await {
            Ok(Some(Landing::Rows(bytes))) => match unpack(&bytes).and_then(|value| read(&value).ok()) {
                Some(value) => Joined::Value(value),
                None => Joined::Alone,
            },
            Ok(Some(_)) | Err(_) => Joined::Alone,
            Ok(None) => Joined::Again,
        }
    }

    async fn lead<T, E, F, Fut>(
        &self,
        key: &str,
        holding: Holding,
        flight: Flight,
        tied: Option<(&Depends, &[Generation])>,
        load: F,
        keep: impl Fn(&T) -> Keep,
    ) -> Result<T, E>
    where
        T: Serialize,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let loaded = tokio::select! {
            biased;
            loaded = loading(holding.claim.id, async { load().await }) => loaded,
            never = holding.renewed() => match never {},
        };
        let value = loaded.inspect_err(|_| flight.land(Landing::Alone))?;
        let written = match self.write(key, &value) {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(%error, "a value is not cached");
                self.inner.state.counts.not_store();
                flight.land(Landing::Alone);
                return Ok(value);
            }
        };
        let kept = match keep(&value) {
            // There is a value, and it is written as what says that there is none: `Some(())`, `Some(None)`.
            Keep::There(_) if written.is_null() => {
                self.inner.state.counts.not_store();
                flight.land(Landing::Alone);
                return Ok(value);
            }
            Keep::Any(ttl) | Keep::There(ttl) => Some(ttl),
            Keep::None(ttl) => ttl,
        };
        if let Some(ttl) = kept.and_then(|ttl| self.time_to_keep(&holding.engine, ttl)) {
            let tied = tied.map(|(depends, generations)| (&*depends.tags, generations));
            let bytes = self.inner.state.wrapping.wrap(holding.engine.whereabouts(), &holding.name, &written, tied);
            let (counts, name) = (&self.inner.state.counts, holding.name.clone());
            if holding.store(&self.inner, bytes, ttl.duration()).await { counts.set(&name) } else { counts.not_store() }
        }
        flight.land(Landing::Rows(pack(&written)));
        Ok(value)
    }
}

/// Whether a loaded value is stored, and for how long.
pub(super) enum Keep {
    Any(TimeLeft),
    /// One that may be missing is there.
    There(TimeLeft),
    /// It is missing.
    None(Option<TimeLeft>),
}

/// How a value's look-up ended.
enum Found<T> {
    Value(T),
    /// Load it under this claim.
    Claim(Holding, Flight, Option<Vec<Generation>>),
    /// Load it, and store nothing.
    Alone,
}

/// A value for those who joined.
fn pack(value: &Written) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + value.bytes.len());
    bytes.put_u8(value.form.byte());
    bytes.extend_from_slice(&value.bytes);
    bytes.freeze()
}

fn unpack(bytes: &Bytes) -> Option<Written> {
    Some(Written { form: Form::of(*bytes.first()?)?, bytes: bytes.slice(1..) })
}
