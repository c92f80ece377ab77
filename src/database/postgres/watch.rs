//! PostgreSQL tells of writes by notifications, which triggers send.

use crate::database::{Watch, Watching, Written};
use async_trait::async_trait;
use futures_util::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use sqlx::{Error, Executor};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// The channel that the triggers notify.
pub(crate) const CHANNEL: &str = "sqlx_cached";

/// How long the server may be silent before it is asked whether it is there, and how long it may take to say so. A network that swallows everything is
/// noticed after twice that.
const SILENCE: Duration = Duration::from_secs(5);

/// Notifications that are there already and are dealt with at once.
const BATCH: usize = 1000;

struct Listener {
    listener: PgListener,
    /// What ended the listening while there were notifications to be dealt with first.
    lost: Option<Error>,
}

pub(super) async fn begin(options: PgConnectOptions) -> Result<Watching, Error> {
    // Not the executor's pool, whose only connection somebody may hold while he waits for what this one brings.
    let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = pool.connect_with(options.application_name("sqlx-cached listener")).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    // A lost connection ends this watch: another one begins by forgetting what was missed.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(Watching::By(Box::new(Listener { listener, lost: None })))
}

#[async_trait]
impl Watch for Listener {
    async fn next(&mut self) -> Result<BTreeSet<Written>, Error> {
        if let Some(error) = self.lost.take() {
            return Err(error);
        }
        let first = loop {
            match timeout(SILENCE, self.listener.try_recv()).await {
                Ok(received) => break received?.ok_or_else(connection_lost)?,
                Err(_) => self.is_there().await?,
            }
        };
        let mut written = BTreeSet::from([written(&first)]);
        for _ in 1..BATCH {
            match self.listener.try_recv().now_or_never() {
                Some(Ok(Some(notification))) => _ = written.insert(self::written(&notification)),
                Some(Ok(None)) => self.lost = Some(connection_lost()),
                Some(Err(error)) => self.lost = Some(error),
                None => break,
            }
            if self.lost.is_some() {
                break;
            }
        }
        Ok(written)
    }
}

impl Listener {
    async fn is_there(&mut self) -> Result<(), Error> {
        match timeout(SILENCE, self.listener.execute("SELECT 1")).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(Error::Io(io::ErrorKind::TimedOut.into())),
        }
    }
}

fn connection_lost() -> Error {
    Error::Io(io::ErrorKind::ConnectionAborted.into())
}

fn written(notification: &PgNotification) -> Written {
    if notification.channel() != CHANNEL {
        return Written::Anything;
    }
    parse(notification.payload()).unwrap_or_else(|| {
        // Anybody may notify.
        tracing::warn!(payload = ?notification.payload(), "a notification can't be understood: everything is forgotten");
        Written::Anything
    })
}

fn parse(payload: &str) -> Option<Written> {
    let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
    let text = |name: &str| payload.get(name)?.as_str().map(str::to_owned);
    Some(Written::Table { schema: text("schema")?, table: text("table")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_a_table_or_nothing() {
        let table = Written::Table { schema: "a\"b".into(), table: "ü".into() };
        assert_eq!(parse(r#"{"schema" : "a\"b", "table" : "ü"}"#), Some(table));
        for payload in
            ["", "{}", "null", "[]", "{\"schema\": \"a\"}", "{\"schema\": \"a\", \"table\": 7}", "{\"schema\"", "\u{0}", &"[".repeat(8000)]
        {
            assert_eq!(parse(payload), None, "{payload}");
        }
    }
}
