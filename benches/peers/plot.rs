//! Plots as SVG. Lightness tells the series apart where colours don't, and lines have markers besides.

use super::Result;
use super::measure::count;
use super::report::number;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// From dark to light, in even steps of lightness.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x1e, 0x1e, 0x1e),
    RGBColor(0x5b, 0x2a, 0x6e),
    RGBColor(0xa8, 0x30, 0x4c),
    RGBColor(0xd0, 0x62, 0x2c),
    RGBColor(0xcf, 0x9a, 0x24),
    RGBColor(0x7f, 0xd0, 0xb4),
    RGBColor(0xc8, 0xef, 0xe9),
];

const FONT: &str = "sans-serif";

/// One contender; a value for each group or place.
pub struct Series {
    pub name: String,
    pub values: Vec<Option<f64>>,
}

/// A vertical axis.
#[derive(Clone, Copy)]
struct Axis {
    logarithmic: bool,
    low: f64,
    high: f64,
    /// By how much the picture goes on above, in parts of its height.
    room: f64,
}

impl Axis {
    /// From the power of ten below the values to the one above.
    fn decades(series: &[Series], room: f64) -> Self {
        let values = || series.iter().flat_map(|series| series.values.iter().flatten()).map(|value| value.log10());
        let (low, high) = (values().fold(f64::INFINITY, f64::min).floor(), values().fold(f64::NEG_INFINITY, f64::max).ceil());
        // Without a value any will do.
        let (low, high) = if low.is_finite() { (low, high.max(low + 1.0)) } else { (0.0, 1.0) };
        Self { logarithmic: true, low: 10_f64.powf(low), high: 10_f64.powf(high), room }
    }

    /// From nothing to this.
    fn linear(high: f64) -> Self {
        Self { logarithmic: false, low: 0.0, high, room: 0.0 }
    }

    fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let (low, high) = (self.place(self.low), self.place(self.high));
        let part = (self.place(*value) - low) / ((high - low) * (1.0 + self.room));
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let pixels = (part * f64::from(to - from)).round() as i32;
        from + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        let (low, high) = (self.place(self.low), self.place(self.high));
        let step = if self.logarithmic { 1.0 } else { nice(high / 5.0) };
        let ticks = (0..100_i32).map(|tick| low + step * f64::from(tick)).take_while(|tick| *tick <= high + 1e-9);
        ticks.map(|tick| if self.logarithmic { 10_f64.powf(tick) } else { tick }).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        match *value {
            value if value >= 1.0 => number(value.round()).trim_end_matches(".00").trim_end_matches(".0").to_owned(),
            value => value.to_string(),
        }
    }
}

/// 1, 2 or 5 times a power of ten, about as much as asked for.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    match step / power {
        part if part < 1.5 => power,
        part if part < 3.5 => 2.0 * power,
        part if part < 7.5 => 5.0 * power,
        _ => 10.0 * power,
    }
}

fn text(size: i32, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&BLACK).pos(Pos::new(horizontal, vertical))
}

/// The title, and what is what, in the first 70 pixels.
fn head(root: &Area<'_>, title: &str, names: &[&str], marked: bool) -> Result {
    root.fill(&WHITE)?;
    root.draw_text(title, &text(22, HPos::Left, VPos::Top), (24, 12))?;
    let mut left = 24;
    for (which, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
        if marked {
            root.draw(&PathElement::new([(left, 56), (left + 26, 56)], BLACK.mix(0.45).stroke_width(5)))?;
            root.draw(&PathElement::new([(left, 56), (left + 26, 56)], colour.stroke_width(3)))?;
            mark(root, which, (left + 13, 56), colour)?;
        } else {
            let corners = [(left, 48), (left + 18, 64)];
            root.draw(&Rectangle::new(corners, colour.filled()))?;
            root.draw(&Rectangle::new(corners, BLACK.mix(0.7).stroke_width(1)))?;
        }
        let start = left + if marked { 32 } else { 24 };
        root.draw_text(name, &text(17, HPos::Left, VPos::Center), (start, 56))?;
        left = start + 22 + i32::try_from(name.chars().count() * 8)?;
    }
    Ok(())
}

