//! Any text, in every dialect: nothing may panic, hang or overflow the stack, and no text may pass for less than it is.
#![no_main]

use sqlx_cached::fuzzing::Databases;
use std::panic;
use std::sync::LazyLock;

static DATABASES: LazyLock<Databases> = LazyLock::new(Databases::default);

libfuzzer_sys::fuzz_target!(init: spare_the_parser(), |bytes: &[u8]| DATABASES.check(&String::from_utf8_lossy(bytes)));

/// A panic inside the parser is caught by the analysis, and is no finding unless it escapes; libFuzzer's own hook would end the run.
fn spare_the_parser() {
    let ends = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|at| at.file().contains("sqlparser")) {
            eprintln!("the parser: {panic}");
        } else {
            ends(panic);
        }
    }));
}
