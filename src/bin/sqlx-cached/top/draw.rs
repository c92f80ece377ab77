//! How `top` looks: a head, what happens, a curve, the operations, and the keys. What there is no room for is left out from the middle.

use super::state::{Order, Rates, State};
use crate::output::plain;
use crate::stats::percent;
use crate::units;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table};

/// Lines of the numbers, and of the curve.
const NUMBERS: u16 = 4;
const CURVE: u16 = 3;

/// Draws all of it.
pub fn draw(frame: &mut Frame, state: &mut State) {
    let area = frame.area();
    let numbers = if area.height >= 9 { NUMBERS } else { 1 };
    let curve = if area.height >= 18 { CURVE } else { 0 };
    let foot = u16::from(area.height >= 6);
    let parts =
        [Constraint::Length(1), Constraint::Length(numbers), Constraint::Length(curve), Constraint::Fill(1), Constraint::Length(foot)];
    let [head_area, numbers_area, curve_area, table_area, foot_area] = Layout::vertical(parts).areas(area);
    head(frame, state, head_area);
    let rates = state.rates();
    frame.render_widget(Paragraph::new(lines(state, &rates)), numbers_area);
    let reads: Vec<u64> = state.curve.iter().rev().copied().take(usize::from(curve_area.width)).collect();
    // The newest at the right.
    let reads: Vec<u64> = reads.into_iter().rev().collect();
    frame.render_widget(Sparkline::default().data(&reads).style(coloured(state, Color::Cyan)), curve_area);
    operations(frame, state, table_area);
    foot_line(frame, state, foot_area);
}

fn coloured(state: &State, colour: Color) -> Style {
    if state.colours { Style::new().fg(colour) } else { Style::new() }
}

fn head(frame: &mut Frame, state: &State, area: Rect) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled("sqlx-cached top", bold)];
    match (&state.trouble, state.last()) {
        (Some(trouble), _) => {
            spans.push(Span::styled(format!("  {}", plain(trouble)), coloured(state, Color::Red).add_modifier(Modifier::BOLD)))
        }
        (None, Some(sample)) => {
            let server = sample.info.as_ref().and_then(|info| info.server.as_deref()).unwrap_or("Redis");
            let day = sample.today.as_ref().map_or(String::new(), |day| format!(", {}", plain(&day.date)));
            spans.push(Span::raw(format!(
                "  {}, namespace {}{day}, every {}",
                plain(server),
                plain(&state.namespace),
                units::time(state.interval)
            )));
        }
        (None, None) => spans.push(Span::raw("  looking...")),
    }
    frame.render_widget(Line::from(spans), area);
}

/// A rate in few digits.
fn rate(rate: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is no greater than a count")]
    if rate >= 99.95 { units::count(rate.round() as u64) } else { format!("{rate:.1}") }
}

fn lines<'a>(state: &State, rates: &Rates) -> Vec<Line<'a>> {
    let today = state.last().and_then(|sample| sample.today.as_ref()?.hit_ratio());
    let ratio = rates.ratio();
    let quality = match ratio.or(today) {
        Some(ratio) if ratio >= 0.8 => Color::Green,
        Some(ratio) if ratio >= 0.5 => Color::Yellow,
        _ => Color::Red,
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let label = |text: &'static str| Span::styled(format!("{text:<13}"), coloured(state, Color::DarkGray));
    let alarm = |text: String, is: bool| {
        if is { Span::styled(text, coloured(state, Color::Red).add_modifier(Modifier::BOLD)) } else { Span::raw(text) }
    };
    let mut memory = vec![label("redis")];
    match state.last().and_then(|sample| sample.info.as_ref()) {
        Some(info) => {
            let limit = info.max_memory.map_or(String::new(), |most| format!(" of {}", units::bytes(most)));
            let keys = units::of(info.keys, "key");
            let clients = units::of(info.connected_clients, "client");
            memory.push(Span::raw(format!("{}{limit}, {keys}", units::bytes(info.used_memory))));
            memory.push(alarm(format!(", {} evicted/s", rate(rates.evicted)), rates.evicted > 0.0));
            memory.push(Span::raw(format!(", {clients}, {} commands/s", rate(rates.commands))));
        }
        None => memory.push(Span::raw("no right to INFO")),
    }
    vec![
        Line::from(vec![
            label("hit ratio"),
            Span::styled(format!("{:>7}", percent(ratio)), if ratio.is_some() { coloured(state, quality).patch(bold) } else { bold }),
            Span::raw(format!(" now, {} today", percent(today))),
        ]),
        Line::from(vec![
            label("reads/s"),
            Span::styled(format!("{:>7}", rate(rates.reads())), bold),
            Span::raw(format!(
                ": {} hits ({} near), {} joined, {} misses",
                rate(rates.hits),
                rate(rates.near_hits),
                rate(rates.joined),
                rate(rates.misses)
            )),
        ]),
        Line::from(vec![
            label("writes/s"),
            Span::styled(format!("{:>7}", rate(rates.writes)), bold),
            Span::raw(format!(": {} invalidations, ", rate(rates.invalidations))),
            alarm(format!("{} errors", rate(rates.errors)), rates.errors > 0.0),
            alarm(format!(", {} stale", rate(rates.stale)), rates.stale > 0.0),
        ]),
        Line::from(memory),
    ]
}

fn operations(frame: &mut Frame, state: &mut State, area: Rect) {
    let rows = state.rows();
    if rows.is_empty() {
        let text = if state.last().is_some() {
            "nothing is counted yet: no program uses this namespace, or CACHE_DAILY_COUNTERS is off"
        } else {
            ""
        };
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let sorted = |order: Order, title: &'static str| {
        let style = if state.order == order {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        };
        Span::styled(title, style)
    };
    let right = |span: Span<'static>| Cell::from(Line::from(span).right_aligned());
    let plain_head = |title: &'static str| Span::styled(title, Style::new().add_modifier(Modifier::BOLD));
    let head = Row::new([
        Cell::from(sorted(Order::Name, "operation")),
        right(sorted(Order::Reads, "reads/s")),
        right(sorted(Order::Ratio, "ratio")),
        right(plain_head("hits/s")),
        right(sorted(Order::Misses, "misses/s")),
        right(plain_head("fills/s")),
        right(sorted(Order::Today, "today")),
    ]);
    let body = rows.iter().map(|row| {
        let [hits, misses, fills] = row.rates.map(rate);
        let numbers = [rate(row.reads()), percent(row.ratio()), hits, misses, fills, units::count(row.today())];
        let numbers = numbers.into_iter().map(|number| right(Span::raw(number)));
        Row::new(std::iter::once(Cell::from(plain(&row.name))).chain(numbers))
    });
    // The names give way last: who has no room sees fewer numbers.
    let numbers = match area.width {
        0..30 => 1,
        30..45 => 2,
        45..62 => 4,
        _ => 6,
    };
    let widths = [Constraint::Fill(1)].into_iter().chain([9, 8, 9, 9, 9, 11].into_iter().take(numbers).map(Constraint::Length));
    let table = Table::new(body, widths).header(head).row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut state.table);
}

fn foot_line(frame: &mut Frame, state: &State, area: Rect) {
    let mut spans = vec![Span::raw("q quit  sort by")];
    for (key, order, name) in Order::ALL {
        let style = if state.order == order { Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED) } else { Style::new() };
        spans.push(Span::raw(format!("  {key} ")));
        spans.push(Span::styled(name, style));
    }
    spans.push(Span::raw("  up/down scroll"));
    frame.render_widget(Line::from(spans).style(coloured(state, Color::DarkGray)), area);
}
