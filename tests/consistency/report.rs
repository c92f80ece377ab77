//! What a run has shown, and whether that is what was promised.

use super::check::{Excuse, KINDS, Kind, Violation};
use super::clock::millis;
use super::history::History;
use super::options::Setting;
use super::shapes;

/// What the run's circumstances allow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Fences may have been lost: without their guard, nobody promises P3.
    pub fences_lost: bool,
    /// Errors are to be expected, since the database was made to fail.
    pub database_fails: bool,
}

/// What was found, for a verdict and for a sum of several runs.
#[derive(Debug, Default)]
pub struct Findings {
    /// Violations of what was promised.
    pub broken: usize,
    /// Violations that are forgiven, and the longest of each excuse.
    pub kept: Vec<u64>,
    pub lost_with_process: Vec<u64>,
    /// Violations of P3 where nobody promises it, after fences were lost.
    pub fences_lost: Vec<u64>,
    /// How old answers of the near cache were.
    pub near: Vec<u64>,
    /// Errors that nothing but the cache can have caused.
    pub errors: usize,
    pub refused: usize,
    pub reads: usize,
    pub writes: usize,
    pub unknown: usize,
    pub hits: u64,
    pub near_hits: u64,
    pub misses: u64,
}

impl Findings {
    pub fn add(&mut self, other: Self) {
        self.broken += other.broken;
        self.kept.extend(other.kept);
        self.lost_with_process.extend(other.lost_with_process);
        self.fences_lost.extend(other.fences_lost);
        self.near.extend(other.near);
        self.errors += other.errors;
        self.refused += other.refused;
        self.reads += other.reads;
        self.writes += other.writes;
        self.unknown += other.unknown;
        self.hits += other.hits;
        self.near_hits += other.near_hits;
        self.misses += other.misses;
    }

    /// Prints what is forgiven, or within its bound.
    pub fn print(&mut self) {
        print_times("near answers older than an acknowledged write", &mut self.near);
        print_times("between acknowledgement and delivery of a kept invalidation", &mut self.kept);
        print_times("the kept invalidation died with its process", &mut self.lost_with_process);
        print_times("fences were lost, and not guarded", &mut self.fences_lost);
    }
}

/// Whether this violation is one in these circumstances. Otherwise it is listed where it belongs.
fn is_broken(setting: &Setting, circumstances: Circumstances, history: &History, violation: &Violation, findings: &mut Findings) -> bool {
    let Violation { kind, staleness, excuse, .. } = violation;
    let timely = matches!(kind, Kind::Torn | Kind::Invented);
    if timely {
        return true;
    }
    match setting.mode {
        "ttl" => {
            let ttl = setting.ttl.map_or(u64::MAX, |ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX));
            // The rows were read, at the earliest, one read's time before they were kept.
            *staleness > ttl.saturating_add(history.slowest)
        }
        "after_commit" => matches!(kind, Kind::Acknowledged | Kind::Deleted | Kind::OwnWrite) && !setting.near,
        _ => {
            if !setting.refuse {
                match excuse {
                    Some(Excuse::Kept) => {
                        findings.kept.push(*staleness);
                        return false;
                    }
                    Some(Excuse::LostWithItsProcess) => {
                        findings.lost_with_process.push(*staleness);
                        return false;
                    }
                    None => {}
                }
            }
            let lost = circumstances.fences_lost && !setting.guard;
            if lost && matches!(kind, Kind::Seen | Kind::Reader | Kind::Process) {
                findings.fences_lost.push(*staleness);
                return false;
            }
            if setting.near && matches!(kind, Kind::Acknowledged | Kind::Deleted | Kind::Seen | Kind::Reader) {
                if matches!(kind, Kind::Acknowledged | Kind::Deleted) {
                    findings.near.push(*staleness);
                }
                // A process stays monotonic; others may lag, but not for longer than this.
                return u128::from(*staleness) > super::options::NEAR_STALENESS.as_nanos();
            }
            true
        }
    }
}

/// Prints what was found, and judges it.
pub fn report(setting: &Setting, circumstances: Circumstances, history: &History, violations: &[Violation]) -> Findings {
    let [hits, near_hits, misses, _] = history.counted(0, u64::MAX);
    let mut findings =
        Findings { reads: history.reads, writes: history.writes, unknown: history.unknown, hits, near_hits, misses, ..Findings::default() };
    println!("  {} reads, {} writes ({} of unknown outcome)", history.reads, history.writes, history.unknown);
    println!("  {} hits of which {} near, {} misses: {:.0}% hits", hits, near_hits, misses, ratio(hits, misses) * 100.0);
    let mut shown = 0;
    for (kind, name) in KINDS {
        let mine: Vec<_> = violations.iter().filter(|violation| violation.kind == kind).collect();
        let broken: Vec<_> =
            mine.iter().filter(|violation| is_broken(setting, circumstances, history, violation, &mut findings)).copied().collect();
        findings.broken += broken.len();
        let longest = mine.iter().map(|violation| violation.staleness).max().unwrap_or_default();
        if !mine.is_empty() {
            println!("  {name}: {}, the longest {}; not allowed: {}", mine.len(), millis(longest), broken.len());
        }
        for violation in broken.iter().take(4) {
            shown += 1;
            show(history, violation);
        }
    }
    if shown == 0 {
        println!("  violations of what is promised: 0");
    }
    findings.print();
    errors(setting, circumstances, history, &mut findings);
    findings
}

fn errors(setting: &Setting, circumstances: Circumstances, history: &History, findings: &mut Findings) {
    let mut shown = 0;
    for failure in &history.failures {
        let refused = setting.refuse && failure.writing && matches!(failure.class.as_str(), "refused" | "pending");
        let explained =
            failure.class == "deadlock" || (circumstances.database_fails && matches!(failure.class.as_str(), "killed" | "io" | "pool"));
        if refused {
            findings.refused += 1;
        } else if !explained {
            findings.errors += 1;
            if shown < 5 {
                shown += 1;
                let name = &history.processes[failure.process].name;
                println!("  an error reached process {name} at {}: {} ({})", failure.time, failure.text, failure.class);
            }
        }
    }
    let others = history.failures.len() - findings.errors - findings.refused;
    println!("  errors: {} without another cause than the cache, {} refusals, {others} of the database", findings.errors, findings.refused);
}

fn show(history: &History, violation: &Violation) {
    println!(
        "    row {} in process {} at {}, {} late{}: saw {}; {}",
        violation.object,
        history.processes[violation.process].name,
        violation.start,
        millis(violation.staleness),
        violation.excuse.map_or("", |_| " (while an invalidation was kept)"),
        violation.saw,
        shapes::name(violation.shape)
    );
}

/// Number, median, 99th of a hundred, and maximum.
pub fn print_times(what: &str, times: &mut [u64]) {
    if times.is_empty() {
        return;
    }
    times.sort_unstable();
    let at = |part: usize| millis(times[(times.len() * part / 100).min(times.len() - 1)]);
    println!("  {what}: {} reads, p50 {}, p99 {}, max {}", times.len(), at(50), at(99), at(100));
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn ratio(hits: u64, misses: u64) -> f64 {
    hits as f64 / (hits + misses).max(1) as f64
}
