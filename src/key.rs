//! Names in the store: entries, generations and fences.

mod arguments;

pub(crate) use arguments::pack;

use crate::analysis::Category;
use crate::database::Identity;
use crate::tag::{Generation, Tag};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// The names of a namespace's keys: `sql:<table>:<kind>:<64 hex>`, `sql:<table>:gen` and `sql-fence:<table>`. In a Redis Cluster the table wears braces,
/// `sql:{users}:gen`, so that all keys of a table share a slot, and with it a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    namespace: Arc<str>,
    cluster: bool,
}

impl Keyspace {
    /// The keys below `namespace`, which is `sql` unless configured otherwise.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.into(), cluster: false }
    }

    /// The same for a Redis Cluster.
    #[must_use]
    pub fn in_cluster(self) -> Self {
        Self { cluster: true, ..self }
    }

    /// A tag as it stands in the names of its keys.
    fn segment<'a>(&self, tag: &'a Tag) -> Segment<'a> {
        Segment { tag, braces: self.cluster }
    }

    /// The key of a tag's generation.
    pub fn generation(&self, tag: &Tag) -> String {
        format!("{}:{}:gen", self.namespace, self.segment(tag))
    }

    /// The key of a tag's set of running writes. It lies outside `sql:<table>:*`, so that a SCAN-and-delete never removes a running write's fence.
    pub fn fence(&self, tag: &Tag) -> String {
        format!("{}-fence:{}", self.namespace, self.segment(tag))
    }

    /// The key of a value that tells whether what was warmed is still there. It is gone with everything below the namespace, and no entry.
    pub(crate) fn canary(&self, id: u64) -> String {
        format!("{}:{}:canary:{id:016x}", self.namespace, self.segment(&Tag::table("_warm")))
    }

    /// The key by which processes take turns at the reclaim. No heartbeat is called so: a tag has no colon.
    #[cfg(feature = "redis")]
    pub(crate) fn reclaim(&self) -> String {
        format!("{}-near::reclaim", self.namespace)
    }

    /// The key of what is counted on a day: outside the namespace, so that it outlives whatever clears that.
    #[cfg(feature = "redis")]
    pub(crate) fn day(&self, day: &str) -> String {
        if self.cluster { format!("{}-days:{{{day}}}", self.namespace) } else { format!("{}-days:{day}", self.namespace) }
    }

    /// The key beside it that says which of a process's batches have arrived.
    #[cfg(feature = "redis")]
    pub(crate) fn day_receipt(&self, day: &str, writer: u64) -> String {
        format!("{}:{writer:016x}", self.day(day))
    }

    /// Whether a key of the namespace has the form of an entry's: that of a query's answer, `sql:<table>:<kind>:<64 hex>`.
    #[cfg(feature = "redis")]
    pub(crate) fn is_entry(&self, key: &[u8]) -> bool {
        let below = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(&*self.namespace)?.strip_prefix(':'));
        let Some((stem, hash)) = below.and_then(|below| below.rsplit_once(':')) else { return false };
        let kinds = [Category::Data, Category::Schema, Category::Metadata, Category::Count].map(Category::as_str);
        let kind = stem.split_once(':').map(|(_, kind)| kind);
        hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && kind.is_some_and(|kind| kinds.contains(&kind))
    }

    /// The tag whose generation is kept at this key.
    #[cfg(feature = "redis")]
    pub(crate) fn tag_of_generation(&self, key: &[u8]) -> Option<Tag> {
        let text = std::str::from_utf8(key).ok()?;
        let tag = text.strip_prefix(&*self.namespace)?.strip_prefix(':')?.strip_suffix(":gen")?;
        let tag = if self.cluster { tag.strip_prefix('{')?.strip_suffix('}')? } else { tag };
        Some(Tag::of_text(if self.cluster && tag == "%" { "" } else { tag }))
    }

    /// The key that a connection's heartbeat writes to: at the side of a tag, of which the connection's server keeps the generation.
    #[cfg(feature = "redis")]
    pub(crate) fn heartbeat(&self, tag: &Tag, session: u64, beat: u64) -> String {
        format!("{}-near:{}:{session:016x}:{beat}", self.namespace, self.segment(tag))
    }

    /// The pattern of all keys of a tag; of the whole namespace for [`Tag::all`].
    pub fn pattern(&self, tag: &Tag) -> String {
        if *tag == Tag::all() { format!("{}:*", self.namespace) } else { format!("{}:{}:*", self.namespace, self.segment(tag)) }
    }
}

/// A tag has no braces of its own, so these are the first of a key: what Redis Cluster hashes.
struct Segment<'a> {
    tag: &'a Tag,
    braces: bool,
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.braces, self.tag.as_str()) {
            (false, tag) => f.write_str(tag),
            // SQLite allows a table without a name, and empty braces would count for nothing. No other tag ends in a lone percent sign.
            (true, "") => f.write_str("{%}"),
            (true, tag) => write!(f, "{{{tag}}}"),
        }
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.namespace)
    }
}

/// Version of the hash's parts and of the rows' bytes; a change makes every stored entry a miss.
const FORMAT: &str = "2";

/// The version of sqlx whose drivers wrote the rows. Their wire bytes are only as good as the driver that reads them.
const SQLX: &str = "0.9";

/// The state of the hash after what is the same for every read of an executor.
pub(crate) fn prefix(identity: &Identity) -> Sha256 {
    let mut hash = Sha256::new();
    for part in [FORMAT, SQLX, &identity.database, &identity.session] {
        hash_part(&mut hash, part.as_bytes());
    }
    hash
}

