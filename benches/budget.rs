//! What a hit within reach costs, counted instead of timed: instructions and allocations, compared with what is written down in `benches/budget.txt`.
//!
//!     cargo bench --bench budget --all-features                # prints, and fails where something costs more than it did
//!     cargo bench --bench budget --all-features -- --update    # writes it down anew
//!
//! Instructions are those of the program (not the kernel's), counted by valgrind's callgrind: the same program runs with fewer and with more hits, and the difference is divided
//! among the hits. Allocations are those of the calling thread. Both include what sqlx takes on either side of the executor, and the user's own decoding. SQLite in memory, and
//! the embedded store.

use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};
use sqlx::{FromRow, Row};
use sqlx_cached::CachingExecutor;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, ExitCode};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;
type Db = CachingExecutor<sqlx::Sqlite>;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/budget.txt");

/// How much more it may be: another compiler counts a little differently.
const TOLERANCE: f64 = 0.10;

/// Hits of the two runs that are compared, after those that warm up.
const FEW: u64 = 1_600;
const MANY: u64 = 4_800;

const POINT: &str = "SELECT id, name, price FROM product WHERE id = ?";
const PAGE: &str = "SELECT id, name, price FROM product WHERE id > ? ORDER BY id LIMIT 20";

struct Product {
    id: i64,
    name: String,
    price: f64,
}

impl FromRow<'_, SqliteRow> for Product {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self { id: row.try_get(0)?, name: row.try_get(1)?, price: row.try_get(2)? })
    }
}

/// What is counted.
#[derive(Clone, Copy)]
enum Case {
    /// One row by `fetch_one`: one of the ready-made, which are made now and then.
    Row,
    /// The same, already decoded.
    SharedRow,
    /// Twenty rows.
    Page,
    /// The same, already decoded.
    SharedPage,
}

/// Where rows are made, SQLite's worker takes part, and how often the two wait for each other is never the same: there the instructions are only shown.
const CASES: [(&str, Case, bool); 4] = [
    ("row", Case::Row, false),
    ("shared-row", Case::SharedRow, true),
    ("page-of-20", Case::Page, false),
    ("shared-page-of-20", Case::SharedPage, true),
];

impl Case {
    async fn run(self, db: &Db) -> Result {
        match self {
            Self::Row => {
                let product: Product = sqlx::query_as(POINT).bind(7_i64).fetch_one(db).await?;
                assert!(product.id == 7 && product.name.len() == 9 && product.price > 0.0);
            }
            Self::SharedRow => {
                let product = db.fetch_one_shared(sqlx::query_as::<_, Product>(POINT).bind(7_i64)).await?;
                assert!(product.id == 7);
            }
            Self::Page => {
                let products: Vec<Product> = sqlx::query_as(PAGE).bind(7_i64).fetch_all(db).await?;
                assert!(products.len() == 20);
            }
            Self::SharedPage => {
                let products = db.fetch_all_shared(sqlx::query_as::<_, Product>(PAGE).bind(7_i64)).await?;
                assert!(products.len() == 20);
            }
        }
        Ok(())
    }
}

async fn database() -> Result<Db> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::raw_sql(
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL);
         INSERT INTO product SELECT value, printf('Product %d', value), value * 1.5 FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28]')",
    )
    .execute(&pool)
    .await?;
    Ok(CachingExecutor::builder(pool).schema_refresh(std::time::Duration::ZERO).build().await?)
}

/// Runs one case so often, and counts the calling thread's allocations; they are as many each time, but for those that make rows now and then.
fn run(case: Case, times: u64) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let db = database().await?;
        for _ in 0..200 {
            case.run(&db).await?;
        }
        let before = db.stats();
        let mut outcome = Ok(());
        let mut allocations = 0;
        for _ in 0..times {
            // A hit waits for nobody, so one poll is all of it; what waits is counted over all its polls.
            let mut hit = Box::pin(case.run(&db));
            outcome = std::future::poll_fn(|cx| {
                let mut polled = std::task::Poll::Pending;
                let counted = allocation_counter::measure(|| polled = hit.as_mut().poll(cx));
                allocations += counted.count_total;
                polled
            })
            .await;
            if outcome.is_err() {
                break;
            }
        }
        outcome?;
        let after = db.stats();
        assert_eq!(after.near_hits - before.near_hits, times, "what is counted as a hit within reach must have been one");
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        Ok(allocations as f64 / times as f64)
    })
}

/// The instructions of a run under callgrind.
fn instructions(name: &str, times: u64) -> Result<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--case", name, "--times", &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind can't be run ({error}); on Debian: apt install valgrind"))?;
    let said = String::from_utf8_lossy(&run.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(number) if run.status.success() => Ok(number),
        _ => Err(format!("valgrind: {}: {said}", run.status).into()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn per_hit(name: &str) -> Result<f64> {
    Ok(instructions(name, MANY)?.saturating_sub(instructions(name, FEW)?) as f64 / (MANY - FEW) as f64)
}

/// Instructions and allocations by case.
fn written_down() -> Result<BTreeMap<String, (f64, f64)>> {
    let mut known = BTreeMap::new();
    for line in std::fs::read_to_string(BASELINE)?.lines().filter(|line| !line.starts_with('#')) {
        let [name, instructions, allocations] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("benches/budget.txt: {line:?}").into());
        };
        known.insert(name.to_owned(), (instructions.parse()?, allocations.parse()?));
    }
    Ok(known)
}

fn compare(update: bool) -> Result<bool> {
    let known = if update { BTreeMap::new() } else { written_down()? };
    let mut lines =
        String::from("# case, instructions and allocations of one read; `cargo bench --bench budget --all-features -- --update`\n");
    let mut kept = true;
    println!("{:<20}{:>14}{:>12}{:>14}{:>12}", "one read", "instructions", "before", "allocations", "before");
    for (name, case, counted) in CASES {
        let (instructions, allocations) = (per_hit(name)?, run(case, FEW)?);
        writeln!(lines, "{name} {instructions:.0} {allocations:.2}")?;
        let before = known.get(name).copied();
        let of = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
        print!("{name:<20}{instructions:>14.0}{:>12}", of(before.map(|before| before.0), 0));
        println!("{allocations:>14.2}{:>12}", of(before.map(|before| before.1), 2));
        match before {
            Some(before)
                if (counted && instructions > before.0 * (1.0 + TOLERANCE)) || allocations > before.1 * (1.0 + TOLERANCE) + 0.1 =>
            {
                println!("  more than a tenth above what it was");
                kept = false;
            }
            None if !update => {
                println!("  not written down");
                kept = false;
            }
            _ => {}
        }
    }
    if update {
        std::fs::write(BASELINE, lines)?;
    }
    Ok(kept)
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    if let (Some(name), Some(times)) = (value("--case"), value("--times")) {
        let (_, case, _) = CASES.into_iter().find(|(other, ..)| other == name).ok_or("no such case")?;
        run(case, times.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        println!("A debug build: the numbers mean nothing. `cargo bench` makes a release build.");
    }
    let kept = compare(arguments.iter().any(|argument| argument == "--update"))?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
