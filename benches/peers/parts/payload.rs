//! One row with a text of 100 bytes to 1 MB.

use super::latency::{Measured, measure};
use crate::Result;
use crate::dialect::Dialect;
use crate::ground::{Ground, How};
use crate::options::Pace;
use crate::stage::{BODIES, Stage};
use crate::workload::{Body, Rows, Workload};

/// By ascending size.
pub async fn run<D: Dialect>(stage: &Stage<D>, pace: Pace) -> Result<Vec<Measured>> {
    let ground = Ground::new(stage).await?;
    // There are only five rows to miss.
    let ways: Vec<_> = How::ALL.into_iter().filter(|how| *how != How::Miss).collect();
    let mut all = Vec::new();
    for (key, (_, name)) in (1..).zip(BODIES) {
        let workload = Workload { name, number: 7, sql: "SELECT id, body FROM body WHERE id = ?", key, rows: 1, of: Rows::Body };
        all.push(measure::<D, Body>(stage, ground, workload.on::<D>(), &ways, pace).await?);
    }
    ground.close().await;
    Ok(all)
}
