//! Times, read while the program is compiled.

use std::time::Duration;

/// A time above zero, as in the crate's settings: `"30"` (seconds), `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`.
pub fn read(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(366 * 86400);
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok().filter(|time| !time.is_zero() && *time <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_in_settings() {
        for (text, millis) in [("300", 300_000), ("0.5", 500), ("250ms", 250), ("30s", 30_000), (" 5 M ", 300_000), ("2h", 7_200_000)] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "0ms", "-1", "5 minutes", "m", "367d", "1e300", "NaN", "1 2"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
