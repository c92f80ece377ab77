//! Which server is the master: what most of the sentinels say.

use super::config::Access;
use super::connection::without_times;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{Client, ErrorKind, RedisError, RedisResult};
use std::time::Duration;
use tokio::time::timeout;

/// Asked at every connection anew: a failover ends the connections to the old master, or makes it refuse writes, and then others are made.
pub(super) struct Sentinels {
    clients: Vec<Client>,
    master: String,
    access: Access,
    /// How long one of them may take.
    patience: Duration,
}

impl Sentinels {
    /// With half of a connection attempt's time for the sentinels.
    pub(super) fn new(clients: Vec<Client>, master: String, access: Access, connect_timeout: Duration) -> Self {
        Self { clients, master, access, patience: connect_timeout / 2 }
    }

    /// A client of the master that they name.
    pub(super) async fn client(&self) -> RedisResult<Client> {
        let (host, port) = self.address().await?;
        self.access.client(&host, port)
    }

    /// Answers as soon as most of them agree; one that was cut off, or is down, does not hold up the others. Where most don't answer, most of the answers must
    /// agree. While they don't, a failover is under way, and the old master may not know yet that it is no longer one.
    async fn address(&self) -> RedisResult<(String, u16)> {
        let mut asked: FuturesUnordered<_> = self.clients.iter().map(|sentinel| timeout(self.patience, self.ask(sentinel))).collect();
        let mut named: Vec<((String, u16), usize)> = Vec::new();
        let mut refusal = None;
        while let Some(answer) = asked.next().await {
            let address = match answer {
                Ok(Ok(address)) => address,
                Ok(Err(error)) => {
                    refusal = Some(error);
                    continue;
                }
                Err(_) => continue,
            };
            let votes = match named.iter_mut().find(|(named, _)| *named == address) {
                Some((_, votes)) => {
                    *votes += 1;
                    *votes
                }
                None => {
                    named.push((address.clone(), 1));
                    1
                }
            };
            if votes > self.clients.len() / 2 {
                return Ok(address);
            }
        }
        let answers: usize = named.iter().map(|(_, votes)| votes).sum();
        match named.into_iter().find(|(_, votes)| *votes > answers / 2) {
            Some((address, _)) => Ok(address),
            None if answers > 0 => Err((ErrorKind::Io, "the sentinels don't agree on who is the master").into()),
            None => Err(refusal.unwrap_or_else(|| (ErrorKind::Io, "no sentinel answered in time").into())),
        }
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<(String, u16)> {
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&without_times()).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let answer: Option<(String, u16)> = question.query_async(&mut connection).await?;
        answer.ok_or_else(|| {
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "this sentinel knows no master of that name", self.master.clone()))
        })
    }
}
