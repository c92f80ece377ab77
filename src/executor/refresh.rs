//! DDL that passes through no executor: a migration by another program, a trigger added by hand. Now and then the database is asked for its schema's fingerprint.
//!
//! A schema's epoch (see [`crate::engine`]) begins with a fingerprint, which its first reader leaves in the store. If the database's is another one and the epoch
//! still stands, then somebody changed the schema behind our back: whoever finds out ends the epoch and forgets everything. To the other processes it is then a
//! change like any other: they meet the new epoch, read the catalog, and find the new fingerprint in the store.

use super::Shared;
use crate::database::Backend;
use crate::store::StoreError;
use crate::tag::{Generation, Tag};
use sqlx::Error;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long a write whose `end` could not be delivered waits for a connection to ask on. Who can't ask says that the write is not known everywhere yet, which is
/// worse than to wait; for ever would be worst, since whoever holds the pool's last connection may be waiting for that write.
const TO_ASK: Duration = Duration::from_secs(2);

/// What stood before a catalog was read: by these two its reader learns that it is out of date.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edition {
    /// The generation of `_schema`. Whoever changes the schema through an executor, in whichever process, changes it.
    pub(crate) epoch: Option<Generation>,
    /// The fingerprint that the epoch began with. Whoever changes the schema changes the database's.
    pub(crate) fingerprint: Option<Arc<str>>,
}

/// Lives as long as the executor, for background tasks that must not keep it alive themselves.
#[derive(Debug)]
pub(crate) struct Alive(watch::Sender<()>);

impl Default for Alive {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Alive {
    /// Resolves when the executor is gone.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut alive = self.0.subscribe();
        async move { while alive.changed().await.is_ok() {} }
    }
}

impl<DB: Backend> Shared<DB> {
    /// What stands now: to be asked for before the catalog is read, since what changes later changes this, too.
    pub(super) async fn edition(&self, connection: &mut DB::Connection) -> Edition {
        self.edition_and_fingerprint(connection).await.0
    }

    /// With the database's own fingerprint, where it differs from that of the epoch.
    async fn edition_and_fingerprint(&self, connection: &mut DB::Connection) -> (Edition, Option<Arc<str>>) {
        let Some(engine) = &self.engine else { return Default::default() };
        let epoch = engine.epoch().await;
        if self.refresh.is_zero() {
            return (Edition { epoch, fingerprint: None }, None);
        }
        let seen = match DB::fingerprint(connection).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::debug!(%error, "the database can't be asked for its schema's fingerprint");
                return (Edition { epoch, fingerprint: None }, None);
            }
        };
        let began = match (engine.database(), &epoch) {
            (Some(database), Some(epoch)) => engine.began_with(database, epoch, &seen).await,
            _ => seen.as_str().into(),
        };
        let other = (*began != *seen).then(|| seen.into());
        (Edition { epoch, fingerprint: Some(began) }, other)
    }

    /// The same. If the schema changed since the epoch began, and nobody said so, the epoch is ended and everything forgotten first.
    pub(super) async fn edition_of_now(&self, connection: &mut DB::Connection) -> Edition {
        let (edition, other) = self.edition_and_fingerprint(connection).await;
        if other.is_none() {
            return edition;
        }
        self.forget_former_schema().await;
        // If that differs again, the next look finds out.
        self.edition(connection).await
    }

    async fn forget_former_schema(&self) {
        if let Some(engine) = &self.engine {
            tracing::info!("somebody changed the schema by other means than an executor: everything is forgotten");
            // An error is taken care of: it is delivered later.
            let _ = engine.invalidate(&[Tag::all(), Tag::schema()]).await;
        }
    }

    /// Looks for changes now and then, until the executor is dropped or the pool is closed.
    pub(crate) fn look_for_changes(self: &Arc<Self>) {
        if self.engine.is_none() || self.refresh.is_zero() {
            return;
        }
        let (shared, interval, gone, mut closed) = (Arc::downgrade(self), self.refresh, self.alive.gone(), self.pool.close_event());
        tokio::spawn(async move {
            tokio::select! {
                () = gone => {}
                () = &mut closed => {}
                () = look_now_and_then(shared, interval) => {}
            }
        });
    }

    async fn look(&self) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        self.look_on(&mut connection).await
    }

    /// Compares the schema's fingerprint at once, after code that may have changed anything.
    pub(super) async fn look_on(&self, connection: &mut DB::Connection) -> Result<(), Error> {
        let Some(engine) = self.engine.as_ref().filter(|_| self.prefix.get().is_some()) else { return Ok(()) };
        let seen = DB::fingerprint(&mut *connection).await?;
        if self.schema.load().edition.fingerprint.as_deref() == Some(&seen) {
            return Ok(());
        }
        let _one = self.loading.one.lock().await;
        // As it is under the lock: somebody may have read it anew meanwhile, after the fingerprint was asked for.
        let known = self.schema.load().edition.clone();
        let seen = DB::fingerprint(&mut *connection).await?;
        if known.fingerprint.as_deref() == Some(&seen) {
            return Ok(());
        }
        // None while somebody changes the schema through an executor, who will end the epoch; or with the store out of reach, where nobody is served anything.
        let Some(epoch) = engine.epoch().await else { return Ok(()) };
        if known.epoch == Some(epoch) && known.fingerprint.is_some() {
            self.forget_former_schema().await;
        }
        let edition = self.edition_of_now(&mut *connection).await;
        let catalog = self.read_catalog(connection).await?;
        self.use_catalog(catalog, edition);
        Ok(())
    }
}

