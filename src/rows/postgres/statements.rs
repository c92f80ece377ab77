//! The statements that tell a replay its columns.

use super::DEADLINE;
use super::payload::Payload;
use super::shape::{self, Fingerprint};
use crate::database::Backend;
use crate::rows::ReplayError;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use sqlx::postgres::{PgConnection, PgStatement};
use sqlx::{Connection, Error, PgPool, Postgres, SqlStr, Statement};
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

struct Learnt {
    fingerprint: Fingerprint,
    statement: PgStatement,
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

    /// Remembers the statement as the connection that has just answered it describes it. Always replaces what was remembered: types change,
    /// and of two descriptions the newer one is right.
    pub async fn learn(&self, sql: &SqlStr, connection: &mut PgConnection) {
        match self.known.get(sql.as_str()) {
            // A connection without a statement cache would prepare the statement again under yet another name, and never close it. Once
            // must do.
            Some(Known::Statement(_)) if connection.cached_statements_size() == 0 => return,
            Some(Known::Refused(at)) if at.elapsed() < RETRY => return,
            _ => {}
        }
        // Served from the connection's own cache; but a statement run as non-persistent isn't there, and to parse it waits for locks on its
        // tables.
        if let Ok(Ok(known)) = tokio::time::timeout(DEADLINE, ask(sql, connection)).await {
            self.known.insert(sql.clone(), known);
        }
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
    ) -> Result<PgStatement, ReplayError> {
        if let Some(given) = given {
            let fits = shape::fingerprint(given.columns()).is_ok_and(|fingerprint| payload.fits(&fingerprint, given.columns()));
            return if fits { Ok(given.clone()) } else { Err(ReplayError::Columns) };
        }
        let known = match self.known.get(sql.as_str()) {
            Some(Known::Refused(at)) if at.elapsed() >= RETRY => None,
            known => known,
        };
        let known = match known {
            Some(known) => known,
            None => tokio::time::timeout(DEADLINE, self.known_from(pool, sql))
                .await
                .unwrap_or(Err(Error::PoolTimedOut))
                .map_err(ReplayError::Driver)?,
        };
        match known {
            Known::Statement(learnt) if payload.fits(&learnt.fingerprint, learnt.statement.columns()) => Ok(learnt.statement.clone()),
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
                let known = ask(sql, &mut connection).await?;
                // Refused only if a fill has taught it meanwhile, and that is the better knowledge.
                let _ = guard.insert(known.clone());
                Ok(known)
            }
        }
    }
}

/// Prepares a statement, or takes it from the connection's cache.
async fn ask(sql: &SqlStr, connection: &mut PgConnection) -> Result<Known, Error> {
    match Postgres::prepare_with(connection, sql.clone(), &[]).await {
        Ok(statement) => match shape::fingerprint(statement.columns()) {
            Ok(fingerprint) => Ok(Known::Statement(Arc::new(Learnt { fingerprint, statement }))),
            Err(_) => Ok(Known::Refused(Instant::now())),
        },
        Err(Error::Database(_)) => Ok(Known::Refused(Instant::now())),
        Err(error) => Err(error),
    }
}

/// Weighs statements by the memory that they take, roughly.
#[derive(Clone)]
struct Weigher;

impl Weighter<SqlStr, Known> for Weigher {
    fn weight(&self, sql: &SqlStr, known: &Known) -> u64 {
        let columns = match known {
            Known::Statement(learnt) => learnt.statement.columns().len(),
            Known::Refused(_) => 0,
        };
        (512 + sql.as_str().len() + 192 * columns) as u64
    }
}
