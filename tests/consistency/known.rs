//! Histories whose faults are known: checks that could find nothing would be worth nothing.

use super::check::{Excuse, Kind, check};
use super::history::{Before, History};

/// What a push may take.
const LAG: u64 = 2;

fn found(logs: &[&str]) -> Vec<(Kind, u64, Option<Excuse>)> {
    let mut history = History::after(&Before::default());
    for (number, log) in logs.iter().enumerate() {
        history.add(&number.to_string(), false, log);
    }
    check(&history, LAG).into_iter().map(|violation| (violation.kind, violation.staleness, violation.excuse)).collect()
}

/// # Panics
///
/// If a check misses a fault, or finds one where there is none.
pub fn the_checks_find_what_is_known() {
    let write = "b 0 10 1\na 0 20 1=1\n";
    let fine = [
        ("a read before the acknowledgement may see either", "r 0 0 15 30 1=0\n"),
        ("a read after it sees it", "r 0 0 21 30 1=1\n"),
        ("two reads at once may differ", "r 0 0 11 19 1=1\nr 1 0 12 18 1=0\n"),
    ];
    for (what, log) in fine {
        assert_eq!(found(&[write, log]), [], "{what}");
    }
    assert_eq!(found(&[write, "r 0 0 25 30 1=0\n"]), [(Kind::Acknowledged, 5, None)]);
    assert_eq!(found(&[&format!("{write}r 0 0 25 30 1=0\n")]), [(Kind::Acknowledged, 5, None), (Kind::OwnWrite, 5, None)]);
    // Whoever saw it first, and whatever became of the write, nobody sees less.
    let unknown = "b 0 10 1\nu 0 12\n";
    assert_eq!(found(&[unknown, "r 0 0 13 30 1=1\n", "r 0 0 35 40 1=0\n"]), [(Kind::Seen, 5, None)]);
    assert_eq!(found(&[unknown, "r 1000 0 13 30 1=1\n", "r 0 0 25 40 1=0\n"]), []);
    let again = found(&[unknown, "r 0 0 13 30 1=1\nr 0 0 35 40 1=0\n"]);
    assert_eq!(again.iter().map(|(kind, ..)| *kind).collect::<Vec<_>>(), [Kind::Reader, Kind::Process, Kind::Seen]);
    assert_eq!(found(&[write, "r 0 0 5 9 1=1\n"])[0].0, Kind::Invented);
    assert_eq!(found(&[write, "t 0 10 5 9 [[1, 2]]\n"])[0].0, Kind::Torn);
    // A ghost that was there at first vanished at 1 and came again at 2.
    let ghost = "b 0 10 201\ni 0 15 201=1\na 0 20 201=1\n";
    assert_eq!(found(&[ghost, "r 0 13 16 17 201=A\nr 0 13 21 22 201=A\n"]), []);
    assert_eq!(found(&[ghost, "r 0 13 21 22 201=0\n"])[0].0, Kind::Deleted);
    assert_eq!(found(&[ghost, "r 0 15 21 22 201=P\n"])[0].0, Kind::Deleted);
    let came = format!("{ghost}b 1 30 201\ni 1 35 201=2\na 1 40 201=2\n");
    assert_eq!(found(&[&came, "r 0 13 36 37 201=2\n", "r 1 13 38 41 201=A\nr 2 15 45 46 201=P\n"]), [(Kind::Seen, 1, None)]);
    assert_eq!(found(&[&came, "r 0 13 45 46 201=A\n"])[0].0, Kind::Deleted);
    // A writer that could not set its fence, and kept the invalidation until 50.
    let kept = "b 0 10 1\nd 5 15 1 1\na 0 20 1=1\nd 45 50 0 1\n";
    assert_eq!(found(&[kept, "r 0 0 25 30 1=0\n"]), [(Kind::Acknowledged, 5, Some(Excuse::Kept))]);
    // The push that tells of the delivery may take so long.
    assert_eq!(found(&[kept, "r 0 0 52 60 1=0\n"]), [(Kind::Acknowledged, 32, Some(Excuse::Kept))]);
    assert_eq!(found(&[kept, "r 0 0 53 60 1=0\n"]), [(Kind::Acknowledged, 33, None)]);
    let own = found(&[&format!("{kept}r 0 0 52 60 1=0\n")]);
    assert!(!own.is_empty() && own.iter().all(|(.., excuse)| excuse.is_none()), "who delivers knows: {own:?}");
    // Another's excuse does not count.
    assert_eq!(found(&[write, "d 5 15 1 1\nd 45 50 0 1\nr 0 0 25 30 1=0\n"]), [(Kind::Acknowledged, 5, None)]);
    // What an earlier history knew.
    let mut history = History::after(&Before::default());
    history.add("earlier", false, &came);
    let mut later = History::after(&history.before());
    later.add("later", false, "r 0 13 60 70 201=0\n");
    assert_eq!(check(&later, 0)[0].kind, Kind::Deleted);
}
