//! What the statements mean now: the catalog, the plans made with it, and the session's state.

use super::Shared;
use super::admission::Worth;
use super::refresh::Edition;
use crate::analysis::{self, Analysis, Bypass, Category, Dialect, Session, Writes};
use crate::catalog::{Catalog, Ident, Name};
use crate::database::Backend;
use crate::engine::Engine;
use crate::insight::{Outcome, note};
use crate::key;
use crate::rows::RowCodec;
use crate::stats::{TableCounters, count};
use crate::store::{Label, Sight};
use crate::tag::{Generation, Tag};
use arc_swap::ArcSwapOption;
use quick_cache::Weighter;
use sha2::Sha256;
use sqlx::Pool;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of statement texts whose plans are kept.
const MEMO_BYTES: u64 = 16 << 20;

/// How often at most the catalog is read anew because a statement names a relation that it does not know.
const RELOAD_AGAIN: Duration = Duration::from_secs(10);

/// How often at most a database that could not be asked at start is asked again.
const LOAD_AGAIN: Duration = Duration::from_secs(1);

/// How long a commit waits for a connection to read the catalog on.
const SPARE_CONNECTION: Duration = Duration::from_millis(250);

static PLANS: AtomicU64 = AtomicU64::new(0);

/// What a statement's text means, made once per text and catalog.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) analysis: Analysis,
    /// `_all`, then the tables of the read.
    pub(crate) reads: Arc<[Tag]>,
    /// What a write bumps, or a statement that commits what others wrote.
    pub(crate) writes: Arc<[Tag]>,
    /// The key up to the hash.
    pub(crate) stem: String,
    /// How long its answer may be kept.
    pub(crate) ttl: Duration,
    /// How long after that it may be served while it is read anew.
    pub(crate) stale: Duration,
    /// Another for every plan, and so for every text.
    pub(super) id: u64,
    /// The state of the key's hash after the text, once it was needed.
    pub(super) hashed: OnceLock<Sha256>,
    /// What was last seen of the generations that its read depends on.
    pub(super) sight: ArcSwapOption<Sight>,
    pub(crate) experience: Experience,
    /// Whether its answers are worth keeping.
    pub(crate) worth: Worth,
    pub(crate) counters: Arc<TableCounters>,
    /// The schema that it was made with.
    pub(crate) version: u64,
    /// The generation under which that schema was read.
    pub(crate) epoch: Option<Generation>,
}

/// What was learnt of a statement while it was read.
#[derive(Debug, Default)]
pub(crate) struct Experience {
    /// What the database took last, in us; zero until it was measured.
    cost: AtomicU64,
    /// Whether the last answer could not be kept: to wait for one like it would be in vain.
    unkept: AtomicBool,
}

