//! The memory watch, as variables say it.

use super::Variables;
use crate::error::Error;
use crate::policy::MemoryWatch;

const NAME: &str = "CACHE_MEMORY_WATCH";

impl Variables<'_> {
    /// `off`, `on`, or the two thresholds in percent. What is said of a watch is checked whether there is one or not.
    pub(super) fn memory_watch(&self) -> Result<Option<MemoryWatch>, Error> {
        let mut watch = MemoryWatch::default();
        let on = match self.get(NAME).map(|value| (value, thresholds(value))) {
            Some((_, Some((short, full)))) => {
                watch = watch.thresholds(short, full);
                true
            }
            Some((value, None)) => {
                self.boolean(NAME).map_err(|_| {
                    Error::setting(NAME, value, "is neither on nor off, nor two percentages with a comma between them, the lesser first")
                })? == Some(true)
            }
            None => false,
        };
        watch.interval = self.duration("CACHE_MEMORY_WATCH_INTERVAL")?.unwrap_or(watch.interval);
        if let Err((_, _, reason)) = watch.check() {
            return Err(Error::setting("CACHE_MEMORY_WATCH_INTERVAL", self.get("CACHE_MEMORY_WATCH_INTERVAL").unwrap_or_default(), reason));
        }
        watch.limit = self.number("CACHE_MEMORY_WATCH_LIMIT", 1..=u64::MAX)?;
        watch.factor = self.number("CACHE_MEMORY_WATCH_FACTOR", 1..=u32::MAX)?.unwrap_or(watch.factor);
        Ok(on.then_some(watch))
    }
}

/// Two percentages, the lesser first; they may wear percent signs.
fn thresholds(text: &str) -> Option<(u8, u8)> {
    let number = |text: &str| text.trim().trim_end_matches('%').trim_end().parse::<u8>().ok();
    let (short, full) = text.split_once(',')?;
    let (short, full) = (number(short)?, number(full)?);
    MemoryWatch::default().thresholds(short, full).check().is_ok().then_some((short, full))
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;
    use std::time::Duration;

    fn watch(variables: &[(&str, &str)]) -> Option<MemoryWatch> {
        read(variables).unwrap().memory_watch
    }

    #[test]
    fn thresholds_are_read_as_people_write_them() {
        assert_eq!(watch(&[]), None);
        assert_eq!(watch(&[(NAME, "off"), ("CACHE_MEMORY_WATCH_FACTOR", "2")]), None);
        assert_eq!(watch(&[(NAME, "On")]), Some(MemoryWatch::new()));
        assert_eq!(watch(&[(NAME, "70%, 95 %")]), Some(MemoryWatch::new().thresholds(70, 95)));
        let all = [
            (NAME, "1,2"),
            ("CACHE_MEMORY_WATCH_INTERVAL", "250ms"),
            ("CACHE_MEMORY_WATCH_LIMIT", "1000"),
            ("CACHE_MEMORY_WATCH_FACTOR", "10"),
        ];
        let expected = MemoryWatch::new().thresholds(1, 2).interval(Duration::from_millis(250)).limit(1000).factor(10);
        assert_eq!(watch(&all), Some(expected));
    }

    #[test]
    fn what_is_neither_is_refused_by_name() {
        for (name, value) in [
            (NAME, "80"),
            (NAME, "80,"),
            (NAME, "80,80"),
            (NAME, "80,101"),
            (NAME, "-1,5"),
            (NAME, "perhaps"),
            ("CACHE_MEMORY_WATCH_INTERVAL", "1ms"),
            ("CACHE_MEMORY_WATCH_INTERVAL", "0"),
            ("CACHE_MEMORY_WATCH_LIMIT", "0"),
            ("CACHE_MEMORY_WATCH_FACTOR", "0"),
        ] {
            let error = read(&[(name, value)]).map(|_| ()).expect_err(name);
            assert!(error.is_setting() && error.to_string().contains(name) && error.to_string().contains(value), "{error}");
        }
    }
}
