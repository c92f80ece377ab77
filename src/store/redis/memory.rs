//! How full Redis is.

use super::{Place, RedisStore, Request, Route};
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
        let mut fullest = None;
        for memory in asked {
            let Some(memory) = cluster.noted(memory)? else { continue };
            if fullest.is_none_or(|other| is_fuller(memory, other)) {
                fullest = Some(memory);
            }
        }
        Ok(fullest)
    }

    async fn memory_at(&self, at: Place<'_>) -> Result<Option<Memory>, StoreError> {
        match self.ask(&Request::command("INFO", at, &|command| _ = command.arg("memory"))).await {
            Ok((answer, _)) => {
                let info: String =
                    redis::from_redis_value(answer).map_err(|error| StoreError::Protocol(format!("INFO memory: {error}")))?;
                Ok(memory(&info))
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
    Some(Memory { used, limit: field("maxmemory").filter(|limit| *limit > 0) })
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
        let info = "# Memory\r\nused_memory:1000\r\nused_memory_human:1K\r\nmaxmemory:4000\r\nmem_not_counted_for_evict:200\r\n";
        assert_eq!(memory(info), Some(Memory { used: 800, limit: Some(4000) }));
        assert_eq!(memory("used_memory:7\nmaxmemory:0\n"), Some(Memory { used: 7, limit: None }));
        assert_eq!(memory("# Memory\r\n"), None);
    }

    #[test]
    fn the_fullest_is_the_one_with_the_least_room_in_proportion() {
        let memory = |used, limit| Memory { used, limit };
        assert!(is_fuller(memory(5, Some(10)), memory(50, Some(101))));
        assert!(!is_fuller(memory(5, Some(10)), memory(5, Some(10))));
        assert!(is_fuller(memory(6, None), memory(5, Some(10))));
    }
}
