//! A private Redis Cluster: three masters, each with a replica.

use super::Redis;
use super::redis::{Configured, free_port};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the servers may take to agree; only an overloaded machine needs more than a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// After so many milliseconds without an answer a server counts as gone.
const NODE_TIMEOUT: &str = "1000";

pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    pub async fn start() -> Self {
        Self::configured(|server| server).await
    }

    /// With further settings of each server.
    pub async fn configured(configure: impl Fn(Configured) -> Configured) -> Self {
        let nodes = (0..6)
            .map(|_| {
                let bus = free_port().to_string();
                let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", NODE_TIMEOUT];
                let replication = ["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"];
                configure(Redis::configured().tcp().arguments(&arguments).arguments(&replication)).start()
            })
            .collect();
        let cluster = Self { nodes };
        cluster.form().await;
        cluster
    }

    async fn form(&self) {
        let ids: Vec<String> = self.nodes.iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            // Else they would have to find out who gives way to whom.
            node.cli::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            if number < 3 {
                let (from, to) = [(0, 5460), (5461, 10922), (10923, 16383)][number];
                node.cli::<()>(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            }
            let bus: Vec<String> = node.cli(&["CONFIG", "GET", "cluster-port"]);
            self.nodes[0].cli::<()>(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus[1]]);
        }
        self.until("everyone knows everyone", |node| node.info("CLUSTER", "cluster_known_nodes") == "6").await;
        for (replica, master) in self.nodes[3..].iter().zip(&ids) {
            // Until the gossip has told it that this is a master with slots.
            until("a replica is accepted", || replica.try_cli::<()>(&["CLUSTER", "REPLICATE", master]).is_ok()).await;
        }
        self.until_whole().await;
    }

    /// Every slot has a master, every master a replica that is up to date, and all servers agree on that.
    pub async fn until_whole(&self) {
        self.until("the cluster is whole", |node| {
            let masters = self.nodes.iter().filter(|node| node.role() == "master");
            node.info("CLUSTER", "cluster_state") == "ok"
                && node.info("CLUSTER", "cluster_slots_ok") == "16384"
                && node.info("CLUSTER", "cluster_slots_pfail") == "0"
                && masters.filter(|master| master.info("INFO", "slave0").contains("state=online")).count() == 3
                && self.nodes.iter().all(|other| node.masters() == other.masters())
        })
        .await;
    }

    async fn until(&self, what: &str, ready: impl Fn(&Redis) -> bool) {
        for node in &self.nodes {
            until(what, || ready(node)).await;
        }
    }

    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    pub fn node_mut(&mut self, number: usize) -> &mut Redis {
        &mut self.nodes[number]
    }

    /// Two servers, from which the others are to be learned.
    pub fn seeds(&self) -> Vec<(String, u16)> {
        [0, 4].map(|number: usize| ("127.0.0.1".to_owned(), self.nodes[number].port())).to_vec()
    }

    /// The number of the server that has the slot of this key, as the server of that number knows it.
    pub fn owner_as_known_by(&self, number: usize, key: &str) -> Option<usize> {
        let slot: u16 = self.nodes[number].cli(&["CLUSTER", "KEYSLOT", key]);
        let masters = self.nodes[number].masters();
        let port = masters.iter().find(|(range, _)| (range.0..=range.1).contains(&slot)).map(|(_, port)| *port)?;
        self.nodes.iter().position(|node| node.port() == port)
    }

    pub fn owner(&self, key: &str) -> usize {
        self.owner_as_known_by(0, key).expect("a slot with an owner")
    }

    /// The number of the replica of the master of this number.
    pub fn replica(&self, master: usize) -> usize {
        let port = format!("master_port:{}", self.nodes[master].port());
        let of = |node: &Redis| node.cli::<String>(&["INFO", "replication"]).lines().any(|line| line.trim() == port);
        self.nodes.iter().position(of).expect("a replica")
    }

    /// The key's slot is on its way from its owner to this server, and stays so.
    pub fn begin_migration(&self, key: &str, to: usize) {
        let slot: u16 = self.nodes[to].cli(&["CLUSTER", "KEYSLOT", key]);
        let from = self.owner(key);
        let ids = [from, to].map(|number| self.nodes[number].cli::<String>(&["CLUSTER", "MYID"]));
        self.nodes[to].cli::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "IMPORTING", &ids[0]]);
        self.nodes[from].cli::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "MIGRATING", &ids[1]]);
    }

    /// One key goes over.
    pub fn migrate(&self, key: &str, from: usize, to: usize) {
        let port = self.nodes[to].port().to_string();
        self.nodes[from].cli::<()>(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
    }

    /// Every key that is left goes over, and then the slot itself, of which its former owner and the new one are told.
    pub fn end_migration(&self, key: &str, from: usize, to: usize) {
        let slot = self.nodes[to].cli::<u16>(&["CLUSTER", "KEYSLOT", key]).to_string();
        for key in self.nodes[from].cli::<Vec<String>>(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]) {
            self.migrate(&key, from, to);
        }
        let id: String = self.nodes[to].cli(&["CLUSTER", "MYID"]);
        for number in [to, from] {
            self.nodes[number].cli::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
        }
    }
}

impl Redis {
    /// A field of `INFO` or `CLUSTER INFO`; nothing if the server is down.
    fn info(&self, command: &str, field: &str) -> String {
        let words: &[&str] = if command == "CLUSTER" { &["CLUSTER", "INFO"] } else { &["INFO"] };
        let info = self.try_cli::<String>(words).unwrap_or_default();
        let found = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    pub fn role(&self) -> String {
        self.info("INFO", "role")
    }

    /// Slots and their masters' ports, as this server knows them.
    fn masters(&self) -> HashMap<(u16, u16), u16> {
        type Range = (u16, u16, Vec<redis::Value>);
        let ranges: Vec<Vec<redis::Value>> = self.try_cli(&["CLUSTER", "SLOTS"]).unwrap_or_default();
        let number = |value: &redis::Value| redis::from_redis_value_ref::<u16>(value).expect("a number");
        let range = |parts: Vec<redis::Value>| -> Range {
            let master = redis::from_redis_value_ref(&parts[2]).expect("a node");
            (number(&parts[0]), number(&parts[1]), master)
        };
        ranges.into_iter().map(range).map(|(from, to, master)| ((from, to), number(&master[1]))).collect()
    }
}

async fn until(what: &str, ready: impl Fn() -> bool) {
    let since = Instant::now();
    while !ready() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
