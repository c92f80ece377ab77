//! What is printed: a text for people, or one JSON document.

use crate::failure::Failure;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use unicode_width::UnicodeWidthStr;

/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is to be known.
pub const NOTE: Style = AnsiColor::Cyan.on_default();
/// What is to be looked at.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What does not work.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What a table's columns are called.
pub const HEAD: Style = Style::new().bold();

/// Where a command's answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document instead of text.
    pub json: bool,
}

impl Output {
    /// Prints the text, or the document if that was asked for. Text may be styled: the stream takes styles away where nobody sees them, or `NO_COLOR` is set.
    pub fn print(self, text: &str, document: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(document).map_err(|error| Failure::of("the answer is no JSON", error))?;
            return write(&format!("{}\n", escaped_json(&text)));
        }
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write(&format!("{text}{end}"))
    }
}

/// Writes text to the standard output.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes bytes as they are.
pub fn write_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Says something beside the answer. Where nobody listens, it is not said.
pub fn tell(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Whether a character would do something to a terminal, or to the order of what stands around it, instead of being seen.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Text that others chose, on one line, without anything that acts on a terminal.
pub fn plain(text: &str) -> String {
    if !text.contains(acts) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut plain, c| {
        if acts(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
        plain
    })
}

/// The same with its line breaks.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// A JSON text of which nothing acts on a terminal either; it means the same. What JSON itself escapes is escaped already, and outside of strings there is nothing to escape but line breaks.
fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Text in lines of so many columns, broken between words; a longer word has a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.is_empty() || line.width() + 1 + word.width() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Columns side by side; those named in `right` to the right. Cells must be [`plain`], and bear no style.
pub fn table(head: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).chain([head[column].width()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.width().min(*width));
            let gap = if column == 0 { "" } else { "  " };
            let _ = if right.contains(&column) { write!(line, "{gap}{padding}{cell}") } else { write!(line, "{gap}{cell}{padding}") };
        }
        line.trim_end().to_owned()
    };
    let mut text = format!("{}\n", styled(HEAD, &line(head)));
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let _ = writeln!(text, "{}", line(&cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_and_not_done() {
        assert_eq!(plain("kv:user:7 \u{fc}"), "kv:user:7 \u{fc}");
        assert_eq!(plain("a\x1b[2Jb\r\n\u{9b}c\u{202e}d\u{7f}"), "a\\u{1b}[2Jb\\r\\n\\u{9b}c\\u{202e}d\\u{7f}");
        let text = "\x1b[2J\u{9b}\u{202e}\u{7f}\u{e0041}\n";
        let json = escaped_json(&serde_json::to_string(text).unwrap());
        assert!(!json.contains(acts), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn columns_are_as_wide_as_they_look() {
        let text = table(&["key", "n"], &[1], &[vec!["\u{6f22}".into(), "1".into()], vec!["abc".into(), "10".into()]]);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(text, "key   n\n\u{6f22}    1\nabc  10\n");
    }
}
