//! What the executor asks of a database besides its rows: one implementation each for PostgreSQL, MySQL/MariaDB and SQLite.

use crate::analysis::Dialect;
use crate::catalog::{Catalog, Key, Part};
use crate::rows::RowCodec;
use async_trait::async_trait;
use either::Either;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::{Connection, Database, Error, SqlStr};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// A database that [`CachingExecutor`](crate::CachingExecutor) can stand in front of: `Postgres`, `MySql` and `Sqlite`. Sealed.
pub trait Backend:
    Database<Arguments: Debug + Clone + Sync + 'static, Statement: 'static, QueryResult: Debug, Connection: sqlx::migrate::Migrate>
    + sqlx::database::HasStatementCache
    + sealed::Sealed
{
    /// A query without tables whose one row has a column of every kind that the codec tells apart.
    #[doc(hidden)]
    const SELF_TEST: &'static str;

    /// How its SQL is read.
    #[doc(hidden)]
    const DIALECT: Dialect;

    /// How its rows are kept.
    #[doc(hidden)]
    type Codec: RowCodec<Self>;

    /// Whether a statement can be dropped at any of its awaits, and the connection's next one is answered as it should be.
    #[doc(hidden)]
    const CANCEL_SAFE: bool = true;

    /// A connection whose every use fails, to stand where one that is out of step stood.
    #[doc(hidden)]
    fn dead_end() -> BoxFuture<'static, Result<Self::Connection, Error>> {
        Box::pin(std::future::ready(Err(Error::WorkerCrashed)))
    }

    /// `Executor::fetch_many` of a connection. The methods of this kind exist because a generic bound on the connection's `Executor` overflows the trait solver.
    #[doc(hidden)]
    fn fetch_many(connection: &mut Self::Connection, request: Request<Self>) -> Steps<'_, Self>;

    /// `Executor::fetch_optional` of a connection.
    #[doc(hidden)]
    fn fetch_optional(connection: &mut Self::Connection, request: Request<Self>) -> BoxFuture<'_, Result<Option<Self::Row>, Error>>;

    /// `Executor::prepare_with` of a connection.
    #[doc(hidden)]
    fn prepare_with<'e>(
        connection: &'e mut Self::Connection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, Result<Self::Statement, Error>>;

    /// `Executor::describe` of a connection.
    #[doc(hidden)]
    fn describe(connection: &mut Self::Connection, sql: SqlStr) -> BoxFuture<'_, Result<sqlx::Describe<Self>, Error>>;

    /// Who answers, and as whom.
    #[doc(hidden)]
    fn identity(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Identity, Error>>;

    /// Reads the catalog.
    #[doc(hidden)]
    fn catalog(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Catalog, Error>>;

    /// Adds the columns of its tables and views to a catalog.
    #[doc(hidden)]
    fn add_columns<'c>(connection: &'c mut Self::Connection, catalog: &'c mut Catalog) -> BoxFuture<'c, Result<(), Error>>;

    /// A text that is another one whenever the schema is, by one cheap query. Reading, writing and analysing tables leaves it as it is.
    #[doc(hidden)]
    fn fingerprint(connection: &mut Self::Connection) -> BoxFuture<'_, Result<String, Error>>;

    /// The transactions, other than the asking connection's, that run now and may yet commit a write.
    ///
    /// Not to be dropped half-way, and not inside a transaction: SQLite's attempt to lock changes the connection's busy timeout for its duration.
    #[doc(hidden)]
    fn running(connection: &mut Self::Connection) -> BoxFuture<'_, Result<Running, Error>>;

    /// The relations that the statement of this text would write, asked for before it runs; `None` where the database doesn't tell.
    #[doc(hidden)]
    fn foresee<'c>(
        connection: &'c mut Self::Connection,
        catalog: &'c Catalog,
        sql: &'c str,
    ) -> BoxFuture<'c, Result<Option<Vec<Key>>, Error>> {
        let _ = (connection, catalog, sql);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The relations that the transaction on this connection has written, asked for before it commits; `None` where the database doesn't tell. What was
    /// deferred to the commit runs now.
    ///
    /// # Errors
    ///
    /// The database's; also what the commit would have failed with.
    #[doc(hidden)]
    fn recall<'c>(connection: &'c mut Self::Connection, catalog: &'c Catalog) -> BoxFuture<'c, Result<Option<Vec<Key>>, Error>> {
        let _ = (connection, catalog);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Begins to watch writers that use no executor, on a connection of its own.
    #[doc(hidden)]
    fn watch(options: <Self::Connection as Connection>::Options) -> BoxFuture<'static, Result<Watching, Error>>;

    /// The tag of the table that a row's column comes from, as far as the column tells: `Some(Err(name))` for a table that the catalog does not know.
    #[doc(hidden)]
    fn origin(catalog: &Catalog, column: &Self::Column) -> Option<Result<crate::tag::Tag, String>>;

    /// Which column of that table it is, as far as it tells.
    #[doc(hidden)]
    fn part(column: &Self::Column) -> Option<Part>;
}

/// The answer of [`Backend::watch`].
pub enum Watching {
    /// From now on every write is told.
    By(Box<dyn Watch>),
    /// Never, and why.
    Impossible(&'static str),
}

/// Tells of writes, whoever makes them.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next writes.
    ///
    /// # Errors
    ///
    /// Writes may be missed from now on: this watch is over.
    async fn next(&mut self) -> Result<BTreeSet<Written>, Error>;
}

/// What somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// A table, named as the database spells it.
    Table {
        /// The table's schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// Who knows.
    Anything,
}

/// What a statement yields, one at a time: rows, and the summary of each result.
pub type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// What a statement yields, as it comes.
pub type Steps<'a, DB> = BoxStream<'a, Result<Step<DB>, Error>>;

/// The parts of a hash that tell one database and one kind of session from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The database's own identity, not the connection string's: two hosts both say localhost.
    pub database: String,
    /// Whatever of the session and of the server's version a row may depend on: role, search path, time zone, isolation, `sql_mode` and the like.
    pub session: String,
}

