use super::*;
use crate::tag::ServerIdentity;
use tokio::time::advance;

const FAST: Duration = Duration::from_micros(50);
const SLOW: Duration = Duration::from_millis(5);

fn worth() -> Worth {
    Worth::new("a test", true, true)
}

fn fresh() -> [Generation; 2] {
    [(); 2].map(|()| Generation::fresh(ServerIdentity::default()))
}

/// So many hits in the store that took so long, for answers that took the database so long.
fn hits(worth: &Worth, times: u32, took: Duration, cost: Duration) {
    let generations = [Generation([7; Generation::LEN]); 2];
    for _ in 0..times {
        assert_eq!(worth.refusal(), None);
        worth.note_hit(took, cost, &generations);
    }
}

/// So many look-ups after a write each, so far apart.
async fn churns(worth: &Worth, times: u32, apart: Duration) {
    for _ in 0..times {
        if worth.refusal().is_some() {
            return;
        }
        worth.note_miss(Some(&fresh()));
        advance(apart).await;
    }
}

/// How long a pause it is, which is then over.
async fn pause(worth: &Worth, reason: Reason) -> Duration {
    assert_eq!(worth.refusal(), Some(reason));
    let left = worth.left().unwrap();
    advance(left.saturating_sub(Duration::from_millis(1))).await;
    assert_eq!(worth.refusal(), Some(reason));
    advance(Duration::from_millis(1)).await;
    assert_eq!((worth.refusal(), worth.left()), (None, None));
    assert!(worth.back_for().is_some_and(|back_for| back_for < Duration::from_millis(1)));
    left
}

fn about(seconds: u64, pause: Duration) {
    let wanted = Duration::from_secs(seconds);
    assert!(pause <= wanted && pause + Duration::from_millis(50) >= wanted, "{pause:?} instead of {wanted:?}");
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_the_database_is_passed_on_for_longer_and_longer() {
    let worth = worth();
    hits(&worth, TIMED - 1, SLOW, FAST);
    assert_eq!(worth.refusal(), None, "too few to tell");
    hits(&worth, 1, SLOW, FAST);
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        about(seconds, pause(&worth, Reason::Cheap).await);
        hits(&worth, TRIED_TIMED, SLOW, FAST);
    }
    pause(&worth, Reason::Cheap).await;
    // Quick again: let in, and the longer it stays so the less is held against it.
    hits(&worth, TRIED_TIMED + TIMED * 2, FAST, SLOW);
    hits(&worth, TIMED, SLOW, FAST);
    about(16, pause(&worth, Reason::Cheap).await);
}

#[tokio::test(start_paused = true)]
async fn to_be_let_in_again_takes_more_than_to_stay() {
    let worth = worth();
    let verge = FAST * 11 / 10;
    hits(&worth, TIMED * 10, verge, FAST);
    assert_eq!(worth.refusal(), None);
    hits(&worth, TIMED, SLOW, FAST);
    pause(&worth, Reason::Cheap).await;
    hits(&worth, TRIED_TIMED, verge, FAST);
    pause(&worth, Reason::Cheap).await;
    hits(&worth, TRIED_TIMED, FAST, FAST);
    hits(&worth, TIMED * 10, verge, FAST);
    assert_eq!(worth.refusal(), None);
}

