//! What goes to a store elsewhere, made unreadable there: XChaCha20-Poly1305 under keys of the user's own.
//!
//! ```text
//! 0..24    nonce, fresh from the operating system's random source: 192 bits, so that chance alone keeps them apart however many there are
//! 24..     the bytes, as long as before
//! last 16  the tag, over the bytes and over what they are bound to
//! ```
//!
//! What they are bound to (the key that they are kept under, the header in front of them) stays readable beside them; taken from elsewhere or changed, it does not open
//! them. Of two keys the first encrypts and both decrypt, so that one can follow another while both have entries.
//!
//! Without the feature `encryption` there is the type, and no value of it.

#[cfg(feature = "encryption")]
pub(crate) use self::with::Cipher;
#[cfg(not(feature = "encryption"))]
pub(crate) use self::without::Cipher;

#[cfg(feature = "encryption")]
mod with {
    use base64::Engine as _;
    use base64::alphabet::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use chacha20poly1305::aead::Generate;
    use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
    use std::fmt;
    use std::sync::Arc;
    use zeroize::Zeroizing;

    pub(super) const NONCE: usize = size_of::<XNonce>();
    pub(super) const TAG: usize = size_of::<Tag>();

    /// As programs print 32 random bytes: with the padding, or without.
    const BASE64: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

    /// Seals bytes under the first key and opens those of either. A clone is the same keys.
    #[derive(Clone)]
    pub(crate) struct Cipher(Arc<Keys>);

    /// Wiped when they are dropped, as their type does.
    struct Keys {
        first: XChaCha20Poly1305,
        second: Option<XChaCha20Poly1305>,
    }

    impl Cipher {
        /// With these keys, one or two.
        ///
        /// # Errors
        ///
        /// Another number of keys.
        pub(crate) fn new(keys: &[[u8; 32]]) -> Result<Self, &'static str> {
            let key = |bytes: &[u8; 32]| XChaCha20Poly1305::new(bytes.into());
            match keys {
                [first] => Ok(Self(Arc::new(Keys { first: key(first), second: None }))),
                [first, second] => Ok(Self(Arc::new(Keys { first: key(first), second: Some(key(second)) }))),
                _ => Err("it takes one key, or two"),
            }
        }

        /// With the keys of this text: base64 of 32 bytes each, a comma between two.
        ///
        /// # Errors
        ///
        /// Anything else. The message shows nothing of it.
        pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
            let mut keys = Zeroizing::new(Vec::with_capacity(2));
            for part in text.split(',') {
                let bytes = BASE64.decode(part.trim()).map(Zeroizing::new).map_err(|_| "a key is not base64")?;
                let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| "a key is not 32 bytes long")?;
                if keys.len() == 2 {
                    return Err("it takes one key, or two");
                }
                keys.push(*key);
            }
            Self::new(&keys)
        }

        /// The bytes, unreadable without the key and bound to these parts, each of which counts as it stands: where one ends and the next begins as well.
        pub(crate) fn seal(&self, associated: &[&[u8]], plain: &[u8]) -> Vec<u8> {
            // Not this process's generator: its copy in a forked process would draw the same ones.
            let nonce = XNonce::try_generate().unwrap_or_else(|_| rand::random::<[u8; NONCE]>().into());
            let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
            sealed.extend_from_slice(&nonce);
            sealed.extend_from_slice(plain);
            match self.0.first.encrypt_inout_detached(&nonce, &joined(associated), (&mut sealed[NONCE..]).into()) {
                Ok(tag) => sealed.extend_from_slice(&tag),
                // More than 256 GiB. Nothing opens it, which is a miss.
                Err(_) => sealed.clear(),
            }
            sealed
        }

        /// The bytes as they were; `None` where neither key sealed them, or not bound to these parts.
        pub(crate) fn open(&self, associated: &[&[u8]], sealed: &[u8]) -> Option<Vec<u8>> {
            let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
            let (bytes, tag) = rest.split_last_chunk::<TAG>()?;
            let associated = joined(associated);
            let mut plain = bytes.to_vec();
            // What does not open is left as it was.
            let mut opens = |key: &XChaCha20Poly1305| {
                key.decrypt_inout_detached(nonce.into(), &associated, plain.as_mut_slice().into(), tag.into()).is_ok()
            };
            (opens(&self.0.first) || self.0.second.as_ref().is_some_and(opens)).then_some(plain)
        }
    }

    impl fmt::Debug for Cipher {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Cipher").field("keys", &(1 + usize::from(self.0.second.is_some()))).finish_non_exhaustive()
        }
    }

    fn joined(parts: &[&[u8]]) -> Vec<u8> {
        let mut joined = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
        for part in parts {
            joined.extend_from_slice(&(part.len() as u64).to_le_bytes());
            joined.extend_from_slice(part);
        }
        joined
    }
}

