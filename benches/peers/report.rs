//! Tables for people: on standard output as they are done, and as Markdown.

use super::Result;
use std::fmt::Write;
use std::path::PathBuf;

/// A table whose first column is text and whose others are numbers.
pub struct Table {
    title: String,
    note: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: impl Into<String>, note: impl Into<String>, header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { title: title.into(), note: note.into(), rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = format!("\n{}\n", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 { write!(text, "  {cell:<width$}") } else { write!(text, "  {cell:>width$}") };
            }
            text.push('\n');
            if number == 0 {
                let _ = writeln!(text, "  {}", "-".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)));
            }
        }
        if !self.note.is_empty() {
            let _ = writeln!(text, "  {}", self.note);
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("\n### {}\n\n", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if number == 0 {
                let _ = writeln!(text, "|---|{}", "--:|".repeat(row.len().saturating_sub(1)));
            }
        }
        if !self.note.is_empty() {
            let _ = writeln!(text, "\n{}", self.note);
        }
        text
    }
}

/// Everything that a run has to say.
pub struct Report {
    directory: PathBuf,
    markdown: String,
}

impl Report {
    pub fn new(directory: PathBuf, introduction: &str) -> Result<Self> {
        std::fs::create_dir_all(&directory)?;
        println!("{introduction}");
        Ok(Self { directory, markdown: format!("# Benchmarks\n\n{introduction}\n") })
    }

    pub fn add(&mut self, table: &Table) {
        print!("{}", table.text());
        self.markdown.push_str(&table.markdown());
    }

    pub fn add_all(&mut self, tables: &[Table]) {
        for table in tables {
            self.add(table);
        }
    }

    /// Where a figure of this name belongs; it is shown among the tables.
    pub fn figure(&mut self, name: &str, title: &str) -> PathBuf {
        let _ = writeln!(self.markdown, "\n![{title}]({name})");
        self.directory.join(name)
    }

    pub fn finish(self) -> Result {
        std::fs::write(self.directory.join("results.md"), self.markdown)?;
        println!("\nTables and plots are in {}", self.directory.display());
        Ok(())
    }
}

/// Three significant digits or so: 0.123, 1.23, 12.3, 123, 12,345.
pub fn number(value: f64) -> String {
    match value {
        value if !value.is_finite() => "-".into(),
        value if value.abs() < 0.1 => format!("{value:.3}"),
        value if value.abs() < 10.0 => format!("{value:.2}"),
        value if value.abs() < 100.0 => format!("{value:.1}"),
        value => thousands(value),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 0.125 is `1/8.0`; from one up it is `x1.00`.
pub fn part(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() => "-".into(),
        ratio if ratio < 1.0 => format!("1/{}", number(1.0 / ratio)),
        ratio => format!("x{}", number(ratio)),
    }
}

pub fn percent(ratio: f64) -> String {
    if ratio.is_finite() { format!("{:.1} %", ratio * 100.0) } else { "-".into() }
}

/// The machine and the servers, as far as a reader of the numbers must know them.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let version = |program: Option<PathBuf>| {
        let output = program.and_then(|program| std::process::Command::new(program).arg("--version").output().ok())?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        // Some name themselves with the whole path, and none needs all that it says of its build.
        let line = text.lines().find(|line| !line.trim().is_empty())?.rsplit('/').next()?.to_owned();
        Some([" sha=", " for ", " (Debian"].iter().fold(line.trim(), |line, tail| line.split(tail).next().unwrap_or(line)).to_owned())
    };
    let versions = [
        Some(super::support::process::binary("postgres", "postgresql")),
        Some(super::support::process::binary("mariadbd", "mariadb-server")),
        Some(super::support::process::binary("redis-server", "redis-server")),
        super::pgpool::binary(),
    ];
    let versions: Vec<_> = versions.into_iter().filter_map(version).collect();
    format!(
        "sqlx-cached {} on {cores} cores ({model}).\nServers: {}; private ones on the same machine, without durability, which flatters the databases.",
        env!("CARGO_PKG_VERSION"),
        versions.join("; ")
    )
}