/// A short name of the database itself, for the ids of its fences.
pub(crate) fn database(identity: &Identity) -> String {
    hex(&Sha256::digest(identity.database.as_bytes())[..8])
}

/// Where processes tell each other the fingerprint that a database's schema had when an epoch began.
pub(crate) fn fingerprint(keyspace: &Keyspace, database: &str, epoch: &Generation) -> String {
    let mut hash = Sha256::new();
    for part in [FORMAT.as_bytes(), database.as_bytes(), &epoch.0] {
        hash_part(&mut hash, part);
    }
    format!("{keyspace}:{}:fingerprint:{}", keyspace.segment(&Tag::schema()), hex(&hash.finalize()))
}

/// The key up to the hash: `sql:<table>:<kind>:`.
pub(crate) fn stem(keyspace: &Keyspace, table: &Tag, category: Category) -> String {
    format!("{keyspace}:{}:{}:", keyspace.segment(table), category.as_str())
}

/// The state of the hash after that and a statement's text.
pub(crate) fn of_text(prefix: &Sha256, sql: &str) -> Sha256 {
    let mut hash = prefix.clone();
    hash_part(&mut hash, sql.as_bytes());
    hash
}

/// The key of a read of this text with these packed arguments. The hash is whole: a truncated one would hand somebody another's rows.
pub(crate) fn key(text: &Sha256, stem: &str, scope: Option<&str>, one: bool, arguments: &[u8]) -> String {
    let mut hash = text.clone();
    match scope {
        Some(scope) => {
            hash.update([1]);
            hash_part(&mut hash, scope.as_bytes());
        }
        None => hash.update([0]),
    }
    hash.update([u8::from(one)]);
    hash.update(arguments);
    let mut key = String::with_capacity(stem.len() + 64);
    key.push_str(stem);
    key.push_str(&hex(&hash.finalize()));
    key
}

/// Bytes of the packed arguments up to which a read is looked up: more are not worth the time, nor the memory.
pub(crate) const MAX_ARGUMENTS: usize = 128 << 10;

fn hash_part(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_table_wears_braces_in_a_cluster() {
        let (one, cluster) = (Keyspace::new("sql"), Keyspace::new("sql").in_cluster());
        let tag = Tag::table("a{b}:c");
        assert_eq!(one.fence(&tag), "sql-fence:a%7Bb%7D%3Ac");
        assert_eq!(cluster.fence(&tag), "sql-fence:{a%7Bb%7D%3Ac}");
        assert_eq!(cluster.generation(&Tag::all()), "sql:{_all}:gen");
        #[cfg(feature = "redis")]
        for tag in [tag.clone(), Tag::all(), Tag::table("")] {
            for keyspace in [&one, &cluster] {
                assert_eq!(keyspace.tag_of_generation(keyspace.generation(&tag).as_bytes()), Some(tag.clone()));
            }
            assert_eq!(cluster.tag_of_generation(one.generation(&tag).as_bytes()), None);
        }
        assert_eq!((cluster.pattern(&Tag::all()), cluster.pattern(&tag)), ("sql:*".into(), "sql:{a%7Bb%7D%3Ac}:*".into()));
        assert_eq!(stem(&cluster, &tag, Category::Data), "sql:{a%7Bb%7D%3Ac}:data:");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn entries_are_known_by_their_form() {
        let hash = "0123456789abcdef".repeat(4);
        for keyspace in [Keyspace::new("sql"), Keyspace::new("sql").in_cluster()] {
            let tag = Tag::table("a:b");
            let key = format!("{}{hash}", stem(&keyspace, &tag, Category::Count));
            assert!(keyspace.is_entry(key.as_bytes()), "{key}");
            let segment = keyspace.segment(&tag);
            for other in [
                keyspace.generation(&tag),
                format!("{key}:lease"),
                format!("sql:{segment}:user:{hash}"),
                format!("sql:{segment}:x:data:{hash}"),
                format!("sql:{segment}:data:{}", &hash[1..]),
                format!("sqlx:{segment}:data:{hash}"),
                format!("sql:{hash}"),
            ] {
                assert!(!keyspace.is_entry(other.as_bytes()), "{other}");
            }
        }
    }

    #[test]
    fn every_part_tells_keys_apart() {
        let identity = |database: &str, session: &str| Identity { database: database.into(), session: session.into() };
        let keyspace = Keyspace::new("sql");
        let stem = stem(&keyspace, &Tag::table("users"), Category::Data);
        let mut keys = HashSet::new();
        for prefix in [prefix(&identity("a", "bc")), prefix(&identity("ab", "c")), prefix(&identity("a", "bd"))] {
            for scope in [None, Some(""), Some("x")] {
                for sql in ["SELECT 1", "SELECT 1 "] {
                    for arguments in [vec!["x"], vec![], vec!["x", "y"]] {
                        for one in [false, true] {
                            let mut packed = Vec::new();
                            pack(&mut packed, &arguments, MAX_ARGUMENTS).unwrap();
                            let key = key(&of_text(&prefix, sql), &stem, scope, one, &packed);
                            let hash = key.strip_prefix("sql:users:data:").unwrap();
                            assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
                            assert!(keys.insert(key));
                        }
                    }
                }
            }
        }
        assert_eq!(keys.len(), 3 * 3 * 2 * 3 * 2);
    }
}
