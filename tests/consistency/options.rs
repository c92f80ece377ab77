//! What is to be run, from the command line.

use std::time::Duration;

/// How long an answer of a near cache may be too old (`CACHE_NEAR_STALENESS`).
pub const NEAR_STALENESS: Duration = Duration::from_millis(250);

/// How the processes are set up, and for how long they run.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Setting {
    pub database: &'static str,
    /// `CACHE_CONSISTENCY`.
    pub mode: &'static str,
    pub near: bool,
    /// Whether a write is refused while its fence can't be set.
    pub refuse: bool,
    pub guard: bool,
    pub sabotage: &'static str,
    pub seconds: u64,
    pub seed: u64,
    /// The deadline of Redis' operations. Without faults it is one that a busy machine keeps, so that nothing needs an excuse.
    pub redis_timeout: Duration,
    pub lease: Duration,
    /// How long answers are kept, where that is to be short.
    pub ttl: Option<Duration>,
    /// Many writes and many reads past the cache, for windows of less than a millisecond.
    pub rush: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            database: "postgres",
            mode: "fenced",
            near: false,
            refuse: false,
            guard: false,
            sabotage: "none",
            seconds: 10,
            seed: 1,
            redis_timeout: Duration::from_secs(5),
            lease: Duration::from_millis(1200),
            ttl: None,
            rush: false,
        }
    }
}

impl Setting {
    /// How long a process may not have heard of an invalidation, in nanoseconds.
    pub fn lag(&self) -> u64 {
        if self.near { u64::try_from(NEAR_STALENESS.as_nanos()).unwrap_or(u64::MAX) } else { 0 }
    }

    pub fn name(&self) -> String {
        let word = |on: bool, word: &'static str| if on { word } else { "" };
        let sabotage = if self.sabotage == "none" { String::new() } else { format!(", without {}", self.sabotage) };
        format!(
            "{}, {}, near {}{}{}{sabotage}, seed {}",
            self.database,
            self.mode,
            if self.near { "on" } else { "off" },
            word(self.refuse, ", writes refused"),
            word(self.guard, ", fences guarded"),
            self.seed
        )
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// A short run of every mode.
    Everything {
        seed: u64,
    },
    One(Setting),
    Campaign {
        setting: Setting,
        minutes: f64,
        only: Option<String>,
    },
    Nothing,
}

pub const USAGE: &str = "\
cargo test --all-features --test consistency -- [options]
    --seconds <n>  --seed <n>
    --database postgres|mariadb       --mode fenced|after_commit|ttl
    --near on|off  --writes proceed|refuse  --guard on|off
    --rush on|off                     many more writes, and reads past the cache
    --lease <ms>                      of the writers' fences
    --sabotage fence|generations      must find violations, or fails
    --campaign [--minutes <n>] [--fault <name>]
without any: a short run of every mode";

/// Reads the arguments. Those that `cargo test` passes to every test binary (filters, `--nocapture`) are not ours.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut setting = Setting::default();
    let (mut one, mut campaign, mut minutes, mut only, mut filtered) = (false, false, 15.0, None, false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = |choices: &[&'static str]| -> Result<&'static str, String> {
            let value = arguments.next().unwrap_or_default();
            choices
                .iter()
                .find(|choice| **choice == value)
                .copied()
                .ok_or_else(|| format!("{argument} {value}: none of {}", choices.join(", ")))
        };
        match argument.as_str() {
            "--database" => setting.database = value(&["postgres", "mariadb"])?,
            "--mode" => setting.mode = value(&["fenced", "after_commit", "ttl"])?,
            "--near" => setting.near = value(&["on", "off"])? == "on",
            "--writes" => setting.refuse = value(&["proceed", "refuse"])? == "refuse",
            "--guard" => setting.guard = value(&["on", "off"])? == "on",
            "--rush" => setting.rush = value(&["on", "off"])? == "on",
            "--sabotage" => setting.sabotage = value(&["none", "fence", "generations"])?,
            "--campaign" => campaign = true,
            "--seconds" | "--seed" | "--lease" | "--minutes" | "--fault" => {
                let text = arguments.next().unwrap_or_default();
                let bad = || format!("{argument} {text}: not a number");
                match argument.as_str() {
                    "--seconds" => setting.seconds = text.parse().map_err(|_| bad())?,
                    "--seed" => setting.seed = text.parse().map_err(|_| bad())?,
                    "--lease" => setting.lease = Duration::from_millis(text.parse().map_err(|_| bad())?),
                    "--minutes" => minutes = text.parse().map_err(|_| bad())?,
                    _ => only = Some(text),
                }
            }
            "--list" => filtered = true,
            "--help" => return Err(USAGE.to_owned()),
            filter if !filter.starts_with('-') => filtered |= !"consistency".contains(filter),
            _ => {}
        }
        one |= matches!(
            argument.as_str(),
            "--database" | "--mode" | "--near" | "--writes" | "--guard" | "--rush" | "--sabotage" | "--seconds"
        );
    }
    setting.rush |= setting.sabotage == "fence" && !campaign;
    if setting.mode == "ttl" {
        setting.ttl = Some(Duration::from_secs(1));
    }
    Ok(match (filtered, campaign, one) {
        (true, ..) => Asked::Nothing,
        (_, true, _) => Asked::Campaign { setting, minutes, only },
        (_, _, true) => Asked::One(setting),
        _ => Asked::Everything { seed: setting.seed },
    })
}
