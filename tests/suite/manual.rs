//! What the README and the manual point at is there: tests by their names, headings, files, variables. What they say is for people to check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// What stands between these, wherever it does within one line.
fn between<'a>(text: &'a str, from: &str, to: &str) -> BTreeSet<&'a str> {
    text.lines().flat_map(|line| line.split(from).skip(1)).filter_map(|rest| Some(rest.split_once(to)?.0)).collect()
}

/// Whether the suite has a module, or a test in a module, of this name.
fn is_a_test(name: &str) -> bool {
    let file = |name: &str| at(&format!("tests/suite/{}.rs", name.replace("::", "/")));
    let in_module = |(module, test): (&str, &str)| file(module).is_file() && text(file(module)).contains(&format!("fn {test}"));
    file(name).is_file() || name.rsplit_once("::").is_some_and(in_module)
}

#[test]
fn names_tests_that_there_are() {
    let modules: Vec<String> =
        text(at("tests/suite/main.rs")).lines().filter_map(|line| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())).collect();
    let mut found = 0;
    for page in fs::read_dir(at("src/manual")).unwrap() {
        let page = page.unwrap().path();
        let text = text(&page);
        for name in text.split('`').skip(1).step_by(2).filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c))) {
            if name.split_once("::").is_some_and(|(first, _)| modules.iter().any(|module| module == first)) {
                found += 1;
                assert!(is_a_test(name), "{}: there is no test {name}", page.display());
            }
        }
    }
    assert!(found > 40, "{found}");
    assert!(!is_a_test("faults::races::nothing_of_the_kind") && !is_a_test("nothing::at_all"));
}

/// A heading as links spell it.
fn anchor(heading: &str) -> String {
    let spelt = heading.to_ascii_lowercase().replace(' ', "-");
    spelt.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn leads_somewhere() {
    let readme = text(at("README.md"));
    let headings: BTreeSet<String> =
        readme.lines().filter_map(|line| line.strip_prefix('#')).map(|line| anchor(line.trim_start_matches('#').trim())).collect();
    let links = between(&readme, "](", ")");
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => assert!(headings.contains(heading), "the README has no heading {heading}"),
            None if link.starts_with("https://") => {}
            None => assert!(at(link).exists(), "the README links {link}"),
        }
    }
}

/// A family is written `CACHE_TTL_DATA`, `_SCHEMA`, `_COUNT`.
#[test]
fn every_variable_is_in_the_readme() {
    let (config, readme) = (text(at("src/config.rs")), text(at("README.md")));
    let known = config.split_once("const KNOWN").and_then(|(_, rest)| rest.split_once("];")).expect("the variables").0;
    let known = between(known, "    \"", "\",");
    assert!(known.len() > 50, "{known:?}");
    for name in known {
        let last = name.rsplit_once('_').expect("a name of several words").1;
        assert!(readme.contains(name) || readme.contains(&format!("`_{last}`")), "the README says nothing of {name}");
    }
}
