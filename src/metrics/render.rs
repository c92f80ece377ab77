//! Metrics as text, for whoever has no recorder.

use super::table::{METRICS, Metric, Read, View};
use super::{LATENCY_QUANTILES, Levels};
use crate::health::Health;
use crate::kv::CacheStats;
use crate::stats::Stats;
use std::fmt::{Display, Write};

/// An executor's metrics in Prometheus' text format, to be answered as `text/plain; version=0.0.4`. They wear no labels but those of the [table](self#), which Prometheus adds its own to.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # async fn example(db: &sqlx_cached::CachingExecutor<sqlx::Sqlite>) {
/// let text = sqlx_cached::metrics::render(&db.stats(), &db.health().await);
/// assert!(text.contains("# TYPE sqlx_cached_hits_total counter\nsqlx_cached_hits_total "));
/// # }
/// ```
pub fn render(stats: &Stats, health: &Health) -> String {
    render_with(stats, health, None, &[])
}

/// The same with the counters of its [`Cache`](crate::Cache), if given, and with further labels, as pairs of a name and a value. A label whose name Prometheus would not take is left out.
pub fn render_with(stats: &Stats, health: &Health, values: Option<&CacheStats>, labels: &[(&str, &str)]) -> String {
    let levels = Levels::from(health);
    let view = View { stats: Some(stats), levels: Some(&levels), values };
    let mut text = Text { text: String::new(), labels: labels.iter().copied().filter(|(name, _)| is_name(name)).collect() };
    for metric in METRICS {
        text.metric(metric, view);
    }
    text.text
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("__")
}

struct Text<'a> {
    text: String,
    labels: Vec<(&'a str, &'a str)>,
}

impl Text<'_> {
    /// Nothing of what is not known.
    fn metric(&mut self, metric: &Metric, View { stats, levels, values }: View<'_>) {
        match (&metric.read, stats, levels, values) {
            (Read::Counter(read), Some(stats), ..) => {
                self.head(metric, "counter");
                self.line(metric.name, "", &[], read(stats));
            }
            (Read::Counters(label, read), Some(stats), ..) => {
                self.head(metric, "counter");
                for (value, number) in read(stats) {
                    self.line(metric.name, "", &[(label, value)], number);
                }
            }
            (Read::Values(read), _, _, Some(values)) => {
                self.head(metric, "counter");
                self.line(metric.name, "", &[], read(values));
            }
            (Read::Gauge(read), _, Some(levels), _) => {
                if let Some(level) = read(levels) {
                    self.head(metric, "gauge");
                    self.line(metric.name, "", &[], level);
                }
            }
            (Read::Latencies(read), Some(stats), ..) => {
                self.head(metric, "summary");
                for (outcome, latency) in read(stats) {
                    let outcome = ("outcome", outcome);
                    if latency.count > 0 {
                        for (quantile, at) in LATENCY_QUANTILES.iter().zip([latency.p50, latency.p90, latency.p99]) {
                            self.line(metric.name, "", &[outcome, ("quantile", quantile)], at.as_secs_f64());
                        }
                    }
                    #[expect(clippy::cast_precision_loss, reason = "a sum for people to divide")]
                    let sum = latency.mean.as_secs_f64() * latency.count as f64;
                    self.line(metric.name, "_sum", &[outcome], sum);
                    self.line(metric.name, "_count", &[outcome], latency.count);
                }
            }
            _ => {}
        }
    }

    // Writing to a String does not fail.
    fn head(&mut self, metric: &Metric, kind: &str) {
        let _ = writeln!(self.text, "# HELP {} {}\n# TYPE {0} {kind}", metric.name, metric.help);
    }

    fn line(&mut self, name: &str, suffix: &str, further: &[(&str, &str)], number: impl Display) {
        let _ = write!(self.text, "{name}{suffix}");
        for (index, (label, value)) in self.labels.iter().chain(further).enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' });
        }
        let end = if self.labels.is_empty() && further.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {number}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Category;
    use crate::stats::{Counters, Reason, count};
    use std::time::Duration;

    fn rendered(labels: &[(&str, &str)]) -> String {
        let counters = Counters::default();
        count(&counters.table("users", Category::Data).hits);
        counters.bypass(Reason::Open);
        counters.insight.hit.note(Duration::from_millis(1));
        let health = Health {
            database: Ok(Duration::ZERO),
            store: None,
            breaker_open: true,
            near: None,
            memory: None,
            catalog: true,
            relations: 1,
            rows: true,
            session_changed: false,
            distrusted: 3,
        };
        render_with(&counters.snapshot(), &health, Some(&CacheStats { hits: 7, ..CacheStats::default() }), labels)
    }

    #[test]
    fn each_line_is_as_prometheus_reads_it() {
        let text = rendered(&[]);
        for line in [
            "# TYPE sqlx_cached_hits_total counter",
            "sqlx_cached_hits_total 1",
            "sqlx_cached_bypasses_total{reason=\"open\"} 1",
            "# TYPE sqlx_cached_latency_seconds summary",
            "sqlx_cached_latency_seconds_count{outcome=\"hit\"} 1",
            "sqlx_cached_latency_seconds_count{outcome=\"miss\"} 0",
            "sqlx_cached_breaker_open 1",
            "sqlx_cached_distrusted_tables 3",
            "sqlx_cached_value_hits_total 7",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("near_bytes") && !text.contains("NaN"), "{text}");
        let at = |quantile: &str| {
            let start = format!("sqlx_cached_latency_seconds{{outcome=\"hit\",quantile=\"{quantile}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(start.as_str())?.parse::<f64>().ok()).unwrap()
        };
        assert!((at("0.5") - 0.001).abs() < 0.0001 && at("0.99") >= at("0.5"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok() && name.starts_with("sqlx_cached_"), "{line}");
        }
    }

    #[test]
    fn labels_are_escaped_and_bad_names_left_out() {
        let text = rendered(&[("cache", "a\"b\\c\nd"), ("2nd", "x"), ("__own", "x"), ("", "x"), ("a-b", "x")]);
        assert!(text.contains("sqlx_cached_hits_total{cache=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
        assert!(text.contains("sqlx_cached_bypasses_total{cache=\"a\\\"b\\\\c\\nd\",reason=\"open\"} 1\n"), "{text}");
        assert!(!text.contains("\"x\""), "{text}");
    }
}