#[cfg(not(feature = "encryption"))]
mod without {
    use std::convert::Infallible;

    const MISSING: &str = "it needs the crate's feature `encryption`";

    /// Nobody has one.
    #[derive(Clone, Debug)]
    pub(crate) struct Cipher(Infallible);

    impl Cipher {
        pub(crate) fn new(_: &[[u8; 32]]) -> Result<Self, &'static str> {
            Err(MISSING)
        }

        pub(crate) fn parse(_: &str) -> Result<Self, &'static str> {
            Err(MISSING)
        }

        pub(crate) fn seal(&self, _: &[&[u8]], _: &[u8]) -> Vec<u8> {
            match self.0 {}
        }

        pub(crate) fn open(&self, _: &[&[u8]], _: &[u8]) -> Option<Vec<u8>> {
            match self.0 {}
        }
    }
}

#[cfg(all(test, feature = "encryption"))]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const BOUND: &[&[u8]] = &[b"sql:users:data:00", b"header"];

    fn cipher(keys: &[u8]) -> Cipher {
        Cipher::new(&keys.iter().map(|byte| [*byte; 32]).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_shows_nothing() {
        let cipher = cipher(&[1]);
        for plain in [&b""[..], b"x", b"a marker in plain sight", &[0; 10_000]] {
            let sealed = cipher.seal(BOUND, plain);
            assert_eq!(sealed.len(), plain.len() + with::NONCE + with::TAG);
            assert!(plain.len() < 8 || !sealed.windows(8).any(|window| window == &plain[..8]));
            assert_eq!(cipher.open(BOUND, &sealed).as_deref(), Some(plain));
            assert_ne!(cipher.seal(BOUND, plain), sealed, "another nonce");
        }
    }

    #[test]
    fn of_two_keys_the_first_seals_and_both_open() {
        let (old, new, both) = (cipher(&[1]), cipher(&[2]), cipher(&[2, 1]));
        assert_eq!(both.open(BOUND, &old.seal(BOUND, b"rows")).as_deref(), Some(&b"rows"[..]));
        let sealed = both.seal(BOUND, b"rows");
        assert_eq!(new.open(BOUND, &sealed).as_deref(), Some(&b"rows"[..]));
        assert_eq!(both.open(BOUND, &sealed).as_deref(), Some(&b"rows"[..]));
        assert_eq!(old.open(BOUND, &sealed), None);
        assert_eq!(new.open(BOUND, &old.seal(BOUND, b"rows")), None);
    }

    #[test]
    fn bound_to_every_part_as_it_stands() {
        let cipher = cipher(&[1]);
        let sealed = cipher.seal(&[b"ab", b"c"], b"rows");
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"ab"], &[b"c", b"ab"], &[]] {
            assert_eq!(cipher.open(other, &sealed), None, "{other:?}");
        }
        assert!(cipher.open(&[b"ab", b"c"], &sealed).is_some());
    }

    #[test]
    fn cut_and_changed_bytes_never_open_nor_panic() {
        let cipher = cipher(&[2, 1]);
        let sealed = cipher.seal(BOUND, &[b'r'; 200]);
        for length in 0..sealed.len() {
            assert_eq!(cipher.open(BOUND, &sealed[..length]), None, "cut to {length}");
        }
        let mut rng = StdRng::seed_from_u64(1);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cipher.open(BOUND, &changed), None, "bit {bit}");
        }
        for length in 0..200 {
            let random: Vec<u8> = (0..length).map(|_| rng.random()).collect();
            assert_eq!(cipher.open(BOUND, &random), None);
        }
    }

    #[test]
    fn keys_are_read_as_programs_print_them() {
        let (one, two) = ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI");
        let sealed = cipher(&[2]).seal(BOUND, b"rows");
        for (text, opens) in
            [(one.to_owned(), false), (two.to_owned(), true), (format!(" {one} , {two}"), true), (format!("{two},{one}"), true)]
        {
            assert_eq!(Cipher::parse(&text).unwrap().open(BOUND, &sealed).is_some(), opens, "{text}");
        }
        for text in [
            "",
            ",",
            "secret",
            "AQEB",
            &format!("{one},"),
            &format!("{one},{two},{one}"),
            &format!("{one}{one}"),
            "AQEBAQEB-_EBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        ] {
            let error = Cipher::parse(text).expect_err(text);
            assert!(!error.contains("secret") && !error.contains("AQEB"), "{error}");
        }
        assert!(Cipher::new(&[]).is_err() && Cipher::new(&[[1; 32]; 3]).is_err());
    }

    #[test]
    fn a_cipher_shows_none_of_its_keys() {
        let shown = format!("{:?}", cipher(&[0xab, 0xcd]));
        assert_eq!(shown, "Cipher { keys: 2, .. }");
    }
}