impl Experience {
    pub(super) fn note_cost(&self, cost: Duration) {
        self.cost.store(u64::try_from(cost.as_micros()).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    pub(super) fn cost(&self) -> Option<Duration> {
        Some(self.cost.load(Relaxed)).filter(|cost| *cost > 0).map(Duration::from_micros)
    }

    pub(super) fn note_kept(&self, kept: bool) {
        self.unkept.store(!kept, Relaxed);
    }

    pub(super) fn is_unkept(&self) -> bool {
        self.unkept.load(Relaxed)
    }
}

impl Plan {
    /// A hit that asked nobody.
    pub(super) fn count_near_hit(&self) {
        count(&self.counters.near_hits);
        note(Outcome::Hit);
        self.worth.note_spared();
    }

    /// A hit in the store.
    pub(super) fn count_hit(&self) {
        count(&self.counters.hits);
        note(Outcome::Hit);
    }

    /// A read that was looked up in vain.
    pub(super) fn count_miss(&self) {
        count(&self.counters.misses);
        note(Outcome::Miss);
    }

    /// The generations that its read depends on, if all of them stand and this process can tell.
    pub(super) fn sight(&self, engine: &Engine) -> Option<Arc<Sight>> {
        if let Some(sight) = self.sight.load().as_ref().filter(|sight| sight.holds()) {
            return Some(Arc::clone(sight));
        }
        let sight = Arc::new(engine.sight(&self.reads)?);
        self.sight.store(Some(Arc::clone(&sight)));
        Some(sight)
    }
}

/// A catalog and the plans made with it. They go together, so that no plan outlives its catalog.
#[derive(Debug)]
pub(crate) struct Schema {
    version: u64,
    /// What stood before the catalog was read.
    pub(super) edition: Edition,
    dialect: Dialect,
    pub(crate) catalog: Catalog,
    memo: quick_cache::sync::Cache<Box<str>, Arc<Plan>, TextBytes>,
}

#[derive(Clone, Debug)]
struct TextBytes;

impl Weighter<Box<str>, Arc<Plan>> for TextBytes {
    fn weight(&self, text: &Box<str>, _: &Arc<Plan>) -> u64 {
        text.len() as u64 + 512
    }
}

impl Schema {
    pub(crate) fn new(dialect: Dialect, catalog: Catalog, edition: Edition) -> Self {
        static VERSIONS: AtomicU64 = AtomicU64::new(0);
        let version = VERSIONS.fetch_add(1, Relaxed);
        Self { version, edition, dialect, catalog, memo: quick_cache::sync::Cache::with_weighter(4096, MEMO_BYTES, TextBytes) }
    }

    /// The tags of all that a change of a table brings about, whichever change it is; the table is named as in a statement, or as in keys and counters, known or not.
    pub(crate) fn reached_from(&self, table: &str) -> Vec<Tag> {
        let ident = |text: &str, quoted| Ident { text: text.trim_matches(['"', '`']).to_owned(), quoted };
        let named = |quoted| match table.split_once('.') {
            Some((schema, relation)) => Name { schema: Some(ident(schema, quoted)), relation: ident(relation, quoted) },
            None => Name { schema: None, relation: ident(table, quoted) },
        };
        let literally = Name { schema: None, relation: Ident { text: table.to_owned(), quoted: true } };
        // `order%20items` is how keys and counters spell it.
        let (schema, relation) = Tag::parts(table);
        let exactly = |text| Ident { text, quoted: true };
        let spelled = Name { schema: schema.map(exactly), relation: exactly(relation) };
        let mut reached = Vec::new();
        // `users` and `"Users"` may both be there, and nobody says which one is meant.
        for (key, relation) in [named(false), named(true), literally, spelled].iter().filter_map(|name| self.catalog.find(name)) {
            // A view's own answers, too.
            reached.push(relation.tag.clone());
            reached.extend(self.catalog.reached(key).unwrap_or_else(|| vec![Tag::all()]));
        }
        if reached.is_empty() {
            reached.push(Tag::table(table));
        }
        let mut seen = BTreeSet::new();
        reached.retain(|tag| seen.insert(tag.clone()));
        reached
    }
}

/// When the catalog was last read for want of a name.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    pub(super) one: tokio::sync::Mutex<()>,
    last: Mutex<Option<Instant>>,
    /// Names of the settings of which it was said that the catalog does not know them.
    said: Mutex<BTreeSet<String>>,
}

impl Loading {
    /// Says, once each, which names of what must not be kept mean nothing: whoever wrote them relies on them.
    fn say_unknown(&self, catalog: &Catalog) {
        // Without relations it could not be read, as a rule.
        if catalog.len() > 0 {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            for name in catalog.denied().unknown().iter().filter(|name| said.insert((*name).clone())) {
                tracing::warn!(%name, "nothing in the catalog has this name, of which nothing is to be kept: is it spelt as the database spells it?");
            }
        }
    }

