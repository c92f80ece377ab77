//! A sum over an entry's bytes. It tells bytes that changed on their way, or where they lay, from those that were written; it keeps nobody out who
//! may write to the store.

/// Odd, so that to multiply by it loses nothing.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The sum of these bytes. Each step can be undone, so bytes that differ in one word of eight never have the same sum; others have it once in 2^64.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let mut sum = (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut add = |word: [u8; 8]| {
        sum ^= u64::from_le_bytes(word);
        // A product's low bits know nothing of its factor's high ones: so the low ones are told first.
        sum = (sum ^ (sum >> 32)).wrapping_mul(FACTOR);
    };
    let (words, rest) = bytes.as_chunks();
    words.iter().copied().for_each(&mut add);
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    add(last);
    sum ^ (sum >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_bit_or_of_the_length_shows() {
        let bytes: Vec<u8> = (0..203_u8).collect();
        let whole = sum(&bytes);
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_ne!(sum(&changed), whole, "bit {at}");
            for also in at + 1..bytes.len() * 8 {
                changed[also / 8] ^= 1 << (also % 8);
                assert_ne!(sum(&changed), whole, "bits {at} and {also}");
                changed[also / 8] ^= 1 << (also % 8);
            }
        }
        for length in 0..bytes.len() {
            assert_ne!(sum(&bytes[..length]), whole);
        }
        for one in 0..25 {
            for other in one + 1..25 {
                let mut changed = bytes.clone();
                let (head, tail) = changed.split_at_mut(other * 8);
                head[one * 8..][..8].swap_with_slice(&mut tail[..8]);
                assert_ne!(sum(&changed), whole, "words {one} and {other} swapped");
            }
        }
        let zeros: Vec<u64> = (0..40).map(|length| sum(&vec![0; length])).collect();
        assert!((1..40).all(|length| !zeros[..length].contains(&zeros[length])), "{zeros:x?}");
    }
}
