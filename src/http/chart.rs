//! The dashboard's charts: SVG, drawn here, so that the page needs no library.

use crate::insight::Sample;
use plotters::prelude::*;

/// Units of the picture in one pixel: its coordinates are whole numbers, and lines look jagged on so coarse a grid.
const FINE: u32 = 4;

const HEIGHT: u32 = 190;

/// Colours stand for roles, to which the page's style gives those of a light or a dark screen.
const TEXT: RGBColor = RGBColor(0, 0, 0x10);
const GRID: RGBColor = RGBColor(0, 0, 0x20);
const LINES: [RGBColor; 3] = [RGBColor(0, 0, 0x31), RGBColor(0, 0, 0x32), RGBColor(0, 0, 0x33)];

/// The least widths of a picture's time, in minutes; the first one that holds all samples is taken.
const SPANS: [f64; 5] = [2.0, 5.0, 15.0, 30.0, 60.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chart {
    HitRatio,
    Reads,
    Writes,
    Freshness,
}

/// One line: what it is called, and its value in a sample, if it has one there.
type Line = (&'static str, fn(&Sample) -> Option<f64>);

impl Chart {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::HitRatio, Self::Reads, Self::Writes, Self::Freshness].into_iter().find(|chart| chart.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::HitRatio => "hit-ratio",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Freshness => "freshness",
        }
    }

    fn lines(self) -> &'static [Line] {
        match self {
            Self::HitRatio => &[("hit ratio in per cent", |sample| {
                let spared = sample.hits + sample.joined;
                share(spared, spared + sample.misses)
            })],
            Self::Reads => &[
                ("hits per second", |sample| rate(sample, sample.hits + sample.joined)),
                ("misses per second", |sample| rate(sample, sample.misses)),
                ("bypasses per second", |sample| rate(sample, sample.bypasses)),
            ],
            Self::Writes => &[
                ("writes per second", |sample| rate(sample, sample.writes)),
                ("invalidations per second", |sample| rate(sample, sample.invalidations)),
            ],
            Self::Freshness => {
                &[("stale answers in per cent of those checked", |sample| share(sample.stale, sample.checked + sample.stale))]
            }
        }
    }

    /// The picture of these samples, so many pixels wide; none where there is nothing to show.
    ///
    /// # Errors
    ///
    /// What the drawing library says.
    pub(super) fn draw(self, samples: &[Sample], width: u32) -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(last) = samples.last() else { return Ok(None) };
        let lines: Vec<Points> = self.lines().iter().map(|(_, value)| Points::of(samples, last.at_unix_ms, *value)).collect();
        let oldest = lines.iter().flat_map(Points::all).map(|(minutes, _)| -minutes).fold(0.0, f64::max);
        let highest = lines.iter().flat_map(Points::all).map(|(_, value)| value).fold(0.0, f64::max);
        if lines.iter().all(|line| line.all().next().is_none()) {
            return Ok(None);
        }
        let span = SPANS.into_iter().find(|span| oldest <= *span).unwrap_or(oldest);
        let most = if self == Self::HitRatio { 100.0 } else { above(highest) };
        let mut svg = String::new();
        self.draw_into(&mut svg, &lines, (span, most), width)?;
        let words: Vec<_> = self.lines().iter().map(|(name, _)| *name).collect();
        let size = format!(r#"width="{}" height="{}""#, width * FINE, HEIGHT * FINE);
        let label =
            format!(r#"width="{width}" height="{HEIGHT}" role="img" aria-label="{} over the last {span:.0} minutes""#, words.join(", "));
        Ok(Some(svg.replacen(&size, &label, 1)))
    }

    fn draw_into(
        self,
        svg: &mut String,
        lines: &[Points],
        (span, most): (f64, f64),
        width: u32,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let root = SVGBackend::with_string(svg, (width * FINE, HEIGHT * FINE)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8 * FINE)
            .margin_right(20 * FINE)
            .x_label_area_size(24 * FINE)
            .y_label_area_size(50 * FINE)
            .build_cartesian_2d(-span..0.0, 0.0..most)
            .map_err(text)?;
        // The backend divides by 1.24.
        let font = ("sans-serif", f64::from(12 * FINE) * 1.24).into_font().color(&TEXT);
        let per_cent = matches!(self, Self::HitRatio | Self::Freshness);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(FINE))
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.stroke_width(FINE))
            .set_all_tick_mark_size(6 * FINE)
            .label_style(font)
            .x_labels(if width < 420 { 4 } else { 7 })
            .y_labels(5)
            .x_label_formatter(&|minutes| if *minutes > -0.01 { "now".to_owned() } else { format!("\u{2212}{} min", minutes.abs()) })
            .y_label_formatter(&|value| if per_cent { format!("{} %", tidy(*value)) } else { short(*value) })
            .draw()
            .map_err(text)?;
        for (line, colour) in lines.iter().zip(LINES) {
            for part in &line.0 {
                if lines.len() == 1 {
                    chart.draw_series(AreaSeries::new(part.iter().copied(), 0.0, colour.mix(0.14))).map_err(text)?;
                }
                chart.draw_series(LineSeries::new(part.iter().copied(), colour.stroke_width(2 * FINE))).map_err(text)?;
                // One point makes no line.
                if let [point] = part[..] {
                    chart.draw_series([Circle::new(point, 2 * FINE, colour.filled())]).map_err(text)?;
                }
            }
        }
        drop(chart);
        root.present().map_err(text)?;
        Ok(())
    }
}

