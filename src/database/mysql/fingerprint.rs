//! MySQL's and MariaDB's schema has no cheap digest; but the server counts its statements by kind since it started. The counters are the server's, so DDL in another
//! database of it counts, too.

use sqlx::mysql::MySqlConnection;
use sqlx::{Error, Row};
use std::collections::BTreeSet;

/// What a counter is called behind `Com_`, if it counts DDL. Those that a server has not, it does not show.
fn counts_ddl(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some(command) = name.strip_prefix("com_") else { return false };
    // Temporary tables are their connection's own. MySQL has no counters of theirs and counts them with the others.
    let passing = command.contains("temporary") || matches!(command, "drop_prepare_sql" | "create_savepoint");
    let verb = command.split('_').next().unwrap_or_default();
    !passing
        && (matches!(verb, "create" | "alter" | "drop" | "rename" | "grant" | "revoke")
            || command == "install_plugin"
            || command == "uninstall_plugin")
}

/// How often the clock is asked again because it went on meanwhile.
const ATTEMPTS: usize = 5;

pub(super) async fn read(connection: &mut MySqlConnection) -> Result<String, Error> {
    let mut before = clock(connection).await?;
    for _ in 0..ATTEMPTS {
        let mut counters = BTreeSet::new();
        let mut uptime = None;
        for row in sqlx::raw_sql(COUNTERS).fetch_all(&mut *connection).await? {
            let (name, value): (String, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
            if name.eq_ignore_ascii_case("uptime") {
                uptime = value.parse::<i64>().ok();
            } else if counts_ddl(&name) && value != "0" {
                counters.insert(format!("{name}={value}"));
            }
        }
        // When the server started, after which it counted from zero: exact if both were said within one second of the clock.
        let after = clock(connection).await?;
        if before == after {
            counters.extend(uptime.map(|uptime| format!("start={}", before - uptime)));
            return Ok(counters.into_iter().collect::<Vec<_>>().join(" "));
        }
        before = after;
    }
    Err(Error::Protocol("the server's clock does not stand still for a moment".into()))
}

const COUNTERS: &str = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com\\_%' OR Variable_name = 'Uptime'";

async fn clock(connection: &mut MySqlConnection) -> Result<i64, Error> {
    sqlx::raw_sql("SELECT UNIX_TIMESTAMP()")
        .fetch_one(&mut *connection)
        .await?
        .try_get_unchecked::<String, _>(0)?
        .parse()
        .map_err(|_| Error::RowNotFound)
}
