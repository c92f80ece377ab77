//! The validity protocol between readers, writers and a store. The consistency argument lives here.
//!
//! A read depends on tags; each tag has a generation, a random token. **An entry is valid if and only if every generation it was read under still
//! stands.** From this follow the orders of the steps:
//!
//! - A fill carries the generations seen *before* the database was read. Whatever changed since took its generation along, so a fill that lost a
//!   race is stored dead.
//! - A write is a span: `begin` adds it to the fence of its tags and removes their generations, *then* the database is written, *then* `end` removes it
//!   from the fence. While a fence stands nothing is served and nothing can be stored, so there is no instant between commit and invalidation.
//! - `end` comes only when the outcome is known ([`fence`]). A writer that died leaves a fence whose lease runs out; that is a suspicion, which only
//!   the database can lift ([`lapse`]).
//! - What a statement means depends on the schema, which others may change. So `_schema` has a generation as well, every change of the schema is a write to
//!   it, and a catalog remembers the one that stood before it was read (its *epoch*). A read stores only under its own epoch; a write learns at its `end`
//!   what stands, and if that is another, finds out before it is acknowledged what else it has changed.
//! - DDL that no executor runs changes the database's fingerprint, of which each epoch remembers the one that it began with ([`fingerprint`]). Whoever finds
//!   another one under a standing epoch ends it.
//! - Readers that miss at the same time share one read of the database ([`flight`]), also across processes ([`lease`]).
//! - What could not be delivered to the store is distrusted here until it is ([`delivery`]). Who asks for refusals has no write sent without its fence, and none
//!   acknowledged of which others may not know: either its `end` was delivered, or its fence certainly stood when it was committed. Then whoever proves that it
//!   lapsed has seen the commit before, and takes the generations along.

mod ages;
mod delivery;
mod doubt;
mod fence;
mod fingerprint;
mod flight;
mod lapse;
mod lease;
mod loading;
mod memory;
mod orphans;
mod probing;
mod reclaim;
mod values;

pub(crate) use ages::{Ages, Use};
pub(crate) use doubt::Doubt;
pub(crate) use fence::{Ended, Span};
pub(crate) use flight::{Boarded, Flight, Following, Landing};
pub(crate) use lease::{Leasing, Leave};
pub(crate) use loading::{is_within, loading};
pub(crate) use values::{generations_of, stand};

use crate::config::Config;
use crate::database::Running;
use crate::entry::{self, Cipher, Facts, Payload, Stored, Verdict};
use crate::key::Keyspace;
use crate::policy::{Compression, Consistency, Invalidation, UnfencedWrites};
use crate::stats::{Counters, Reason, add, count};
use crate::store::{CacheStore, Creation, Label, Sight, StoreError, Whereabouts};
use crate::tag::{Generation, Tag};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;

/// Who can be asked about the database's running transactions.
#[async_trait]
pub(crate) trait Witness: Debug + Send + Sync {
    /// The transactions that may yet commit a write; `None` where the database can't be asked just now.
    async fn running(&self) -> Option<Running>;

    /// Whether it will never answer again.
    fn is_closed(&self) -> bool;
}

/// How strictly writes are followed, and what entries look like.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) consistency: Consistency,
    pub(crate) invalidation: Invalidation,
    pub(crate) unfenced: UnfencedWrites,
    pub(crate) lease: Duration,
    pub(crate) fence_bound: Duration,
    pub(crate) without: Option<Without>,
    pub(crate) compression: Compression,
    /// The most bytes of rows that may come of a compressed entry.
    pub(crate) max_entry: usize,
    /// What seals entries on their way elsewhere, and opens them.
    pub(crate) cipher: Option<Cipher>,
}

impl Rules {
    pub(crate) fn of(config: &Config, cipher: Option<Cipher>) -> Self {
        Self {
            consistency: config.consistency,
            invalidation: config.invalidation,
            unfenced: config.unfenced,
            lease: config.lease,
            fence_bound: config.fence_bound,
            without: config.without,
            compression: config.policy.compression,
            max_entry: config.policy.max_entry,
            cipher,
        }
    }
}

/// A part of the protocol that a test leaves out, to see that its checks notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Writes set no fence; what they wrote is forgotten at their end.
    Fences,
    /// An entry is served whatever generations stand.
    GenerationCheck,
}