/// Runs of points without a gap: minutes before now, and values.
struct Points(Vec<Vec<(f64, f64)>>);

impl Points {
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn of(samples: &[Sample], now: u64, value: fn(&Sample) -> Option<f64>) -> Self {
        let places = samples.iter().map(|sample| (-(now.saturating_sub(sample.at_unix_ms) as f64 / 60_000.0), value(sample)));
        let places: Vec<_> = places.collect();
        let runs = places.split(|(_, value)| value.is_none()).filter(|run| !run.is_empty());
        Self(runs.map(|run| run.iter().filter_map(|(minutes, value)| Some((*minutes, (*value)?))).collect()).collect())
    }

    fn all(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.iter().flatten().copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn rate(sample: &Sample, count: u64) -> Option<f64> {
    (sample.seconds > 0.0).then(|| count as f64 / sample.seconds)
}

/// A round number above all values: 1, 2 or 5 times a power of ten.
fn above(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value).max(1.0)
}

/// A number in few characters.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", tidy(value / 1e6)),
        value if value >= 1e3 => format!("{}k", tidy(value / 1e3)),
        value => tidy(value),
    }
}

fn tidy(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn text(error: impl std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Chart; 4] = [Chart::HitRatio, Chart::Reads, Chart::Writes, Chart::Freshness];

    fn samples(samples: impl IntoIterator<Item = Sample>) -> Vec<Sample> {
        let placed = |(index, sample)| Sample { at_unix_ms: 1_700_000_000_000 + 10_000 * index as u64, seconds: 10.0, ..sample };
        samples.into_iter().enumerate().map(placed).collect()
    }

    #[test]
    fn each_line_is_drawn_with_a_gap_where_there_is_no_value() {
        let (some, none) = (Sample { hits: 3, misses: 1, ..Sample::default() }, Sample::default());
        let svg = Chart::HitRatio.draw(&samples([some, some, none, some, none, some, some]), 640).unwrap().unwrap();
        assert_eq!((svg.matches(r##"stroke="#000031""##).count(), svg.matches("<circle").count()), (3, 1), "{svg}");
        assert!(
            svg.starts_with(r#"<svg width="640" height="190" role="img" aria-label="hit ratio in per cent over the last 2 minutes""#),
            "{svg}"
        );
        assert!(svg.contains("100 %") && svg.contains("now") && svg.trim_end().ends_with("</svg>"), "{svg}");
        let svg = Chart::Reads.draw(&samples([some, some]), 640).unwrap().unwrap();
        for colour in ["#000031", "#000032", "#000033"] {
            assert_eq!(svg.matches(&format!(r#"stroke="{colour}""#)).count(), 1, "{colour}");
        }
        for chart in ALL {
            assert_eq!(chart.draw(&[], 640).unwrap(), None);
        }
        assert_eq!(Chart::Freshness.draw(&samples([some, some]), 640).unwrap(), None, "nothing was checked");
    }

    #[test]
    fn no_sample_is_too_odd_to_be_drawn() {
        let numbers = [0, 1, 7, 1000, 999_999, u64::MAX];
        for chart in ALL {
            for hits in numbers {
                for misses in numbers {
                    for (at, seconds) in [(0, 10.0), (u64::MAX, 1e-9), (1, 0.0), (2, f64::NAN), (3, f64::INFINITY), (0, -1.0)] {
                        // Sums of counters stay below what a counter holds.
                        let (hits, misses) = (hits / 4, misses / 4);
                        let one = Sample {
                            at_unix_ms: at,
                            seconds,
                            hits,
                            misses,
                            writes: hits,
                            checked: hits,
                            stale: misses,
                            ..Sample::default()
                        };
                        let other = Sample { at_unix_ms: 5_000_000, seconds: 10.0, ..one };
                        for (samples, width) in [(vec![one], 240), (vec![one, other], 1600), (vec![other, one], 640)] {
                            let drawn = chart.draw(&samples, width).unwrap();
                            assert!(drawn.is_none_or(|svg| svg.len() < 100_000), "{chart:?} {samples:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_are_short_and_round() {
        let texts = [0.0, 0.25, 3.0, 999.9, 1000.0, 2500.0, 1e6, 1.5e9].map(short);
        assert_eq!(texts, ["0", "0.2", "3", "999.9", "1k", "2.5k", "1M", "1500M"]);
        let tops = [0.0, 0.3, 1.0, 1.1, 2.0, 3.0, 51.0, 100.0].map(|most| short(above(most)));
        assert_eq!(tops, ["1", "1", "1", "2", "2", "5", "100", "100"]);
    }
}
