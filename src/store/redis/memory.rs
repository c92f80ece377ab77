//! How full Redis is.

use super::connection::Connection;
use super::{Packet, Place, RedisStore, Request, Route};
use crate::store::{Memory, StoreError};
use futures_util::future::join_all;

impl RedisStore {
    /// Of a cluster that of its fullest master.
    pub(super) async fn memory_in_use(&self) -> Result<Option<Memory>, StoreError> {
        let Route::Cluster(cluster) = &self.route else {
            return self.memory_at(Place::Key(b"")).await;
        };
        let topology = cluster.topology_within(self.timeout).await?;
        let asked = join_all(topology.nodes().iter().map(|node| self.memory_at(Place::Node(node)))).await;
        let (mut fullest, mut evicted) = (None, None);
        for memory in asked {
            let Some(memory) = cluster.noted(memory)? else { continue };
            evicted = memory.evicted.map(|keys| keys + evicted.unwrap_or(0)).or(evicted);
            if fullest.is_none_or(|other| is_fuller(memory, other)) {
                fullest = Some(memory);
            }
        }
        Ok(fullest.map(|memory| Memory { evicted, ..memory }))
    }

    async fn memory_at(&self, at: Place<'_>) -> Result<Option<Memory>, StoreError> {
        let build = |_: &Connection| {
            let mut pipeline = redis::pipe();
            pipeline.cmd("INFO").arg("memory").cmd("INFO").arg("stats");
            Packet::Pipeline(pipeline)
        };
        match self.ask(&Request::new("INFO", at, build)).await {
            Ok((answer, _)) => {
                let info: Vec<String> =
                    redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("INFO memory: {error}")))?;
                Ok(memory(&info.concat()))
            }
            // No right to ask, or a service that hides it.
            Err(StoreError::Refused(error)) => {
                tracing::debug!(%error, "INFO memory");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What counts against `maxmemory`: buffers of replicas and of the append-only file don't.
fn memory(info: &str) -> Option<Memory> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok());
    let used = field("used_memory")?.saturating_sub(field("mem_not_counted_for_evict").unwrap_or_default());
    Some(Memory { used, limit: field("maxmemory").filter(|limit| *limit > 0), evicted: field("evicted_keys") })
}

/// By the part of its limit that it uses; by what it uses where one of the two has none.
fn is_fuller(one: Memory, other: Memory) -> bool {
    match (one.limit, other.limit) {
        (Some(limit), Some(others)) => u128::from(one.used) * u128::from(others) > u128::from(other.used) * u128::from(limit),
        _ => one.used > other.used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_as_redis_evicts() {
        let info = "# Memory\r\nused_memory:1000\r\nused_memory_human:1K\r\nmaxmemory:4000\r\nmem_not_counted_for_evict:200\r\n# Stats\r\nevicted_keys:9\r\n";
        assert_eq!(memory(info), Some(Memory { used: 800, limit: Some(4000), evicted: Some(9) }));
        assert_eq!(memory("used_memory:7\nmaxmemory:0\n"), Some(Memory { used: 7, limit: None, evicted: None }));
        assert_eq!(memory("# Memory\r\n"), None);
    }

    #[test]
    fn the_fullest_is_the_one_with_the_least_room_in_proportion() {
        let memory = |used, limit| Memory { used, limit, evicted: None };
        assert!(is_fuller(memory(5, Some(10)), memory(50, Some(101))));
        assert!(!is_fuller(memory(5, Some(10)), memory(5, Some(10))));
        assert!(is_fuller(memory(6, None), memory(5, Some(10))));
    }
}
