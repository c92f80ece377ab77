//! One read at a time, every workload by every way.

use crate::Result;
use crate::dialect::Dialect;
use crate::ground::{Counts, Got, Ground, How};
use crate::measure::{Series, take_turns};
use crate::options::Pace;
use crate::report::{Table, number, part};
use crate::stage::Stage;
use crate::workload::{Answer, Body, Rows, Sample, WORKLOADS, Wide, Workload};

/// One row of the tables.
pub struct Measured {
    pub name: &'static str,
    bytes: usize,
    rounds: usize,
    times: Vec<Series<How>>,
    /// Whether pgpool-II answered from its cache.
    pgpool_hits: bool,
}

impl Measured {
    pub fn p50(&self, how: How) -> Option<f64> {
        self.of(how).map(|series| series.spread().p50)
    }

    fn of(&self, how: How) -> Option<&Series<How>> {
        self.times.iter().find(|series| series.who == how)
    }

    fn ratio(&self, how: How, other: How) -> Option<f64> {
        Some(self.of(how)?.ratio(self.of(other)?))
    }
}

pub async fn run<D: Dialect>(stage: &Stage<D>, pace: Pace) -> Result<Vec<Measured>> {
    let ground = Ground::new(stage).await?;
    let mut all = Vec::new();
    for workload in WORKLOADS {
        all.push(match workload.of {
            Rows::Sample => measure::<D, Sample>(stage, ground, workload.on::<D>(), &How::ALL, pace).await?,
            Rows::Wide => measure::<D, Wide>(stage, ground, workload.on::<D>(), &How::ALL, pace).await?,
            Rows::Body => measure::<D, Body>(stage, ground, workload.on::<D>(), &How::ALL, pace).await?,
        });
    }
    ground.close().await;
    Ok(all)
}

/// Compares the answers, times them, and makes sure that what was timed as a hit was one.
pub async fn measure<D: Dialect, T: Answer>(
    stage: &Stage<D>,
    ground: &'static Ground<D>,
    workload: Workload,
    ways: &[How],
    pace: Pace,
) -> Result<Measured> {
    let key = workload.key;
    let bytes = ground.lay_out::<T>(stage, workload, key).await?;
    let ways: Vec<_> = ways.iter().copied().filter(|how| ground.has(*how)).collect();
    let expected = ground.read::<T>(How::Direct, workload, key).await?;
    assert_eq!(expected.rows().map(<[T]>::len), Some(workload.rows), "{}", workload.name);
    for _ in ["miss", "hit"] {
        for how in ways.iter().copied().filter(|how| *how != How::Miss) {
            match ground.read::<T>(how, workload, key).await? {
                Got::Bytes(got) => assert_eq!(got.len(), bytes, "{}: {}", workload.name, how.name()),
                got => assert_eq!(got.rows(), expected.rows(), "{}: {}", workload.name, how.name()),
            }
        }
    }

    let before = counts(ground, &ways).await?;
    let fresh = ground.fresh(workload);
    let times = take_turns(&ways, pace, |how| ground.read::<T>(how, workload, key)).await?;
    let missed = u64::try_from(ground.fresh(workload) - fresh - 1)?;
    let after = counts(ground, &ways).await?;
    let mut pgpool_hits = true;
    for (how, (before, after)) in ways.iter().zip(before.iter().zip(&after)) {
        let (Some(before), Some(after)) = (before, after) else { continue };
        let Counts { hits, near, misses } = after.since(*before);
        match how {
            How::PgPool => pgpool_hits = hits > 20 * misses,
            How::Near | How::Typed | How::Miss => {
                assert_eq!(misses, missed, "{}: {}", workload.name, how.name());
                assert!(near * 100 > hits * 95, "only {near} of {hits} hits were near");
            }
            _ => assert_eq!(misses, 0, "{}: {}", workload.name, how.name()),
        }
        assert!(hits > 0 || matches!(how, How::Aside | How::Moka | How::PgPool), "{}: no hits by {}", workload.name, how.name());
    }
    let rounds = times.first().map_or(0, Series::rounds);
    Ok(Measured { name: workload.name, bytes, rounds, times, pgpool_hits })
}

async fn counts<D: Dialect>(ground: &Ground<D>, ways: &[How]) -> Result<Vec<Option<Counts>>> {
    let mut all = Vec::new();
    for how in ways {
        all.push(ground.counts(*how).await?);
    }
    Ok(all)
}

/// Medians, ratios and tails.
pub fn tables(place: &str, first: &str, all: &[Measured]) -> [Table; 3] {
    let ways: Vec<_> = How::ALL.into_iter().filter(|how| all.iter().any(|row| row.of(*how).is_some())).collect();
    let header = |further: &[&str]| {
        let names = ways.iter().map(|how| how.name().to_owned());
        [first.to_owned()].into_iter().chain(names).chain(further.iter().map(|name| (*name).to_owned())).collect::<Vec<_>>()
    };
    let cells = |row: &Measured, cell: &dyn Fn(&Measured, How) -> Option<String>| {
        let cells = ways.iter().map(|how| cell(row, *how).unwrap_or_else(|| "-".into()));
        [row.name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let always = "Ours keep everything here (`Admission::Always`), also what the database answers sooner.";
    let missed = if all.iter().all(|row| row.pgpool_hits) { "" } else { " *: pgpool-II did not answer from its cache." };
    let note = format!("{always}{missed}");
    let mut medians = Table::new(format!("Latency, p50 in us: {place}"), note, header(&["entry bytes", "rounds"]));
    let mut ratios = Table::new(
        format!("Latency in parts of the direct read: {place}"),
        "Medians of the ratios within rounds.",
        header(&["Redis / GET", "TCP / GET, TCP", "near / pgpool"]),
    );
    let mut tails = Table::new(
        format!("Latency, mean / p99 / p99.9 in us: {place}"),
        "Where rows are made in advance, for several near hits at once, the mean tells what one costs. It also has every pause of the machine.",
        header(&[]),
    );
    for row in all {
        let mark = |how| if how == How::PgPool && !row.pgpool_hits { "*" } else { "" };
        let mut median = cells(row, &|row, how| Some(format!("{}{}", number(row.p50(how)?), mark(how))));
        median.extend([number(crate::measure::count(row.bytes)), row.rounds.to_string()]);
        medians.row(median);
        let mut ratio = cells(row, &|row, how| row.ratio(how, How::Direct).map(part));
        let further = [(How::Redis, How::Get), (How::RedisTcp, How::GetTcp), (How::Near, How::PgPool)];
        ratio.extend(further.map(|(how, other)| row.ratio(how, other).map_or_else(|| "-".into(), part)));
        ratios.row(ratio);
        tails.row(cells(row, &|row, how| {
            let spread = row.of(how)?.spread();
            Some([spread.mean, spread.p99, spread.p999].map(number).join(" / "))
        }));
    }
    [medians, ratios, tails]
}
