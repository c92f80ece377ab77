//! What the environment says, and what it perhaps was meant to say.

use super::report::Section;
use crate::target::{Global, Target};
use sqlx_cached::Environment;

pub fn examine(target: &Target, global: &Global, section: &mut Section) {
    let environment = &target.environment;
    let set = environment.set().count();
    section.ok("variables", format!("{set} set (REDIS_*, CACHE_*); namespace {}, prefix {}", target.namespace, target.prefix));
    for name in environment.unknown() {
        let meant = meant(name);
        match meant {
            Some(meant) => section.warn("variables", format!("{name} means nothing here: perhaps {meant} was meant")),
            // Whose REDIS_ variables they are, nobody knows.
            None if name.starts_with("CACHE_") => section.warn("variables", format!("{name} means nothing here")),
            None => {}
        }
    }
    if !environment.is_enabled() {
        section.warn("enabled", "REDIS_ENABLED is off: programs with this environment cache nothing");
    }
    match (&target.redis, &global.redis_url) {
        (None, _) => section.note(
            "store",
            "no Redis is named: each process keeps a cache of its own in memory. To share one, set REDIS_URL or one of its kin",
        ),
        (Some(_), Some(_)) if environment.redis().is_none() => {
            section.note("store", "Redis is named by --redis-url alone: programs with this environment keep their cache in memory");
        }
        _ => section.ok("store", "Redis is named"),
    }
}

/// The variable that a name resembles.
fn meant(name: &str) -> Option<&'static str> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let nearest = Environment::known().iter().min_by_key(distance)?;
    // Other programs have variables that begin alike: only what is off by a letter or two in front of them is ours.
    let most = if name.starts_with("CACHE_") { 3 } else { 2 };
    (distance(&nearest) <= most).then_some(*nearest)
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn typing_errors_are_told_from_other_names() {
        assert_eq!(meant("CACHE_TLL_DATA"), Some("CACHE_TTL_DATA"));
        assert_eq!(meant("REDIS_SOKET_PATH"), Some("REDIS_SOCKET_PATH"));
        assert_eq!(meant("REDIS_HOSTNAME_OF_ANOTHER"), None);
        assert_eq!(meant("CACHE_FLAVOUR"), None);
    }
}
