//! Numbers for people.

use std::time::Duration;

/// `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let mut number = bytes as f64;
    while number >= 1023.95 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{number:.1} {}", UNITS[unit]) }
}

/// `950 us`, `1.2 ms`, `3.4 s`, `5 m 20 s`, `2 h 5 m`, `3 d 4 h`.
pub fn time(time: Duration) -> String {
    let (micros, seconds) = (time.as_micros(), time.as_secs());
    match seconds {
        0 if micros < 1000 => format!("{micros} us"),
        0 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `1 key`, `2 keys`.
pub fn of(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!(
            [0, 1023, 1024, 1_048_575, 1 << 30, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 GiB", "16777216.0 TiB"]
        );
        let times = [0, 999, 1500, 59_990_000, 320_000_000, 7_500_000_000, 273_600_000_000];
        let said = ["0 us", "999 us", "1.5 ms", "60.0 s", "5 m 20 s", "2 h 5 m", "3 d 4 h"];
        assert_eq!(times.map(|micros| time(Duration::from_micros(micros))), said);
        assert_eq!([of(1, "key"), of(2000, "key")], ["1 key", "2,000 keys"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