/// Which transactions run, each named so that no later transaction has the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// All of them.
    Transactions(BTreeSet<String>),
    /// The session may not see them.
    NotPermitted,
}

/// A statement taken out of the caller's query: owned, so that it can run on a task of its own.
pub struct Request<DB: Database> {
    /// The text.
    pub sql: SqlStr,
    /// The prepared statement that the caller holds, if any.
    pub statement: Option<DB::Statement>,
    /// `None` runs unprepared (`raw_sql`), which differs from prepared with no arguments.
    pub arguments: Option<DB::Arguments>,
    /// Whether the connection may keep the statement prepared.
    pub persistent: bool,
}

impl<DB: Database> Request<DB> {
    /// Takes the query apart, as a connection would.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] where an argument could not be encoded.
    pub fn new<'q, E: sqlx::Execute<'q, DB>>(mut query: E) -> Result<Self, Error> {
        let statement = query.statement().cloned();
        // Before its arguments are taken: a `Map`, and so what the macros make, tells by whether it still has them.
        let persistent = query.persistent();
        let arguments = query.take_arguments().map_err(Error::Encode)?;
        Ok(Self { sql: query.sql(), statement, arguments, persistent })
    }

    /// The same once more.
    pub(crate) fn again(&self) -> Self
    where
        DB::Arguments: Clone,
    {
        Self { sql: self.sql.clone(), statement: self.statement.clone(), arguments: self.arguments.clone(), persistent: self.persistent }
    }
}

impl<DB: Database> sqlx::Execute<'_, DB> for Request<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, sqlx::error::BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// Joins the parts of an identity so that no two lists give one text.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn distinct(parts: impl IntoIterator<Item = Option<String>>) -> String {
    serde_json::Value::from_iter(parts).to_string()
}

/// For a database that nothing names for certain: an identity that is shared with nobody.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn random_id() -> String {
    format!("random {:032x}", rand::random::<u128>())
}

mod sealed {
    /// Keeps [`Backend`](super::Backend) ours to implement.
    pub trait Sealed {}
    #[cfg(feature = "mysql")]
    impl Sealed for sqlx::MySql {}
    #[cfg(feature = "postgres")]
    impl Sealed for sqlx::Postgres {}
    #[cfg(feature = "sqlite")]
    impl Sealed for sqlx::Sqlite {}
}

/// The methods that only pass a request on to a connection's own `Executor`: the same text for every database, once per database.
macro_rules! passing_on {
    () => {
        fn fetch_many(connection: &mut Self::Connection, request: Request<Self>) -> Steps<'_, Self> {
            sqlx::Executor::fetch_many(connection, request)
        }

        fn fetch_optional(connection: &mut Self::Connection, request: Request<Self>) -> BoxFuture<'_, Result<Option<Self::Row>, Error>> {
            sqlx::Executor::fetch_optional(connection, request)
        }

        fn prepare_with<'e>(
            connection: &'e mut Self::Connection,
            sql: SqlStr,
            parameters: &'e [Self::TypeInfo],
        ) -> BoxFuture<'e, Result<Self::Statement, Error>> {
            sqlx::Executor::prepare_with(connection, sql, parameters)
        }

        fn describe(connection: &mut Self::Connection, sql: SqlStr) -> BoxFuture<'_, Result<sqlx::Describe<Self>, Error>> {
            sqlx::Executor::describe(connection, sql)
        }
    };
}

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