    /// Whether `pause` has gone by since it was last due.
    fn due(&self, pause: Duration) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = last.is_none_or(|last| now.duration_since(last) >= pause);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl<DB: Backend> Shared<DB> {
    /// The plan of a text: found by one hash of it, or made.
    pub(crate) fn plan(self: &Arc<Self>, sql: &str) -> Arc<Plan> {
        let schema = self.schema.load();
        if let Some(plan) = schema.memo.get(sql) {
            // A catalog without relations is one that could not be read, as a rule.
            if schema.catalog.len() == 0 {
                self.reload_for(&plan);
            }
            return plan;
        }
        let plan = Arc::new(self.make_plan(&schema, sql));
        // A table that somebody else created, perhaps.
        self.reload_for(&plan);
        schema.memo.insert(sql.into(), Arc::clone(&plan));
        plan
    }

    /// Reads the catalog anew, in the background and not too often, if this plan is of a read that names a relation which it does not know.
    fn reload_for(self: &Arc<Self>, plan: &Plan) {
        if let (Err(Bypass::UnknownRelation), Some(engine), Some(_)) = (&plan.analysis.read, &self.engine, self.prefix.get())
            && self.loading.due(RELOAD_AGAIN)
        {
            let shared = Arc::clone(self);
            engine.spawn(async move { shared.reload().await });
        }
    }

    /// Whether the schema is still the one that this plan was made with.
    pub(crate) fn is_current(&self, plan: &Plan) -> bool {
        self.is_version(plan.version)
    }

    /// Whether a statement still depends on what this plan says, under the schema of this moment.
    pub(crate) fn still_reads(self: &Arc<Self>, plan: &Plan, sql: &str) -> bool {
        self.is_current(plan) || {
            let now = self.plan(sql);
            now.analysis.read.is_ok() && now.analysis.read == plan.analysis.read && now.reads == plan.reads && now.epoch == plan.epoch
        }
    }

    /// Whether the schema is still this one.
    pub(crate) fn is_version(&self, version: u64) -> bool {
        self.schema.load().version == version
    }

    fn make_plan(&self, schema: &Schema, sql: &str) -> Plan {
        let mut analysis = analysis::analyse(schema.dialect, sql, &schema.catalog);
        let shadowed = !self.shadowed.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if shadowed && analysis.read.as_ref().is_ok_and(|read| read.category == Category::Schema) {
            // What the database says of its schema then depends on the connection.
            analysis.read = Err(Bypass::Volatile);
        }
        let (reads, stem, counters) = match (&analysis.read, &self.engine) {
            (Ok(read), Some(engine)) => {
                let mut reads: Vec<Tag> = [Tag::all()].into_iter().chain(read.tables.iter().cloned()).collect();
                // The schema last, where the engine looks for it.
                reads.retain(|tag| *tag != Tag::schema() || read.tables[0] == *tag);
                if reads.last() != Some(&Tag::schema()) {
                    reads.push(Tag::schema());
                }
                let reads = reads.into();
                let table = &read.tables[0];
                (reads, key::stem(engine.keyspace(), table, read.category), self.counters.table(table.as_str(), read.category))
            }
            _ => (Arc::default(), String::new(), Arc::default()),
        };
        let writes = match &analysis.writes {
            _ if analysis.changes_schema => [Tag::all(), Tag::schema()].into(),
            // Whatever a transaction that was opened by hand has written on the connection that it meets.
            Writes::Nothing if analysis.commits => [Tag::all()].into(),
            Writes::Nothing => Arc::default(),
            Writes::Tables(tables) => Arc::clone(tables),
            Writes::Everything => [Tag::all()].into(),
        };
        Plan {
            ttl: self.policy.ttl(&analysis),
            stale: self.policy.stale(&analysis),
            id: PLANS.fetch_add(1, Relaxed),
            hashed: OnceLock::new(),
            sight: ArcSwapOption::empty(),
            experience: Experience::default(),
            worth: Worth::new(&stem, self.policy.admission.by_cost(DB::DIALECT), self.policy.admission.by_churn()),
            analysis,
            reads,
            writes,
            stem,
            counters,
            version: schema.version,
            epoch: schema.edition.epoch,
        }
    }

    /// Takes note of what a statement does to the connection that runs it, before it runs.
    pub(crate) fn note_session(&self, session: &Session) {
        match session {
            Session::Unchanged | Session::Local | Session::LocalNames => {}
            Session::Changed => {
                if !self.session_changed.swap(true, SeqCst) {
                    tracing::warn!("the session was changed through the pool, so connections may differ: nothing is cached from now on");
                }
            }
            Session::TemporaryTable(name) => {
                let mut shadowed = self.shadowed.lock().unwrap_or_else(PoisonError::into_inner);
                if shadowed.insert(name.clone()) {
                    tracing::warn!(table = %name, "a temporary table was created through the pool: nothing that names it is cached from now on");
                    let schema = self.schema.load();
                    self.put_catalog(schema.catalog.clone(), schema.edition.clone(), &shadowed);
                }
            }
        }
    }

    /// Reads the catalog anew. Where that fails, every name is unknown until it works: nothing is cached, and a write forgets everything.
    pub(crate) async fn reload(&self) {
        match self.pool.acquire().await {
            Ok(mut connection) => self.reload_on(&mut connection).await,
            Err(error) => self.use_loaded(Err(error), Edition::default()),
        }
    }

    /// The same for those who keep a caller waiting. Where the pool has no connection to spare, every name is unknown until it has: whoever holds its
    /// last one may be waiting for that caller.
    pub(crate) async fn reload_soon(self: &Arc<Self>) {
        match tokio::time::timeout(SPARE_CONNECTION, self.pool.acquire()).await {
            Ok(Ok(mut connection)) => self.reload_on(&mut connection).await,
            Ok(Err(error)) => self.use_loaded(Err(error), Edition::default()),
            Err(_) => {
                self.use_loaded(Err(sqlx::Error::PoolTimedOut), Edition::default());
                let shared = Arc::clone(self);
                tokio::spawn(async move { shared.reload().await });
            }
        }
    }

    /// The same on this connection.
    pub(crate) async fn reload_on(&self, connection: &mut DB::Connection) {
        // One at a time: an older catalog must not replace a newer one.
        let _one = self.loading.one.lock().await;
        let edition = self.edition(connection).await;
        let loaded = self.read_catalog(connection).await;
        self.use_loaded(loaded, edition);
    }

    /// Reads the catalog anew if it is still this one; false where it can't be read.
    pub(crate) async fn refresh_on(&self, connection: &mut DB::Connection, version: u64) -> bool {
        let _one = self.loading.one.lock().await;
        if self.is_version(version) {
            let edition = self.edition(connection).await;
            match self.read_catalog(connection).await {
                Ok(catalog) => self.use_catalog(catalog, edition),
                Err(error) => {
                    tracing::warn!(%error, "somebody changed the schema, and the catalog can't be read");
                    return false;
                }
            }
        }
        true
    }

    /// Whether somebody changed the schema since this epoch's catalog was read, by what stood at the schema's generation when a write ended. While it is
    /// being changed there is nothing to mend: the change, when it ends, forgets everything.
    pub(crate) fn is_other_schema(stands: Option<Label>, epoch: Option<Generation>) -> bool {
        match stands {
            Some(Label::Standing(generation)) => Some(generation) != epoch,
            Some(Label::Absent) => true,
            Some(Label::Fenced) | None => false,
        }
    }

    /// The database's catalog; with its columns, where some of them must not be kept.
    pub(super) async fn read_catalog(&self, connection: &mut DB::Connection) -> Result<Catalog, sqlx::Error> {
        let mut catalog = DB::catalog(connection).await?;
        if !self.policy.deny.columns.is_empty() {
            DB::add_columns(connection, &mut catalog).await?;
        }
        Ok(catalog)
    }

    fn use_loaded(&self, loaded: Result<Catalog, sqlx::Error>, edition: Edition) {
        let catalog = loaded.unwrap_or_else(|error| {
            tracing::warn!(%error, "the catalog can't be read; nothing is cached until it can");
            Catalog::new(DB::DIALECT, Vec::new(), false)
        });
        self.use_catalog(catalog, edition);
    }

    pub(super) fn use_catalog(&self, catalog: Catalog, edition: Edition) {
        // Held until the catalog is in place: a temporary table noted meanwhile would be lost with the catalog that knew of it.
        let shadowed = self.shadowed.lock().unwrap_or_else(PoisonError::into_inner);
        self.put_catalog(catalog, edition, &shadowed);
    }

    fn put_catalog(&self, mut catalog: Catalog, edition: Edition, shadowed: &BTreeSet<String>) {
        for name in shadowed {
            catalog.shadow(name);
        }
        if !self.closure {
            catalog.open();
        }
        if !self.policy.deny.is_empty() {
            catalog.deny(&self.policy.deny);
            self.loading.say_unknown(&catalog);
        }
        self.schema.store(Arc::new(Schema::new(DB::DIALECT, catalog, edition)));
    }

    /// Asks the database who it is, tests the row cache and reads the catalog, where that has not been done yet.
    pub(crate) async fn load(&self) -> Result<(), sqlx::Error> {
        if self.engine.is_none() {
            return Ok(());
        }
        // The connection before the lock, as everywhere: a writer that has changed the schema waits for the lock with the pool's only one, perhaps.
        let mut connection = self.pool.acquire().await?;
        self.load_on(&mut connection).await
    }

    /// The same on this connection.
    pub(crate) async fn load_on(&self, connection: &mut DB::Connection) -> Result<(), sqlx::Error> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let _one = self.loading.one.lock().await;
        if self.prefix.get().is_some() {
            return Ok(());
        }
        let mut identity = DB::identity(connection).await?;
        if let Some(id) = &self.database_id {
            identity.database.clone_from(id);
        }
        let replays = self_test::<DB>(&self.pool, &self.codec, connection).await;
        if !replays {
            tracing::error!("the row cache does not give back what was put in: it is switched off");
        }
        self.replays.store(replays, Relaxed);
        engine.set_database(&key::database(&identity));
        let edition = self.edition_of_now(connection).await;
        self.use_catalog(self.read_catalog(connection).await?, edition);
        let _ = self.prefix.set(key::prefix(&identity));
        Ok(())
    }

