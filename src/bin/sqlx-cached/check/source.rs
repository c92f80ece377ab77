//! Where queries come from: files, and folders of these.

use super::{Kind, metadata};
use crate::statements::statements;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes: nobody writes queries by the hundred megabytes.
const LARGEST: u64 = 32 << 20;

/// How deep folders nest.
const DEEPEST: usize = 32;

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    pub file: PathBuf,
    /// The line on which it begins, in a file of several.
    pub line: Option<u64>,
    pub kind: Kind,
    pub sql: String,
    /// It without the comments around it, for people.
    pub shown: String,
    /// The tables that the database says its columns come from, as the driver calls them.
    pub origins: Vec<String>,
}

/// What is read, and what can't be.
#[derive(Default)]
pub struct Source {
    files: Vec<(PathBuf, Form)>,
    pub queries: Vec<Query>,
    pub unreadable: Vec<(PathBuf, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Metadata,
    Sql,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        match () {
            () if extension.eq_ignore_ascii_case("json") => Some(Self::Metadata),
            () if extension.eq_ignore_ascii_case("sql") => Some(Self::Sql),
            () => None,
        }
    }
}

impl Source {
    /// Notes a file, or those in a folder.
    pub fn find(&mut self, path: &Path) {
        let before = self.files.len() + self.unreadable.len();
        match fs::metadata(path) {
            Err(error) => self.refuse(path, format!("can't be read: {error}")),
            Ok(found) if found.is_dir() => {
                self.enter(path, 0);
                if self.files.len() + self.unreadable.len() == before {
                    self.refuse(path, "holds neither query-*.json nor *.sql");
                }
            }
            Ok(found) if !found.is_file() => self.refuse(path, "is no file"),
            Ok(_) => match Form::of(path) {
                Some(form) => self.files.push((path.to_owned(), form)),
                None => self.refuse(path, "is neither called *.json nor *.sql"),
            },
        }
    }

    /// A folder's, by their names. Links to folders are not followed: they may lead in a circle.
    fn enter(&mut self, folder: &Path, depth: usize) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(folder, format!("can't be read: {error}")),
        };
        let mut paths: Vec<_> = entries.into_iter().map(|entry| (entry.path(), entry.file_type())).collect();
        paths.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (path, kind) in paths {
            if kind.is_ok_and(|kind| kind.is_dir()) {
                if depth < DEEPEST {
                    self.enter(&path, depth + 1);
                } else {
                    self.refuse(&path, "lies too deep");
                }
                continue;
            }
            let query = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("query-"));
            match Form::of(&path) {
                // Not every JSON file is meant.
                Some(form) if (form == Form::Sql || query) && !path.is_dir() => self.files.push((path, form)),
                _ => {}
            }
        }
    }

    fn refuse(&mut self, path: &Path, why: impl Into<String>) {
        self.unreadable.push((path.to_owned(), why.into()));
    }

    /// Whether some of the files don't tell how they are written.
    pub fn has_sql(&self) -> bool {
        self.files.iter().any(|(_, form)| *form == Form::Sql)
    }

    /// Reads what was found.
    pub fn read(&mut self, written: Option<Kind>) {
        for (file, form) in std::mem::take(&mut self.files) {
            let queries = text(&file).and_then(|text| match (form, written) {
                (Form::Metadata, _) => Ok(vec![metadata::read(&file, &text)?]),
                (Form::Sql, Some(kind)) => scripts(&file, kind, &text),
                (Form::Sql, None) => Err("does not tell how it is written".into()),
            });
            match queries {
                Ok(queries) => self.queries.extend(queries),
                Err(why) => self.refuse(&file, why),
            }
        }
    }
}

fn scripts(file: &Path, kind: Kind, text: &str) -> Result<Vec<Query>, String> {
    let statements = statements(kind.syntax(), text).map_err(|error| format!("can't be told apart: {error}"))?;
    let query = |statement: crate::statements::Statement| Query {
        file: file.to_owned(),
        line: Some(statement.line),
        kind,
        sql: text[statement.commented].trim().to_owned(),
        shown: text[statement.text].to_owned(),
        origins: Vec::new(),
    };
    Ok(statements.into_iter().map(query).collect())
}

/// The text of a file of a sensible size.
fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("can't be read: {error}")),
        Ok(_) if bytes.len() as u64 > LARGEST => Err(format!("is larger than {} MiB", LARGEST >> 20)),
        Ok(_) => {
            let text = String::from_utf8(bytes).map_err(|error| format!("is no UTF-8: {}", error.utf8_error()))?;
            // Some editors begin a file so.
            Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
        }
    }
}
