//! The triggers by which PostgreSQL tells of everybody's writes.

use super::{CachingExecutor, outcome_is_known};
use crate::tag::Tag;
use sqlx::{AssertSqlSafe, Connection, Error, Postgres, Row};
use std::sync::Arc;

/// The function's body. The catalog knows it to the letter, as that of a trigger that writes nothing.
const BODY: &str = "BEGIN PERFORM pg_catalog.pg_notify('sqlx_cached', pg_catalog.json_build_object('schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME)::pg_catalog.text); RETURN NULL; END";

/// The tables that have not got both triggers, always enabled: the chosen ones with all above and below them, or all but an extension's own.
const WITHOUT: &str = "
    WITH RECURSIVE chosen(oid) AS (
        SELECT name::pg_catalog.regclass::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name
        UNION
        SELECT CASE WHEN h.inhparent = c.oid THEN h.inhrelid ELSE h.inhparent END
        FROM chosen c JOIN pg_catalog.pg_inherits h ON c.oid IN (h.inhparent, h.inhrelid)
    )
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), pg_catalog.current_setting('server_version_num')::pg_catalog.int4
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE CASE WHEN $1 IS NULL
               THEN c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                    WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
               ELSE c.oid IN (SELECT oid FROM chosen) AND c.relkind NOT IN ('i', 'I')
          END
      AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
           WHERE t.tgrelid = c.oid AND t.tgname IN ('sqlx_cached_changed', 'sqlx_cached_truncated') AND t.tgenabled = 'A'
             AND p.proname = 'sqlx_cached_notify' AND p.prosrc = $2) < 2
    ORDER BY 1";

/// One at a time: two who replace a function at once fail.
const LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sqlx_cached_notify', 0))";

impl CachingExecutor<Postgres> {
    /// Puts triggers on tables that tell of every write, for executors built with [`external_writers`](crate::Builder::external_writers); returns how many tables
    /// got them. Those that have them are left alone, so it may be called at every start, and is to be called again when tables were added.
    ///
    /// The tables are named as a statement would name them, and their partitions, children and parents come along; `None` is every table but an
    /// extension's. It runs this, the function in the current schema:
    ///
    /// ```sql
    /// CREATE OR REPLACE FUNCTION sqlx_cached_notify() RETURNS trigger LANGUAGE plpgsql AS
    /// $$BEGIN PERFORM pg_catalog.pg_notify('sqlx_cached', pg_catalog.json_build_object('schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME)::pg_catalog.text); RETURN NULL; END$$;
    ///
    /// CREATE TRIGGER sqlx_cached_changed AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION sqlx_cached_notify();
    /// CREATE TRIGGER sqlx_cached_truncated AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION sqlx_cached_notify();
    /// ALTER TABLE t ENABLE ALWAYS TRIGGER sqlx_cached_changed, ENABLE ALWAYS TRIGGER sqlx_cached_truncated;
    /// ```
    ///
    /// A migration may do the same; the function's body must stay as it is to the letter, or the catalog takes it for one that may write anything.
    ///
    /// Each table is locked for a moment against writers, and the lock waits for those that are at work. A transaction that notifies takes a lock of the whole server at its commit and can't be prepared for a commit in two phases. What logical replication
    /// brings fires no statement's triggers.
    ///
    /// # Errors
    ///
    /// The database's: a name that means no table, or no privilege to create triggers on it.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it goes on, on a task of its own.
    pub async fn install_change_notifications(&self, tables: Option<&[&str]>) -> Result<usize, Error> {
        let (installed, scripts) = self.notification_scripts(tables).await?;
        if installed > 0 {
            self.change_schema(scripts).await?;
        }
        Ok(installed)
    }

