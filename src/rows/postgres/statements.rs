//! The statements that tell a replay its columns.

use super::learnt::Learnt;
use super::payload::Payload;
use crate::database::Backend;
use crate::rows::{DEADLINE, ReplayError};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use sqlx::postgres::{PgConnection, PgStatement};
use sqlx::{Connection, Error, PgPool, Postgres, SqlStr};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much memory the remembered statements may take, roughly.
const CAPACITY: u64 = 32 << 20;

/// How long a statement that can't be prepared by its text alone is left alone.
const RETRY: Duration = Duration::from_mins(1);

/// What is known of a text.
#[derive(Clone)]
enum Known {
    /// What it looked like when it was last prepared.
    Statement(Arc<Learnt>),
    /// The database refused to prepare it. Asking at every hit would cost more than the hit saves.
    Refused(Instant),
}

/// The statements that this process has met, the least used forgotten.
pub struct Statements {
    known: Cache<SqlStr, Known, Weigher>,
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").field("known", &self.known.len()).finish()
    }
}

impl Statements {
    pub fn new() -> Self {
        // Few shards, since a statement larger than a shard is never kept.
        let options = OptionsBuilder::new().estimated_items_capacity(1024).weight_capacity(CAPACITY).shards(8).build();
        let options = options.expect("both capacities are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { known: Cache::with_options(options, Weigher, hasher, lifecycle) }
    }

    /// Remembers the statement as the connection that has just answered it describes it. Replaces whatever else was remembered: types change,
    /// and of two descriptions the newer one is right.
    pub async fn learn(&self, sql: &SqlStr, connection: &mut PgConnection) {
        let known = self.known.get(sql.as_str());
        match &known {
            // A connection without a statement cache would prepare the statement again under yet another name, and never close it. Once
            // must do.
            Some(Known::Statement(_)) if connection.cached_statements_size() == 0 => return,
            Some(Known::Refused(at)) if at.elapsed() < RETRY => return,
            _ => {}
        }
        // Served from the connection's own cache; but a statement run as non-persistent isn't there, and to parse it waits for locks on its
        // tables.
        let Ok(Ok(statement)) = tokio::time::timeout(DEADLINE, prepare(sql, connection)).await else { return };
        match (known, &statement) {
            // The replay connections know it by its name.
            (Some(Known::Statement(learnt)), Some(statement)) if learnt.is(statement) => {}
            _ => self.known.insert(sql.clone(), Known::of(statement)),
        }
    }

    /// Remembers a statement of which no database was asked.
    #[cfg(any(fuzzing, test))]
    pub fn teach(&self, sql: &SqlStr, statement: PgStatement) {
        self.known.insert(sql.clone(), Known::of(Some(statement)));
    }

    /// A statement with the payload's columns: the caller's own, else the remembered one, else what the database says.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Columns`] if its columns are others, and [`ReplayError::Driver`] if the database does not tell.
    pub async fn fitting(
        &self,
        pool: &PgPool,
        sql: &SqlStr,
        given: Option<&PgStatement>,
        payload: &Payload<'_>,
    ) -> Result<Arc<Learnt>, ReplayError> {
        if let Some(given) = given {
            let learnt = Learnt::unnamed(given.clone()).ok().filter(|learnt| payload.fits(learnt));
            return learnt.map(Arc::new).ok_or(ReplayError::Columns);
        }
        let known = match self.known.get(sql.as_str()) {
            Some(Known::Refused(at)) if at.elapsed() >= RETRY => None,
            known => known,
        };
        let known = match known {
            Some(known) => known,
            None => tokio::time::timeout(DEADLINE, Box::pin(self.known_from(pool, sql)))
                .await
                .unwrap_or(Err(Error::PoolTimedOut))
                .map_err(ReplayError::Driver)?,
        };
        match known {
            Known::Statement(learnt) if payload.fits(&learnt) => Ok(learnt),
            Known::Statement(_) => {
                // The next fill teaches it anew; until then another replay may ask the database.
                self.known.remove(sql.as_str());
                Err(ReplayError::Columns)
            }
            Known::Refused(_) => {
                let reason = "the statement can't be prepared without its arguments' types";
                Err(ReplayError::Driver(Error::Protocol(reason.into())))
            }
        }
    }

    /// Asks the database, one caller at a time for each text.
    async fn known_from(&self, pool: &PgPool, sql: &SqlStr) -> Result<Known, Error> {
        if let Some(Known::Refused(_)) = self.known.peek(sql.as_str()) {
            self.known.remove(sql.as_str());
        }
        match self.known.get_value_or_guard_async(sql).await {
            Ok(known) => Ok(known),
            Err(guard) => {
                let mut connection = pool.acquire().await?;
                let known = Known::of(prepare(sql, &mut connection).await?);
                // Refused only if a fill has taught it meanwhile, and that is the better knowledge.
                let _ = guard.insert(known.clone());
                Ok(known)
            }
        }
    }
}

impl Known {
    fn of(statement: Option<PgStatement>) -> Self {
        let learnt = statement.and_then(|statement| Learnt::named(statement).ok());
        learnt.map_or_else(|| Self::Refused(Instant::now()), |learnt| Self::Statement(Arc::new(learnt)))
    }
}

/// Prepares a statement, or takes it from the connection's cache; nothing if the database refuses.
async fn prepare(sql: &SqlStr, connection: &mut PgConnection) -> Result<Option<PgStatement>, Error> {
    match Postgres::prepare_with(connection, sql.clone(), &[]).await {
        Ok(statement) => Ok(Some(statement)),
        Err(Error::Database(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Weighs statements by the memory that they take, roughly.
#[derive(Clone)]
struct Weigher;

impl Weighter<SqlStr, Known> for Weigher {
    fn weight(&self, sql: &SqlStr, known: &Known) -> u64 {
        let columns = match known {
            Known::Statement(learnt) => learnt.columns().len(),
            Known::Refused(_) => 0,
        };
        (512 + sql.as_str().len() + 192 * columns) as u64
    }
}
