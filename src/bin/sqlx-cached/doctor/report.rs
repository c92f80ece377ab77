//! Findings, and how they are shown.

use crate::failure::Exit;
use crate::output::{BAD, GOOD, HEAD, NOTE, WARN, plain, styled, wrapped};
use crate::units;
use anstyle::Style;
use serde_json::{Value, json};
use std::fmt::Write;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    Note,
    Warn,
    Fail,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => GOOD,
            Self::Note => NOTE,
            Self::Warn => WARN,
            Self::Fail => BAD,
        }
    }
}

/// One line of the report.
#[derive(Debug)]
struct Finding {
    level: Level,
    /// What was looked at, in a word that stays the same.
    check: &'static str,
    /// What is the matter, and what to do about it.
    said: String,
}

/// What was found in one place.
#[derive(Debug)]
pub struct Section {
    name: &'static str,
    findings: Vec<Finding>,
}

impl Section {
    fn add(&mut self, level: Level, check: &'static str, said: impl Into<String>) {
        self.findings.push(Finding { level, check, said: said.into() });
    }

    /// It is well.
    pub fn ok(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Level::Ok, check, said);
    }

    /// It may be as it is, and is good to know.
    pub fn note(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Level::Note, check, said);
    }

    /// It works, and not as well as it could.
    pub fn warn(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Level::Warn, check, said);
    }

    /// It does not work.
    pub fn fail(&mut self, check: &'static str, said: impl Into<String>) {
        self.add(Level::Fail, check, said);
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<Section>,
}

impl Report {
    /// Begins a section.
    pub fn section(&mut self, name: &'static str) -> &mut Section {
        self.sections.push(Section { name, findings: Vec::new() });
        self.sections.last_mut().expect("one was pushed")
    }

    fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.sections.iter().flat_map(|section| section.findings.iter().map(|finding| (section.name, finding)))
    }

    fn worst(&self) -> Level {
        self.findings().map(|(_, finding)| finding.level).max().unwrap_or(Level::Ok)
    }

    /// The exit code, by the worst finding.
    pub fn exit(&self) -> Exit {
        match self.worst() {
            Level::Ok | Level::Note => Exit::Fine,
            Level::Warn => Exit::Findings,
            Level::Fail => Exit::Broken,
        }
    }

    /// Lines of at most 80 columns.
    pub fn for_people(&self) -> String {
        /// Where what is said begins.
        const AT: usize = 21;
        let mut text = String::new();
        for section in &self.sections {
            let _ = writeln!(text, "{}", styled(HEAD, section.name));
            for Finding { level, check, said } in &section.findings {
                let lines = wrapped(&plain(said), 80 - AT);
                let level = format!("{}{}", styled(level.style(), level.as_str()), " ".repeat(5 - level.as_str().len()));
                let _ = writeln!(text, "  {level} {check:<12} {}", lines.first().map_or("", String::as_str));
                for line in lines.iter().skip(1) {
                    let _ = writeln!(text, "{:AT$}{line}", "");
                }
            }
        }
        let number = |level| self.findings().filter(|(_, finding)| finding.level == level).count() as u64;
        let (notes, warnings, failures) = (number(Level::Note), number(Level::Warn), number(Level::Fail));
        let worst = styled(self.worst().style(), self.worst().as_str());
        let [notes, warnings, failures] =
            [(notes, "note"), (warnings, "warning"), (failures, "failure")].map(|(number, what)| units::of(number, what));
        let _ = writeln!(text, "{worst}: {notes}, {warnings}, {failures}");
        text
    }

    /// The same as a document.
    pub fn document(&self) -> Value {
        let finding = |(section, finding): (&str, &Finding)| json!({ "section": section, "check": finding.check, "level": finding.level.as_str(), "message": finding.said });
        json!({ "worst": self.worst().as_str(), "findings": self.findings().map(finding).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_lines_stay_short() {
        let mut report = Report::default();
        report.section("settings").note("variables", "a word ".repeat(40));
        assert_eq!(report.exit(), Exit::Fine);
        let section = report.section("redis");
        section.warn("memory", "\x1b[2J");
        assert_eq!(report.exit(), Exit::Findings);
        report.section("database").fail("connection", "x".repeat(200));
        assert_eq!(report.exit(), Exit::Broken);
        let text = anstream::adapter::strip_str(&report.for_people()).to_string();
        assert!(text.lines().filter(|line| !line.contains("xxxx")).all(|line| line.len() <= 80), "{text}");
        assert!(text.contains("\\u{1b}[2J") && text.contains("fail: 1 note, 1 warning, 1 failure"), "{text}");
    }
}