    /// Tries again to load, in the background and not too often.
    pub(crate) fn load_later(self: &Arc<Self>) {
        if let Some(engine) = &self.engine
            && self.loading.due(LOAD_AGAIN)
        {
            let shared = Arc::clone(self);
            engine.spawn(async move {
                if let Err(error) = shared.load().await {
                    tracing::warn!(%error, "the database can't be asked for its catalog yet; nothing is cached");
                }
            });
        }
    }
}

/// Replays a known answer and compares it: a driver that reads the wire in another way than ours expects must not be trusted with rows.
async fn self_test<DB: Backend>(pool: &Pool<DB>, codec: &DB::Codec, connection: &mut DB::Connection) -> bool {
    let sql = sqlx::SqlStr::from_static(DB::SELF_TEST);
    let test = async {
        let request = crate::database::Request { sql: sql.clone(), statement: None, arguments: Some(Default::default()), persistent: true };
        let row = DB::fetch_optional(connection, request).await.ok()??;
        codec.learn(&sql, connection).await;
        let record = |row: &DB::Row| {
            let mut recording = codec.record(1 << 20);
            recording.push(row).ok()?;
            recording.finish().ok()
        };
        let payload = record(&row)?;
        let replayed = codec.replay(pool, &sql, None, payload.clone().into()).await.inspect_err(|error| {
            tracing::warn!(%error, "the self-test's replay failed");
        });
        let again = record(replayed.ok()?.rows.first()?)?;
        Some(again == payload)
    };
    test.await.unwrap_or(false)
}