impl<DB: Backend> Shared<DB> {
    /// Compares at once, after code that may have done anything. If that fails, or there is no connection to ask on, the next look of the background finds
    /// out. Where no fingerprint is compared, the code counts as having changed the schema: the epoch ends, and the catalog is read anew.
    ///
    /// # Errors
    ///
    /// The epoch could not be ended; it will be.
    pub(super) async fn look_after_anything(self: &Arc<Self>, connection: Option<&mut DB::Connection>) -> Result<(), StoreError> {
        if !self.refresh.is_zero() {
            if let Some(connection) = connection
                && let Err(error) = self.look_on(connection).await
            {
                tracing::debug!(%error, "the schema's fingerprint can't be compared");
            }
            return Ok(());
        }
        // Before the catalog is read, so that it is read under the new epoch.
        let ended = match &self.engine {
            Some(engine) => engine.invalidate(&[Tag::schema()]).await,
            None => Ok(()),
        };
        match connection {
            Some(connection) => self.reload_on(connection).await,
            None => self.reload_soon().await,
        }
        ended
    }

    /// Whether the schema is certainly still the one that is known; on a connection of the pool, if it has one to spare, where none is given.
    pub(super) async fn is_unchanged(&self, connection: Option<&mut DB::Connection>) -> bool {
        if let Some(connection) = connection {
            return !self.changed_schema_on(connection).await;
        }
        match tokio::time::timeout(TO_ASK, self.pool.acquire()).await {
            Ok(Ok(mut connection)) => !self.changed_schema_on(&mut connection).await,
            _ => false,
        }
    }

    /// Whether the transaction on this connection, which may have done anything, changed the schema, as far as the fingerprint tells. Where none is compared:
    /// yes, for all that anybody knows.
    pub(crate) async fn changed_schema_on(&self, connection: &mut DB::Connection) -> bool {
        if self.refresh.is_zero() {
            return true;
        }
        let known = self.schema.load().edition.fingerprint.clone();
        match (known, DB::fingerprint(connection).await) {
            (Some(known), Ok(seen)) => *known != *seen,
            // A transaction that failed commits nothing.
            (_, Err(error)) => !is_aborted(&error),
            // Nobody ever asked.
            (None, Ok(_)) => true,
        }
    }
}

/// Whether a statement was refused because its transaction had failed before: PostgreSQL's `in_failed_sql_transaction`.
pub(super) fn is_aborted(error: &Error) -> bool {
    matches!(error, Error::Database(error) if error.code().as_deref() == Some("25P02"))
}

async fn look_now_and_then<DB: Backend>(shared: Weak<Shared<DB>>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        // Neither the executor nor a connection is kept between two looks.
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = shared.look().await {
            tracing::debug!(%error, "the schema's fingerprint can't be compared");
        }
    }
}