/// Bars side by side in groups, over a logarithmic axis.
pub fn bars(path: &Path, title: &str, unit: &str, groups: &[String], series: &[Series]) -> Result {
    let root = SVGBackend::new(path, (1200, 600)).into_drawing_area();
    head(&root, title, &series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), false)?;
    // With room for the number above the highest bar.
    let axis = Axis::decades(series, 0.11);
    let mut chart = ChartBuilder::on(&root.margin(76, 10, 10, 20))
        .x_label_area_size(36)
        .y_label_area_size(90)
        .build_cartesian_2d(0.0..count(groups.len()), axis)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.2))
        .y_desc(unit)
        .label_style(text(16, HPos::Left, VPos::Center))
        .axis_desc_style((FONT, 18))
        .draw()?;
    let width = 0.88 / count(series.len());
    for (place, group) in groups.iter().enumerate() {
        for (column, (series, colour)) in series.iter().zip(COLOURS).enumerate() {
            let Some(value) = series.values.get(place).copied().flatten() else { continue };
            let left = count(place) + 0.06 + width * count(column);
            let corners = [(left, axis.low), (left + width * 0.94, value)];
            chart.draw_series([Rectangle::new(corners, colour.filled()), Rectangle::new(corners, BLACK.mix(0.6).stroke_width(1))])?;
            let (x, y) = chart.backend_coord(&(left + width * 0.47, value));
            let style = text(13, HPos::Left, VPos::Center).transform(FontTransform::Rotate270);
            root.draw_text(&number(value), &style, (x, y - 4))?;
        }
        let (x, y) = chart.backend_coord(&(count(place) + 0.5, axis.low));
        root.draw_text(group, &text(17, HPos::Center, VPos::Top), (x, y + 10))?;
    }
    root.present()?;
    Ok(())
}

/// Lines over the same places.
pub struct Panel<'a> {
    pub title: &'a str,
    pub unit: &'a str,
    /// What the horizontal axis shows.
    pub over: &'a str,
    pub places: Vec<String>,
    pub series: Vec<Series>,
    /// The end of a linear axis; without it the axis is logarithmic.
    pub top: Option<f64>,
}

/// Panels whose series have the same names, two abreast.
pub fn lines(path: &Path, title: &str, panels: &[Panel<'_>]) -> Result {
    let (rows, abreast) = (panels.len().div_ceil(2), panels.len().clamp(1, 2));
    let height = 90 + if abreast == 1 { 480 } else { 380 * u32::try_from(rows)? };
    let root = SVGBackend::new(path, (1200, height)).into_drawing_area();
    let names = panels.first().map(|panel| panel.series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>());
    head(&root, title, &names.unwrap_or_default(), true)?;
    for (area, panel) in root.margin(80, 5, 10, 20).split_evenly((rows, abreast)).iter().zip(panels) {
        let axis = panel.top.map_or_else(|| Axis::decades(&panel.series, 0.0), Axis::linear);
        let mut chart = ChartBuilder::on(area)
            .margin_top(14)
            .caption(panel.title, (FONT, 19))
            .margin_right(24)
            .x_label_area_size(50)
            .y_label_area_size(90)
            .build_cartesian_2d(-0.2..count(panel.places.len()) - 0.8, axis)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.2))
            .y_desc(panel.unit)
            .x_desc(panel.over)
            .label_style(text(16, HPos::Left, VPos::Center))
            .axis_desc_style((FONT, 17))
            .draw()?;
        for (which, (series, colour)) in panel.series.iter().zip(COLOURS).enumerate() {
            let points: Vec<_> = series.values.iter().enumerate().filter_map(|(place, value)| Some((count(place), (*value)?))).collect();
            // The lightest would be lost on the paper.
            chart.draw_series(LineSeries::new(points.iter().copied(), BLACK.mix(0.45).stroke_width(5)))?;
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(3)))?;
            for point in &points {
                mark(&root, which, chart.backend_coord(point), colour)?;
            }
        }
        for (place, name) in panel.places.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(count(place), axis.low));
            root.draw_text(name, &text(16, HPos::Center, VPos::Top), (x, y + 8))?;
        }
    }
    root.present()?;
    Ok(())
}

/// One of six shapes, with a rim that shows on any line.
fn mark(root: &Area<'_>, which: usize, (x, y): (i32, i32), colour: RGBColor) -> Result {
    // Corners, and by how much they are turned, in parts of a whole turn.
    let (corners, turned) = [(16, 0.0), (4, 0.125), (3, 0.75), (4, 0.0), (3, 0.25), (5, 0.75)][which % 6];
    let corner = |number: u32| {
        let angle = std::f64::consts::TAU * (f64::from(number) / f64::from(corners) + turned);
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let pixels = |part: f64| (part * 7.0).round() as i32;
        (x + pixels(angle.cos()), y + pixels(angle.sin()))
    };
    let outline: Vec<_> = (0..=corners).map(corner).collect();
    root.draw(&Polygon::new(outline.clone(), colour.filled()))?;
    root.draw(&PathElement::new(outline, BLACK.stroke_width(1)))?;
    Ok(())
}