    /// What [`install_change_notifications`](Self::install_change_notifications) would run now, as one script for a migration: nothing for tables that have got the triggers. It changes nothing.
    ///
    /// # Errors
    ///
    /// The database's: a name that means no table.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn change_notifications_sql(&self, tables: Option<&[&str]>) -> Result<String, Error> {
        let (_, scripts) = self.notification_scripts(tables).await?;
        Ok(scripts.into_iter().flatten().map(|statement| statement + ";\n").collect())
    }

    /// How many tables have not got the triggers, and what gives them to each, the function first.
    async fn notification_scripts(&self, tables: Option<&[&str]>) -> Result<(usize, Vec<Vec<String>>), Error> {
        let chosen: Option<Vec<String>> = tables.map(|tables| tables.iter().map(|&table| table.to_owned()).collect());
        let without = sqlx::query(WITHOUT).bind(chosen).bind(BODY).persistent(false).fetch_all(self.pool()).await?;
        if without.is_empty() {
            return Ok((0, Vec::new()));
        }
        let function =
            format!("CREATE OR REPLACE FUNCTION sqlx_cached_notify() RETURNS trigger LANGUAGE plpgsql AS $notify${BODY}$notify$");
        let mut scripts = vec![vec![function]];
        for row in &without {
            let (table, version): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            let mut script = Vec::new();
            for (name, events) in [("sqlx_cached_changed", "INSERT OR UPDATE OR DELETE"), ("sqlx_cached_truncated", "TRUNCATE")] {
                // To drop one takes a lock that readers wait for, too, and was the only way before PostgreSQL 14.
                let create = if version >= 140_000 { "CREATE OR REPLACE" } else { "CREATE" };
                if version < 140_000 {
                    script.push(format!("DROP TRIGGER IF EXISTS {name} ON {table}"));
                }
                script.push(format!(
                    "{create} TRIGGER {name} AFTER {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION sqlx_cached_notify()"
                ));
                script.push(format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"));
            }
            scripts.push(script);
        }
        Ok((without.len(), scripts))
    }

    /// Takes away what [`install_change_notifications`](Self::install_change_notifications) has put in the current schema.
    ///
    /// # Errors
    ///
    /// The database's.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way it goes on, on a task of its own.
    pub async fn uninstall_change_notifications(&self) -> Result<(), Error> {
        // The triggers depend on it.
        self.change_schema(vec![vec!["DROP FUNCTION IF EXISTS sqlx_cached_notify() CASCADE".to_owned()]]).await
    }

    /// Runs scripts of ours, each in a transaction, within one span, as DDL of the program's would be.
    async fn change_schema(&self, scripts: Vec<Vec<String>>) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let changing = tokio::spawn(async move {
            let mut connection = shared.pool.acquire().await?;
            let span = match &shared.engine {
                Some(engine) => Some((engine, engine.begin([Tag::all(), Tag::schema()].into()).await?)),
                None => None,
            };
            let changed = async {
                // One by one: nobody waits for a lock on one table while he holds one on another.
                for script in scripts {
                    let mut transaction = connection.begin().await?;
                    sqlx::raw_sql(LOCK).execute(&mut *transaction).await?;
                    for statement in script {
                        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
                    }
                    transaction.commit().await?;
                }
                Ok(())
            };
            let changed = changed.await;
            let Some((engine, span)) = span else { return changed };
            match &changed {
                Err(error) if !outcome_is_known(error) => {
                    let shared = Arc::clone(&shared);
                    span.end_when_over(async move { shared.reload().await });
                }
                _ => {
                    shared.reload_on(&mut connection).await;
                    let ended = span.end().await;
                    if changed.is_ok() {
                        shared.acknowledge(engine, ended, Ok(()), Some(&mut connection), true).await?;
                    }
                }
            }
            changed
        });
        changing.await.unwrap_or(Err(Error::WorkerCrashed))
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::Dialect;
    use crate::analysis::body::{Language, read};
    use crate::catalog::Catalog;

    #[test]
    fn the_triggers_write_nothing() {
        let catalog = Catalog::new(Dialect::Postgres, Vec::new(), false);
        let code = read(Dialect::Postgres, Language::Procedural, super::BODY, &catalog);
        assert!(code.opaque.is_none() && code.writes.is_empty() && code.calls.is_empty(), "{code:?}");
    }
}
