//! The harness on a Redis Cluster whose servers die, hang and come back, so that replicas take over.

use super::check::check;
use super::clock::now;
use super::crew::{Crew, ROLES};
use super::history::Before;
use super::options::Setting;
use super::report::{Circumstances, Findings, ratio, report};
use super::run::Staged;
use super::writes::random;
use crate::support::redis_cluster::RedisCluster;
use rand::RngExt;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;

/// One round on a database and a cluster of its own.
pub async fn play<DB: Staged>(setting: &Setting) -> Findings {
    println!("cluster failover: {}, {} s", setting.name(), setting.seconds);
    let database = DB::database().await;
    let mut cluster = RedisCluster::start().await;
    let nodes: Vec<String> = cluster.seeds().into_iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let crew = Crew::start(setting, &database.url, vec![format!("REDIS_CLUSTER_NODES={}", nodes.join(",")); ROLES.len()]);
    let mut random = random(setting.seed, u64::MAX, 4);
    let (mut failovers, mut faults) = (0, 0);
    while now() + 6_000_000_000 < crew.until() {
        sleep(Duration::from_millis(random.random_range(500..1500))).await;
        // Where the rows' generations are, so that it matters.
        let table = ["items", "totals", "ghosts", "lefts"][random.random_range(0..4)];
        let key = format!("sql:{{{table}}}:gen");
        let Some(owner) = cluster.owner_as_known_by(0, &key) else { continue };
        if owner == 0 {
            // The one that is asked who is whose.
            continue;
        }
        faults += 1;
        let hangs = random.random_bool(0.4);
        if hangs {
            cluster.nodes()[owner].pause();
        } else {
            block_in_place(|| cluster.node_mut(owner).kill());
        }
        sleep(Duration::from_millis(random.random_range(500..3500))).await;
        failovers += usize::from(cluster.owner_as_known_by(0, &key) != Some(owner));
        if hangs {
            cluster.nodes()[owner].resume();
        } else {
            block_in_place(|| cluster.node_mut(owner).restart());
        }
    }
    let (history, logs) = crew.finish(&Before::default(), true).await;
    let violations = check(&history, setting.lag());
    let circumstances = Circumstances { fences_lost: true, database_fails: false };
    let findings = report(setting, circumstances, &history, &violations);
    println!("  {faults} servers killed or stopped, {failovers} failovers; {:.0}% hits", ratio(findings.hits, findings.misses) * 100.0);
    if findings.broken > 0 || findings.errors > 0 {
        println!("  NOT AS PROMISED: see {}", logs.keep(&format!("campaign-cluster-{}", setting.seed)).display());
    }
    findings
}
