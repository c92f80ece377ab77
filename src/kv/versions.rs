//! Keys with a version in them: whoever changes the version leaves every key with the old one behind.

use super::Cache;
use crate::error::Error;
use std::time::Duration;

/// A version ends after this time, asked for or not; its keys are then never found again.
const LIFE: Duration = Duration::from_hours(24 * 30);

impl Cache {
    /// A key of an entity with its version in it, `book:7:v<version>`, for values that go together: [`renew_version`](Self::renew_version) leaves all of them behind at once, by one request. What they were stored under the
    /// old version dies of its time to live.
    ///
    /// A version is a random token, not a number that is counted: one that was lost (evicted, flushed, a failover) must not come back with what was stored under it.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long. With a store that can't be asked the version is one that nobody else has: what is stored under it is lost.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn versioned(&self, entity: &str) -> Result<String, Error> {
        let version = version_key(entity);
        self.name(&version)?;
        let token = self.time_to_live(LIFE).get_or_set(&version, async || Ok::<_, Error>(fresh())).await?;
        let key = format!("{entity}:v{token}");
        self.name(&key)?;
        Ok(key)
    }

    /// Gives an entity another version. Whoever asked for its key before may still store under the old one, which nobody asks for any more.
    ///
    /// # Errors
    ///
    /// A key that is empty or too long.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not have been done.
    pub async fn renew_version(&self, entity: &str) -> Result<(), Error> {
        self.delete(&version_key(entity)).await.map(drop)
    }
}

fn version_key(entity: &str) -> String {
    format!("version:{entity}")
}

fn fresh() -> String {
    format!("{:016x}", rand::random::<u64>())
}
