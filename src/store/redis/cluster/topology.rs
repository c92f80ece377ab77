//! Which slot a key has, and which server has the slot.

use super::{Address, Node};
use redis::Value;
use std::sync::Arc;

const SLOTS: usize = 16384;

/// The slot without an owner.
const NOBODY: u16 = u16::MAX;

/// The masters and their slots, as one of the servers knew them, or as redirections told since.
pub(in crate::store::redis) struct Topology {
    nodes: Vec<Arc<Node>>,
    /// For each slot its owner's place among the nodes.
    owners: Vec<u16>,
    /// Masters and replicas: who can be asked when the masters are gone.
    known: Vec<Address>,
}

impl Topology {
    /// `node` gives the node of an address: those that are known already keep their connections.
    pub(super) fn new(ranges: Vec<Range>, mut node: impl FnMut(&Address) -> Arc<Node>) -> Self {
        let mut topology = Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS], known: Vec::new() };
        for range in ranges {
            let place = topology.place(&range.master, &mut node);
            topology.owners[usize::from(range.from)..=usize::from(range.to)].fill(place);
            for address in std::iter::once(range.master).chain(range.replicas) {
                if !topology.known.contains(&address) {
                    topology.known.push(address);
                }
            }
        }
        topology
    }

    /// The same but for one slot, which has moved.
    pub(super) fn moved(&self, slot: u16, to: &Address, node: impl FnMut(&Address) -> Arc<Node>) -> Self {
        let mut topology = Self { nodes: self.nodes.clone(), owners: self.owners.clone(), known: self.known.clone() };
        let place = topology.place(to, node);
        topology.owners[usize::from(slot)] = place;
        topology
    }

    fn place(&mut self, address: &Address, mut node: impl FnMut(&Address) -> Arc<Node>) -> u16 {
        let place = self.nodes.iter().position(|node| node.address == *address).unwrap_or_else(|| {
            self.nodes.push(node(address));
            self.nodes.len() - 1
        });
        // There are fewer masters than slots.
        u16::try_from(place).unwrap_or(NOBODY)
    }

    pub(in crate::store::redis) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.nodes.get(usize::from(self.owners[usize::from(slot)]))
    }

    /// The masters.
    pub(in crate::store::redis) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub(super) fn known(&self) -> &[Address] {
        &self.known
    }
}

/// Slots that follow each other, and who has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    from: u16,
    to: u16,
    master: Address,
    replicas: Vec<Address>,
}

/// The answer to CLUSTER SLOTS of the server at `asked`.
pub(super) fn ranges(answer: &Value, asked: &str) -> Result<Vec<Range>, &'static str> {
    let Value::Array(ranges) = answer else { return Err("not an array") };
    let ranges: Vec<Range> = ranges.iter().map(|one| range(one, asked)).collect::<Option<_>>().ok_or("a range that can't be read")?;
    if ranges.is_empty() { Err("this server knows of no slot's owner") } else { Ok(ranges) }
}

fn range(answer: &Value, asked: &str) -> Option<Range> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(from), Value::Int(to), master, replicas @ ..] = &parts[..] else { return None };
    let (from, to) = (u16::try_from(*from).ok()?, u16::try_from(*to).ok()?);
    let sound = from <= to && usize::from(to) < SLOTS;
    // A replica without an address is none that could be asked.
    let replicas = replicas.iter().filter_map(|replica| address(replica, asked)).collect();
    sound.then_some(Range { from, to, master: address(master, asked)?, replicas })
}

/// A node's preferred address. Nothing for the host means the one that was asked; a question mark, that it isn't known.
fn address(node: &Value, asked: &str) -> Option<Address> {
    let Value::Array(parts) = node else { return None };
    let (host, port) = match &parts[..] {
        [Value::BulkString(host), Value::Int(port), ..] => (std::str::from_utf8(host).ok()?, *port),
        [Value::Nil, Value::Int(port), ..] => ("", *port),
        _ => return None,
    };
    let host = if host.is_empty() { asked } else { host };
    (host != "?").then_some((host.to_owned(), u16::try_from(port).ok().filter(|port| *port != 0)?))
}

/// Where a redirection points to; nothing for the host means the one that was asked.
pub(super) fn redirection(text: &str, asked: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() { asked } else { host };
    (host != "?").then_some((host.to_owned(), port.parse().ok().filter(|port| *port != 0)?))
}

/// The slot of a key: CRC-16/XMODEM of what stands between the first brace and the next closing one, or, where that is nothing, of the whole key.
/// See the [specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
pub(in crate::store::redis) fn slot(key: &[u8]) -> u16 {
    let hashed = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    let crc = hashed.unwrap_or(key).iter().fold(0, |crc: u16, byte| (crc << 8) ^ CRC[usize::from((crc >> 8).to_le_bytes()[0] ^ byte)]);
    crc % 16384
}

static CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut value = 0_u16;
    while value < 256 {
        let mut crc = value << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[value as usize] = crc;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(Vec::new())])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo{hash_tag}"), slot(b"hash_tag"));
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        // Nothing between the braces, or only one of them.
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_ne!(slot(b"foo{bar"), slot(b"bar"));
        assert_eq!(slot(b""), 0);
    }

    #[test]
    fn answers_are_read_with_all_their_gaps() {
        let one = |from, to, nodes: Vec<Value>| {
            let mut parts = vec![Value::Int(from), Value::Int(to)];
            parts.extend(nodes);
            Value::Array(parts)
        };
        let answer = Value::Array(vec![
            one(0, 100, vec![node(text("a"), 1), node(text("?"), 2), node(text("::1"), 3)]),
            one(101, 16383, vec![node(Value::Nil, 4), node(text(""), 5)]),
        ]);
        let address = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            ranges(&answer, "asked").unwrap(),
            [
                Range { from: 0, to: 100, master: address("a", 1), replicas: vec![address("::1", 3)] },
                Range { from: 101, to: 16383, master: address("asked", 4), replicas: vec![address("asked", 5)] },
            ]
        );
        for odd in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![one(0, 16384, vec![node(text("a"), 1)])]),
            Value::Array(vec![one(5, 4, vec![node(text("a"), 1)])]),
            Value::Array(vec![one(-1, 4, vec![node(text("a"), 1)])]),
            Value::Array(vec![one(0, 4, vec![node(text("?"), 1)])]),
            Value::Array(vec![one(0, 4, vec![node(text("a"), 65536)])]),
            Value::Array(vec![one(0, 4, vec![])]),
        ] {
            assert!(ranges(&odd, "asked").is_err(), "{odd:?}");
        }
        assert_eq!(redirection("::1:6379", "asked"), Some(address("::1", 6379)));
        assert_eq!(redirection(":6379", "asked"), Some(address("asked", 6379)));
        assert_eq!((redirection("?:6379", "asked"), redirection("a:0", "asked"), redirection("a", "asked")), (None, None, None));
    }
}
