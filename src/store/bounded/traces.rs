//! What the policy is worth: the part of the reads that it answers, beside plain LRU's on the same trace.

use super::cache;
use quick_cache::{DefaultHashBuilder, Weighter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const ROOM: usize = 4_000;
const KEYS: u32 = 40_000;
const READS: usize = 300_000;

/// One after another, as many fit as there is room for.
#[derive(Clone)]
struct Even;

impl Weighter<u32, ()> for Even {
    fn weight(&self, _: &u32, (): &()) -> u64 {
        1 << 10
    }
}

#[derive(Default)]
struct Lru {
    used: HashMap<u32, u64>,
    order: BTreeMap<u64, u32>,
    clock: u64,
}

impl Lru {
    fn hits(&mut self, key: u32) -> bool {
        self.clock += 1;
        let before = self.used.insert(key, self.clock);
        if let Some(before) = before {
            self.order.remove(&before);
        }
        self.order.insert(self.clock, key);
        if self.used.len() > ROOM
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.used.remove(&oldest);
        }
        before.is_some()
    }
}

/// Keys by Zipf's law: the `n`th is asked for in proportion to one over `n`.
fn zipf(rng: &mut StdRng) -> impl FnMut() -> u32 {
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (1..=KEYS)
        .map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    move || {
        let at = rng.random_range(0.0..sum);
        u32::try_from(cumulated.partition_point(|sum| *sum < at)).unwrap_or(0)
    }
}

/// The hit ratios of the cache and of LRU, in per cent, once they are warm.
fn compare(name: &str, trace: &[u32]) -> (f64, f64) {
    let (ours, _) = cache(ROOM as u64 * Even.weight(&0, &()), Even, DefaultHashBuilder::default(), Arc::default());
    let (mut lru, mut hits) = (Lru::default(), [0_u32; 2]);
    for (number, key) in trace.iter().enumerate() {
        let mine = ours.get(key).is_some();
        if !mine {
            ours.insert(*key, ());
        }
        let theirs = lru.hits(*key);
        if number >= trace.len() / 3 {
            hits[0] += u32::from(mine);
            hits[1] += u32::from(theirs);
        }
    }
    assert!(ours.len() <= ROOM, "more than its budget");
    let counted = u32::try_from(trace.len() - trace.len() / 3).unwrap();
    let [mine, theirs] = hits.map(|hits| 100.0 * f64::from(hits) / f64::from(counted));
    println!("{name}: {mine:.1} % hits, LRU {theirs:.1} %");
    (mine, theirs)
}

#[test]
fn the_cache_is_as_good_as_lru_on_zipf_and_better_where_scans_pollute() {
    let mut rng = StdRng::seed_from_u64(6);
    let trace: Vec<u32> = std::iter::repeat_with(zipf(&mut rng)).take(READS).collect();
    let (mine, theirs) = compare("Zipf over ten times what fits", &trace);
    assert!(theirs > 30.0 && mine >= theirs - 2.0);

    // Every so often a report reads twice as much as fits, once.
    let mut scanned = KEYS;
    let mut polluted = Vec::new();
    for part in trace.chunks(8_000) {
        polluted.extend_from_slice(part);
        polluted.extend((0..2 * u32::try_from(ROOM).unwrap()).map(|key| scanned + key));
        scanned += 2 * u32::try_from(ROOM).unwrap();
    }
    let (mine, theirs) = compare("the same with scans, half of the reads", &polluted);
    assert!(mine > theirs);
}