/// The protocol's side of an executor, shared by its clones.
#[derive(Debug)]
pub(crate) struct Engine {
    store: Arc<dyn CacheStore>,
    rules: Rules,
    counters: Arc<Counters>,
    witness: Arc<dyn Witness>,
    /// The part of a fence's id that names its database: only a process of that database may judge it lapsed. Set once the database is known.
    database: OnceLock<String>,
    distrust: delivery::Distrust,
    orphans: orphans::Orphans,
    lapses: lapse::Lapses,
    reclaim: reclaim::Reclaim,
    gauge: memory::Gauge,
    flights: flight::Flights,
    /// The runtime that it was made in.
    runtime: Handle,
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A valid entry.
    Hit(Answered),
    /// The same, and it is time to read the answer anew.
    Aging(Answered, Renewal),
    /// None; what the database answers may be stored with this permit.
    Miss(Permit),
    /// The database must answer, and nothing may be stored.
    Direct(Reason),
    /// The schema is not the one that the caller understands the read by.
    OtherSchema,
}

/// What a valid entry says.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) rows: Bytes,
    /// Those that it was read under, of the tags in their order.
    pub(crate) generations: Vec<Generation>,
    pub(crate) stored: Stored,
    pub(crate) fresh_for: Duration,
    pub(crate) cost: Duration,
}

impl StoreError {
    /// Why a read that met this error goes to the database.
    fn reason(&self) -> Reason {
        match self {
            Self::Open(_) => Reason::Open,
            _ => Reason::Store,
        }
    }
}

/// The generations under which a read of the database that starts now may be stored.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    generations: Vec<Generation>,
    /// Which entry under the same generations is too old for the reader, or none that it can read, if there is one.
    except: Option<Stored>,
}

/// Why and with what permit an entry in use is read anew.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// Whether it is too old already.
    pub(crate) stale: bool,
    pub(crate) permit: Permit,
}

impl Renewal {
    /// For an answer of this use, if it is time for one. Whoever reads it anew must understand the schema that it was read under.
    pub(crate) fn of(use_of: Use, generations: &[Generation], stored: Stored, epoch: Option<Generation>) -> Option<Self> {
        let due = matches!(use_of, Use::Early | Use::Stale) && generations.last().copied() == epoch;
        due.then(|| Self { stale: use_of == Use::Stale, permit: Permit { generations: generations.into(), except: Some(stored) } })
    }
}

impl Permit {
    /// What these labels give, if all of them stand.
    fn standing(labels: &[Label], except: Option<Stored>) -> Option<Self> {
        let standing = |label: &Label| match label {
            Label::Standing(generation) => Some(*generation),
            Label::Absent | Label::Fenced => None,
        };
        Some(Self { generations: labels.iter().map(standing).collect::<Option<_>>()?, except })
    }

    pub(crate) fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// The schema's generation: the last one.
    fn epoch(&self) -> Option<Generation> {
        self.generations.last().copied()
    }
}

impl Engine {
    pub(crate) fn new(store: Arc<dyn CacheStore>, mut rules: Rules, counters: Arc<Counters>, witness: Arc<dyn Witness>) -> Self {
        if store.whereabouts() == Whereabouts::Process {
            // Whoever reads this process's memory finds the keys there, too.
            rules.cipher = None;
        }
        Self {
            store,
            rules,
            counters,
            witness,
            database: OnceLock::new(),
            distrust: delivery::Distrust::default(),
            orphans: orphans::Orphans::default(),
            lapses: lapse::Lapses::default(),
            reclaim: reclaim::Reclaim::default(),
            gauge: memory::Gauge::default(),
            flights: flight::Flights::default(),
            runtime: Handle::current(),
        }
    }

