use super::draw::draw;
use super::state::{Order, Sample, State};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use ratatui::style::Color;
use sqlx_cached::DayStats;
use sqlx_cached::store::StoreInfo;
use std::time::{Duration, Instant};

fn day(number: u64, operations: &[(&str, [u64; 3])]) -> DayStats {
    let mut day = DayStats::default();
    day.date = "2026-11-22".to_owned();
    for (name, [hits, misses, fills]) in operations {
        let stats = day.operations.entry((*name).to_owned()).or_default();
        (stats.hits, stats.misses, stats.fills) = (hits * number, misses * number, fills * number);
        day.hits += hits * number;
        day.misses += misses * number;
    }
    (day.near_hits, day.writes, day.invalidations, day.store_errors) = (day.hits / 2, number, 2 * number, number / 2);
    day
}

fn info(number: u64) -> StoreInfo {
    let mut info = StoreInfo::default();
    info.server = Some("Redis 7.0.15".to_owned());
    (info.used_memory, info.max_memory, info.keys, info.connected_clients) = (5 << 20, Some(100 << 20), 1234, 4);
    (info.commands_processed, info.evicted_keys) = (500 * number, 10 * number);
    info
}

const OPERATIONS: [(&str, [u64; 3]); 3] = [("users:data", [90, 10, 10]), ("orders:count", [1, 9, 9]), ("evil\x1b[2J", [50, 0, 0])];

/// After looks at second 0 and 10, in which everything was counted ten times.
fn looked(colours: bool) -> State {
    let mut state = State::new("sql", Duration::from_secs(2), colours);
    let start = Instant::now();
    for (second, number) in [(0, 10), (10, 20)] {
        let days = [day(number, &OPERATIONS), day(1, &[("users:data", [5, 5, 5]), ("old:data", [1, 1, 1])])];
        state.add(Ok(Sample::new(start + Duration::from_secs(second), &days, Some(info(number)))));
    }
    state
}

fn drawn(state: &mut State, width: u16, height: u16) -> (Vec<String>, bool) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    let coloured = buffer.content().iter().any(|cell| !matches!(cell.fg, Color::Reset));
    ((0..height).map(line).collect(), coloured)
}

#[test]
fn eighty_columns_show_rates_and_the_table() {
    let (lines, coloured) = drawn(&mut looked(true), 80, 24);
    let text = lines.join("\n");
    assert_eq!(lines[0], "sqlx-cached top  Redis 7.0.15, namespace sql, 2026-11-22, every 2.0 s");
    assert_eq!(lines[1], "hit ratio     88.1 % now, 88.1 % today");
    assert_eq!(lines[2], "reads/s          160: 141 hits (70.5 near), 0.0 joined, 19.0 misses");
    assert_eq!(lines[3], "writes/s         1.0: 2.0 invalidations, 0.5 errors, 0.0 stale");
    assert_eq!(lines[4], "redis        5.0 MiB of 100.0 MiB, 1,234 keys, 10.0 evicted/s, 4 clients, 500 com");
    let table: Vec<_> = lines[8..].iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(table[0], "operation reads/s ratio hits/s misses/s fills/s today");
    assert_eq!(table[1], "users:data 100 90.0 % 90.0 10.0 10.0 2,000");
    assert_eq!(table[2], "evil\\u{1b}[2J 50.0 100.0 % 50.0 0.0 0.0 1,000", "{text}");
    assert_eq!(table[3], "orders:count 10.0 10.0 % 1.0 9.0 9.0 200");
    assert_eq!(table[4], "old:data 0.0 - 0.0 0.0 0.0 0");
    assert!(lines[23].starts_with("q quit  sort by  r reads  h ratio"), "{text}");
    assert!(coloured);
}

#[test]
fn keys_sort_and_scroll() {
    let mut state = looked(true);
    let mut first = |key| {
        state.press(KeyCode::Char(key));
        drawn(&mut state, 80, 24).0[9].split_whitespace().next().map(str::to_owned)
    };
    assert_eq!(first('h').as_deref(), Some("orders:count"));
    assert_eq!(first('n').as_deref(), Some("evil\\u{1b}[2J"));
    assert_eq!(first('m').as_deref(), Some("users:data"));
    assert_eq!(first('x').as_deref(), Some("users:data"));
    assert_eq!(state.order, Order::Misses);
    for key in [KeyCode::Down, KeyCode::PageDown, KeyCode::PageUp, KeyCode::Up, KeyCode::Home, KeyCode::End, KeyCode::Enter] {
        state.press(key);
        drawn(&mut state, 80, 24);
    }
}

#[test]
fn no_size_is_too_small_and_nothing_is_no_trouble() {
    let nothing = || State::new("sql", Duration::from_secs(2), true);
    let failing = || {
        let mut state = looked(true);
        state.add(Err("Redis is gone\x1b[2J".to_owned()));
        state
    };
    for make in [&(|| looked(true)) as &dyn Fn() -> State, &nothing, &failing] {
        for (width, height) in [(20, 5), (1, 1), (2, 40), (300, 2), (30, 9), (45, 18), (500, 200)] {
            drawn(&mut make(), width, height);
        }
    }
    let (lines, _) = drawn(&mut looked(true), 20, 5);
    assert!(lines[0].starts_with("sqlx-cached top"));
    assert!(lines[1].starts_with("hit ratio"));
    assert!(lines[3].starts_with("users:data") && lines[3].ends_with("100"), "{lines:?}");
    assert!(drawn(&mut failing(), 80, 24).0[0].contains("Redis is gone\\u{1b}[2J"));
    assert!(drawn(&mut nothing(), 80, 24).0[0].contains("looking"));
}

#[test]
fn without_colours_there_are_none_and_a_reset_is_no_rate() {
    let mut state = looked(false);
    assert!(!drawn(&mut state, 80, 24).1);
    state.add(Ok(Sample::new(Instant::now() + Duration::from_secs(20), &[], None)));
    let rates = state.rates();
    assert!(rates.reads() == 0.0 && rates.ratio().is_none());
    assert!(drawn(&mut state, 80, 24).0[4].contains("no right to INFO"));
}
