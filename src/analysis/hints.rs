//! What comments ask for: `/* cache: off */`, `-- cache: ttl=30s`, `/* cache: ttl=1m, swr=30s */`.

use super::Hints;
use std::sync::Once;
use std::time::Duration;

/// Reads the hints in a statement's comments. One that is malformed switches the cache off for its statement: whoever wrote it wanted something else than
/// the default, and what can't be known.
pub(super) fn read(comments: &[&str]) -> Hints {
    let mut hints = Hints::default();
    for comment in comments {
        let text = comment.trim();
        let Some(wishes) =
            text.get(..5).filter(|word| word.eq_ignore_ascii_case("cache")).and_then(|_| text[5..].trim_start().strip_prefix(':'))
        else {
            continue;
        };
        for wish in wishes.split(',') {
            match parse(wish.trim()) {
                Some(Wish::Off | Wish::Ttl(Duration::ZERO)) => hints.off = true,
                Some(Wish::Ttl(ttl)) => hints.ttl = Some(ttl),
                Some(Wish::Stale(stale)) => hints.stale = Some(stale),
                None => {
                    static SAID: Once = Once::new();
                    SAID.call_once(|| {
                        tracing::warn!(hint = text, "a cache hint that makes no sense: its statement is not cached (said once)");
                    });
                    hints.off = true;
                }
            }
        }
    }
    hints
}

enum Wish {
    Off,
    /// None at all is the same as off: an answer that is kept for no time is not kept.
    Ttl(Duration),
    Stale(Duration),
}

fn parse(wish: &str) -> Option<Wish> {
    if wish.eq_ignore_ascii_case("off") {
        return Some(Wish::Off);
    }
    let (name, value) = wish.split_once('=')?;
    let wish: fn(Duration) -> Wish = match name.trim().to_ascii_lowercase().as_str() {
        "ttl" => Wish::Ttl,
        "swr" => Wish::Stale,
        _ => return None,
    };
    let value = value.trim();
    let unit = value.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = value[..unit].parse().ok()?;
    let millis = match value[unit..].trim().to_ascii_lowercase().as_str() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(wish(Duration::from_millis(count.checked_mul(millis)?)))
}
