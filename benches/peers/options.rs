//! What is to be run, from the command line.

use std::path::PathBuf;
use std::time::Duration;

pub const PARTS: [&str; 7] = ["latency", "costs", "load", "scaling", "zipf", "mix", "payload"];
pub const DATABASES: [&str; 4] = ["postgres", "postgres-tcp", "mariadb", "sqlite"];

/// Run on every database; the others on PostgreSQL, unless a database is named.
const EVERYWHERE: [&str; 2] = ["latency", "costs"];

#[derive(Default)]
pub struct Options {
    words: Vec<String>,
    pub quick: bool,
    out: Option<PathBuf>,
}

impl Options {
    pub fn from_command_line() -> Result<Self, String> {
        let mut options = Self::default();
        for argument in std::env::args().skip(1) {
            match argument.trim_start_matches("--") {
                "quick" => options.quick = true,
                // Cargo's own.
                "bench" => {}
                word if PARTS.contains(&word) || DATABASES.contains(&word) => options.words.push(word.to_owned()),
                word => match word.strip_prefix("out=") {
                    Some(directory) => options.out = Some(directory.into()),
                    None => {
                        return Err(format!(
                            "`{argument}` is none of\n  parts      {}\n  databases  {}\n  others     quick --out=DIRECTORY",
                            PARTS.join(" "),
                            DATABASES.join(" ")
                        ));
                    }
                },
            }
        }
        Ok(options)
    }

    /// Whether this part runs on this database.
    pub fn wants(&self, part: &str, database: &str) -> bool {
        let any_of = |all: &[&str]| self.words.iter().any(|word| all.contains(&word.as_str()));
        let named = |name: &str| self.words.iter().any(|word| word == name);
        let by_default = database == "postgres" || EVERYWHERE.contains(&part);
        (named(part) || !any_of(&PARTS)) && (named(database) || (!any_of(&DATABASES) && by_default))
    }

    /// Where tables and plots go. What is committed is only replaced by a full run of a release build.
    pub fn figures(&self) -> PathBuf {
        let full = self.words.is_empty() && !self.quick && !cfg!(debug_assertions);
        let own = || {
            if full { concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures") } else { concat!(env!("CARGO_TARGET_TMPDIR"), "/figures") }
        };
        self.out.clone().unwrap_or_else(|| own().into())
    }

    pub fn pace(&self) -> Pace {
        if self.quick { Pace::QUICK } else { Pace::FULL }
    }
}

/// How long things are measured.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Of one operation before it is measured.
    pub warm_up: Duration,
    /// Of all contenders of one row together, if they have had `rounds` by then.
    pub row: Duration,
    /// The fewest rounds.
    pub rounds: usize,
    /// Of one contender's turn under load.
    pub slice: Duration,
    /// Turns of each contender under load.
    pub slices: usize,
    /// Reads by each contender before Zipf-distributed ones are measured.
    pub zipf_reads: usize,
    /// Different keys that reads and writes are mixed over.
    pub mixed_keys: u32,
}

impl Pace {
    const FULL: Self = Self {
        warm_up: Duration::from_millis(100),
        row: Duration::from_secs(3),
        rounds: 15,
        slice: Duration::from_millis(200),
        slices: 9,
        zipf_reads: 200_000,
        mixed_keys: 10_000,
    };
    const QUICK: Self = Self {
        warm_up: Duration::from_millis(10),
        row: Duration::from_millis(150),
        rounds: 3,
        slice: Duration::from_millis(60),
        slices: 3,
        zipf_reads: 20_000,
        mixed_keys: 1_000,
    };
}