#[tokio::test(start_paused = true)]
async fn hits_within_reach_weigh_in_and_one_that_was_held_up_does_not() {
    let worth = worth();
    for _ in 0..10 {
        // Three in four cost nothing, so the average is what the database takes.
        for _ in 0..3 * TIMED {
            worth.note_spared();
        }
        hits(&worth, TIMED, FAST * 4, FAST);
    }
    hits(&worth, TIMED, FAST * 4, FAST);
    pause(&worth, Reason::Cheap).await;
    hits(&worth, TRIED_TIMED, FAST, FAST);

    for _ in 0..10 {
        hits(&worth, TIMED - 1, FAST, FAST);
        hits(&worth, 1, SLOW * 100, FAST);
    }
    assert_eq!(worth.refusal(), None);

    // Rows of a long answer that are made anew each time.
    for _ in 0..TIMED {
        worth.note_spared();
        worth.note_made(FAST * 2, FAST);
    }
    assert_eq!(worth.refusal(), Some(Reason::Cheap));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_before_every_read_is_passed_on_until_the_writes_stop() {
    let worth = worth();
    churns(&worth, 200, Duration::from_millis(20)).await;
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        about(seconds, pause(&worth, Reason::Churn).await);
        churns(&worth, u32::try_from(TRIED).unwrap(), Duration::from_millis(1)).await;
    }
    pause(&worth, Reason::Churn).await;
    // They have stopped. All is cold, and there are many keys: nothing but misses.
    let generations = fresh();
    for _ in 0..TRIED + LOOKED_UP * 3 {
        worth.note_miss(Some(&generations));
        advance(Duration::from_millis(20)).await;
    }
    assert_eq!(worth.refusal(), None);
    churns(&worth, 200, Duration::from_millis(20)).await;
    assert_eq!(worth.refusal(), Some(Reason::Churn));
}

#[tokio::test(start_paused = true)]
async fn hits_decide_and_to_be_let_in_again_takes_more_of_them() {
    let step = Duration::from_millis(20);
    // Each write is followed by a miss and so many reads that are spared.
    let mixed = async |worth: &Worth, writes: u32, nth: u32, spared: u32| {
        for write in 0..writes {
            if write % nth == 0 {
                (0..spared).for_each(|_| worth.note_spared());
            }
            churns(worth, 1, step).await;
        }
    };
    let worth = worth();
    mixed(&worth, 400, 8, 1).await;
    assert_eq!(worth.refusal(), None, "one in nine");
    churns(&worth, 400, step).await;
    pause(&worth, Reason::Churn).await;
    mixed(&worth, 16, 8, 1).await;
    pause(&worth, Reason::Churn).await;
    mixed(&worth, 16, 2, 1).await;
    assert_eq!(worth.refusal(), None, "one in three");
}

/// Twenty reads between two writes, of as many keys: nearly none is a hit.
#[tokio::test(start_paused = true)]
async fn what_is_written_again_and_again_is_passed_on_though_many_read_in_between() {
    let worth = worth();
    for _ in 0..200 {
        let generations = fresh();
        for _ in 0..20 {
            worth.note_miss(Some(&generations));
            advance(Duration::from_millis(1)).await;
        }
        if worth.refusal().is_some() {
            break;
        }
    }
    about(2, pause(&worth, Reason::Churn).await);
}

#[tokio::test(start_paused = true)]
async fn neither_a_cold_start_nor_a_scan_nor_a_burst_nor_a_long_write_is_churn() {
    let worth = worth();
    let generations = fresh();
    let step = Duration::from_millis(10);
    for _ in 0..5 {
        // A scan over many keys, cold, of a table that is written now and then.
        for read in 0..1_000 {
            worth.note_miss(Some(if read % 20 == 0 { fresh() } else { generations }.as_slice()));
            advance(step).await;
        }
        assert_eq!(worth.refusal(), None);
        // A burst.
        churns(&worth, 500, Duration::from_millis(2)).await;
        assert_eq!(worth.refusal(), None);
        // A write that takes a minute.
        for _ in 0..6_000 {
            worth.note_miss(None);
            advance(step).await;
        }
        assert_eq!(worth.refusal(), None);
    }
    // Too few to be worth it.
    let few = super::Worth::new("few", true, true);
    churns(&few, 120, Duration::from_secs(1)).await;
    assert_eq!(few.refusal(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_for_is_not_judged() {
    let always = Worth::new("always", false, false);
    churns(&always, 1_000, Duration::from_millis(10)).await;
    hits(&always, 1_000, SLOW, FAST);
    let no_cost = Worth::new("no cost", false, true);
    hits(&no_cost, 1_000, SLOW, FAST);
    assert_eq!((always.refusal(), no_cost.refusal()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_under_way_when_a_pause_began_does_not_count() {
    let worth = worth();
    hits(&worth, TIMED, SLOW, FAST);
    for _ in 0..1_000 {
        worth.note_hit(SLOW, FAST, &fresh());
        worth.note_miss(Some(&fresh()));
    }
    about(2, pause(&worth, Reason::Cheap).await);
}