    /// Runs this in the background, for those who may be called, or dropped, outside a runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone()).spawn(work);
    }

    /// The runtime that it was made in.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Names the database that this engine's writes go to.
    pub(crate) fn set_database(&self, identity: &str) {
        let _ = self.database.set(identity.to_owned());
    }

    /// The database that this engine's writes go to, once it is known.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.get().map(String::as_str)
    }

    /// Whether a write that can't be fenced is refused.
    pub(crate) fn refuses(&self) -> bool {
        self.rules.unfenced == UnfencedWrites::Refuse
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        self.store.keyspace()
    }

    pub(crate) fn store(&self) -> &dyn CacheStore {
        &*self.store
    }

    /// Whether what this process keeps of these tags may be looked at: nothing is known of them that the store does not know yet.
    pub(crate) fn trusts(self: &Arc<Self>, tags: &[Tag]) -> bool {
        self.adopt();
        !self.distrust.touches(tags) && self.rules.without != Some(Without::GenerationCheck)
    }

    /// Whether this process's memory may answer here: within a load only what is never behind.
    pub(crate) fn may_recall(&self) -> bool {
        self.store.whereabouts() == Whereabouts::Process || !loading::is_loading()
    }

    /// What this process can tell for itself of these tags.
    pub(crate) fn sight(&self, tags: &[Tag]) -> Option<Sight> {
        self.store.sight(tags)
    }

    /// An entry's rows as they are to be kept in this process. Those of a store elsewhere are copied, since the rest of their entry would be kept with them.
    pub(crate) fn to_be_shelved(&self, rows: &Bytes) -> Bytes {
        if self.store.whereabouts() == Whereabouts::Process { rows.clone() } else { Bytes::copy_from_slice(rows) }
    }

    /// Looks an entry up: one round trip, two where a generation has to be created. `tags` is `_all`, then the tables of the read. An entry that
    /// is too old by `ages` is a miss; so is any with `None`, which a refresh asks for. The last of the tags is the schema, whose generation must be `epoch`, or
    /// nothing may be stored: somebody else may have made a view of what the catalog of that epoch calls a table.
    pub(crate) async fn look_up(self: &Arc<Self>, key: &str, tags: &[Tag], epoch: Option<Generation>, ages: Option<Ages>) -> Found {
        self.adopt();
        if self.distrust.touches(tags) {
            self.deliver_on();
            return Found::Direct(Reason::Distrusted);
        }
        let lookup = match self.store.look_up(key, tags).await {
            Ok(lookup) => lookup,
            Err(error) => {
                self.failed("look_up", &error);
                return Found::Direct(error.reason());
            }
        };
        let mut except = None;
        if let (Some(_), None) = (&lookup.entry, ages) {
            // Whoever refreshes knows better: should the new answer turn out not to be one that can be kept, the old one must not come back.
            self.discard(key).await;
        } else if let (Some(entry), Some(ages)) = (&lookup.entry, ages) {
            let believed = (self.rules.without == Some(Without::GenerationCheck)).then(|| entry::labels(entry, tags.len()));
            match entry::judge(
                key,
                entry,
                tags,
                believed.as_deref().unwrap_or(&lookup.labels),
                self.rules.max_entry,
                self.rules.cipher.as_ref(),
            ) {
                Ok(Verdict::Valid { rows, stored, age, fresh_for, cost }) => {
                    let use_of = ages.judge(age, fresh_for, cost);
                    // What may be served was read under these very labels.
                    let generations = Permit::standing(&lookup.labels, None).map(|permit| permit.generations).unwrap_or_default();
                    let renewal = Renewal::of(use_of, &generations, stored, epoch);
                    if matches!(use_of, Use::Fresh | Use::Early) || renewal.is_some() {
                        let answered = Answered { rows, generations, stored, fresh_for, cost };
                        return match renewal {
                            Some(renewal) => Found::Aging(answered, renewal),
                            None => Found::Hit(answered),
                        };
                    }
                    except = Some(stored);
                }
                Ok(Verdict::Undecryptable { stored }) => {
                    count(&self.counters.undecryptable);
                    // Whoever asks for a lease on the answer must not be given it again.
                    except = Some(stored);
                }
                Ok(Verdict::Dead | Verdict::TooLarge) => {}
                Err(entry::Malformed(what)) => {
                    count(&self.counters.malformed);
                    tracing::warn!(%key, what, "an entry can't be read and is deleted");
                    self.discard(key).await;
                }
            }
        }
        match self.permit(tags, &lookup.labels).await {
            Found::Miss(permit) if permit.epoch() != epoch => Found::OtherSchema,
            Found::Miss(permit) => Found::Miss(Permit { except, ..permit }),
            found => found,
        }
    }

    /// The schema's generation, made if there is none: to be asked for before the catalog is read. None while the schema is being changed, or the store
    /// does not answer.
    pub(crate) async fn epoch(&self) -> Option<Generation> {
        match self.store.create(&[Tag::schema()]).await.map(|created| created.into_iter().next()) {
            Ok(Some(Creation::Standing(generation))) => Some(generation),
            Ok(_) => None,
            Err(error) => {
                self.failed("create", &error);
                None
            }
        }
    }

    /// The permit that these labels give; generations that are absent are created, which a standing fence forbids.
    async fn permit(self: &Arc<Self>, tags: &[Tag], labels: &[Label]) -> Found {
        if labels.contains(&Label::Fenced) {
            self.suspect(tags, labels);
            return Found::Direct(Reason::Fenced);
        }
        if let Some(permit) = Permit::standing(labels, None).filter(|permit| permit.generations.len() == tags.len()) {
            return Found::Miss(permit);
        }
        match self.store.create(tags).await {
            Ok(created) if created.len() == tags.len() => {
                let mut generations = Vec::with_capacity(tags.len());
                for (tag, creation) in tags.iter().zip(created) {
                    match creation {
                        Creation::Standing(generation) => generations.push(generation),
                        Creation::Fenced => return Found::Direct(Reason::Fenced),
                        Creation::Lapsed(_) => {
                            self.suspect_tag(tag);
                            return Found::Direct(Reason::Fenced);
                        }
                    }
                }
                Found::Miss(Permit { generations, except: None })
            }
            Ok(_) => Found::Direct(Reason::Store),
            Err(error) => {
                self.failed("create", &error);
                Found::Direct(error.reason())
            }
        }
    }

    /// Stores what the database answered, for as long as it is fresh and `stale` more, or for less where memory is short; says what is to be
    /// kept in this process, if it did, and else why not.
    pub(crate) async fn fill(
        &self,
        key: &str,
        tags: &[Tag],
        permit: &Permit,
        facts: Facts,
        rows: &[u8],
        stale: Duration,
    ) -> Result<Answered, Reason> {
        let Some(ttl) = self.time_to_keep(facts.fresh_for.saturating_add(stale)) else {
            // Its reader may have seen more than what is mirrored.
            self.store.forget_near(tags);
            return Err(Reason::Memory);
        };
        let whereabouts = self.store.whereabouts();
        let payload = Payload::bound_for(whereabouts, self.rules.compression, rows);
        if payload.is_compressed() {
            add(&self.counters.uncompressed_bytes, rows.len());
            add(&self.counters.compressed_bytes, payload.len());
        }
        let entry = entry::encode(key, tags, &permit.generations, facts, payload, self.rules.cipher.as_ref());
        let stored = entry::stored(&entry, tags.len());
        let rows = match whereabouts {
            // The store's own bytes, once.
            Whereabouts::Process => entry.slice(entry::rows(&entry, rows.len())),
            Whereabouts::Machine | Whereabouts::Network => Bytes::copy_from_slice(rows),
        };
        match self.store.fill(key, tags, entry, ttl).await {
            Ok(()) => {
                let Facts { fresh_for, cost } = facts;
                Ok(Answered { rows, generations: permit.generations.clone(), stored: stored.ok_or(Reason::Store)?, fresh_for, cost })
            }
            Err(error) => {
                self.failed("fill", &error);
                self.gauge.note_refusal(&error);
                Err(Reason::Store)
            }
        }
    }

    /// Forgets what this process's memory in front of the store mirrors of these tags.
    pub(crate) fn forget_near(&self, tags: &[Tag]) {
        self.store.forget_near(tags);
    }

    /// Deletes an entry that can't be used.
    pub(crate) async fn discard(&self, key: &str) {
        if let Err(error) = self.store.discard(key).await {
            self.failed("discard", &error);
        }
    }

    /// Makes everything that was read under these tags invalid. On an error it is kept and delivered later, and distrusted here until then.
    pub(crate) async fn invalidate(self: &Arc<Self>, tags: &[Tag]) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let invalidated = self.store.invalidate(tags).await;
        self.invalidated(tags);
        if let Err(error) = &invalidated {
            self.failed("invalidate", error);
            self.keep(tags);
        }
        invalidated
    }

    /// The same for those who can't wait: distrusted here from now on, and delivered soon.
    pub(crate) fn invalidate_later(self: &Arc<Self>, tags: &[Tag]) {
        self.invalidated(tags);
        self.keep(tags);
    }

    fn keep(self: &Arc<Self>, tags: &[Tag]) {
        self.distrust.add(tags);
        self.deliver_later(&tags.into(), None);
    }

    fn invalidated(self: &Arc<Self>, tags: &[Tag]) {
        for tag in tags {
            if *tag == Tag::all() {
                count(&self.counters.invalidations_of_everything);
            } else if *tag != Tag::schema() {
                count(&self.counters.invalidations);
            }
        }
        tracing::info!(?tags, "invalidated");
        self.reclaim_later(tags);
    }

    fn failed(&self, operation: &'static str, error: &StoreError) {
        if matches!(error, StoreError::Open(_)) {
            // Said once, when it opened.
            return;
        }
        count(&self.counters.store_errors);
        tracing::warn!(operation, %error, "the cache store failed; the database answers");
    }
}
