//! Whether what `information_schema` shows is all there is.

use super::{Catalog, string};
use sqlx::Error;
use sqlx::mysql::MySqlConnection;

/// Whether the current user sees the triggers of every table of a database: they are shown only to those who have the TRIGGER privilege.
pub async fn sees_triggers(connection: &mut MySqlConnection, database: &str, catalog: &Catalog) -> Result<bool, Error> {
    let mut lines = Vec::new();
    for row in sqlx::raw_sql("SHOW GRANTS").fetch_all(connection).await? {
        lines.push(string(&row, 0)?);
    }
    Ok(proves(&lines, database, |name| catalog.fold(name)))
}

/// Whether these lines of `SHOW GRANTS` give TRIGGER on the whole database. Only lines that leave no doubt count.
fn proves(lines: &[String], database: &str, fold: impl Fn(&str) -> String) -> bool {
    // MySQL's partial revokes take a part out of a global privilege.
    let revoked = lines.iter().any(|line| !line.starts_with("GRANT ") && !line.starts_with("SET DEFAULT ROLE "));
    let mut of_database = None;
    for line in lines {
        let Some((privileges, rest)) = line.strip_prefix("GRANT ").and_then(|line| line.split_once(" ON ")) else { continue };
        // Column privileges and granted roles, whose names may be anything.
        if privileges.contains(['(', '`', '\'', '"']) {
            continue;
        }
        let trigger = privileges.split(", ").any(|privilege| matches!(privilege, "TRIGGER" | "ALL PRIVILEGES" | "ALL"));
        if rest.starts_with("*.* TO ") {
            if trigger && !revoked {
                return true;
            }
        } else if let Some(pattern) = quoted(rest)
            && fold(&pattern.replace('\\', "")) == fold(database)
        {
            // Of several patterns for one database the most specific counts, and which that is need not be known if all agree.
            of_database = Some(of_database.unwrap_or(true) && trigger);
        }
    }
    of_database.unwrap_or(false) && !revoked
}

/// The database in "`database`.* TO ...".
fn quoted(rest: &str) -> Option<String> {
    let mut rest = rest.strip_prefix('`')?;
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('`')?;
        name.push_str(part);
        match after.strip_prefix('`') {
            Some(after) => {
                name.push('`');
                rest = after;
            }
            None => return after.starts_with(".* TO ").then_some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(lines: &[&str]) -> bool {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        proves(&lines, "my_app", str::to_owned)
    }

    #[test]
    fn the_privilege_must_hold_for_the_whole_database() {
        assert!(proven(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]));
        assert!(proven(&["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT, TRIGGER ON `my_app`.* TO `u`@`%`"]));
        assert!(proven(&["GRANT ALL PRIVILEGES ON `my\\_app`.* TO `u`@`%`"]));
        assert!(proven(&["GRANT `role` TO `u`@`%`", "GRANT TRIGGER ON `my_app`.* TO `role`"]));
        assert!(!proven(&["GRANT SELECT, INSERT ON `my_app`.* TO `u`@`%`"]));
        assert!(!proven(&["GRANT TRIGGER ON `other`.* TO `u`@`%`"]));
        assert!(!proven(&["GRANT TRIGGER ON `my_app`.`one` TO `u`@`%`"]));
        assert!(!proven(&["GRANT TRIGGER ON `my%`.* TO `u`@`%`"]), "a more specific line may be absent");
        assert!(!proven(&["GRANT TRIGGER ON `my\\_app`.* TO `u`@`%`", "GRANT SELECT ON `my_app`.* TO `u`@`%`"]));
        assert!(!proven(&["GRANT TRIGGER ON *.* TO `u`@`%`", "REVOKE TRIGGER ON `my_app`.* FROM `u`@`%`"]));
    }

    #[test]
    fn names_prove_nothing() {
        assert!(!proven(&["GRANT SELECT (`a`, TRIGGER ON *.* TO `) ON `x`.`y` TO `u`@`%`"]));
        assert!(!proven(&["GRANT `, TRIGGER, ` ON *.* TO `u`@`%`"]));
        assert!(!proven(&["GRANT SELECT ON `x``.* TO ` TO `u`@`%`", "GRANT TRIGGER ON `my_app``.* TO `.* TO `u`@`%`"]));
        assert!(!proven(&[]));
    }
}
