use super::*;
use crate::tag::ServerIdentity;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const KEY: &str = "sql:users:data:00";
const LARGEST: usize = 1 << 10;
const ROWS: &[u8] = &[b'r'; 100];
const FACTS: Facts = Facts { fresh_for: Duration::from_secs(300), cost: Duration::from_micros(120) };

type Sample = (Vec<Tag>, Vec<Generation>, Bytes, Option<Cipher>);

/// Rows as they are, and compressed, and both encrypted: the same header.
fn samples() -> Vec<Sample> {
    let tags = vec![Tag::all(), Tag::table("users"), Tag::table("orders")];
    let generations: Vec<_> = tags.iter().map(|_| Generation::fresh(ServerIdentity::default())).collect();
    let mut samples = Vec::new();
    for cipher in [None, Cipher::new(&[[7; 32]]).ok()] {
        for payload in [Payload::from(ROWS), Payload::compressed(ROWS, 0)] {
            let entry = encode(KEY, &tags, &generations, FACTS, payload, cipher.as_ref());
            samples.push((tags.clone(), generations.clone(), entry, cipher.clone()));
        }
    }
    samples
}

#[test]
fn valid_under_its_own_generations_only() {
    for sample in samples() {
        valid_under_own_generations(sample);
    }
}

fn valid_under_own_generations((tags, generations, entry, cipher): Sample) {
    let labels: Vec<_> = generations.iter().copied().map(Label::Standing).collect();
    let Ok(Verdict::Valid { rows, stored, age, fresh_for, cost }) = judge(KEY, &entry, &tags, &labels, LARGEST, cipher.as_ref()) else {
        panic!("not valid")
    };
    assert!(rows == ROWS && fresh_for == FACTS.fresh_for && cost == FACTS.cost && age < Duration::from_mins(1));
    let head = head(&generations);
    assert_eq!(entry[ALL_GENERATION.start..][..head.len()], head);
    assert_eq!(entry[ALL_GENERATION.start + head.len()..][..8], stored, "what a lease compares");
    assert_eq!(super::stored(&entry, tags.len()), Some(stored));
    if entry[4..6] == [0, 0] {
        assert_eq!(&entry[super::rows(&entry, ROWS.len())], ROWS);
    }
    for index in 0..3 {
        for other in [Label::Absent, Label::Fenced, Label::Standing(Generation::fresh(ServerIdentity::default()))] {
            let mut changed = labels.clone();
            changed[index] = other;
            assert_eq!(judge(KEY, &entry, &tags, &changed, LARGEST, cipher.as_ref()), Ok(Verdict::Dead), "tag {index} {other:?}");
        }
    }
    let renamed = vec![Tag::all(), Tag::table("users"), Tag::table("items")];
    assert_eq!(judge(KEY, &entry, &renamed, &labels, LARGEST, cipher.as_ref()), Ok(Verdict::Dead));
    assert_eq!(judge(KEY, &entry, &tags[..2], &labels[..2], LARGEST, cipher.as_ref()), Ok(Verdict::Dead));
    let too_large = matches!(judge(KEY, &entry, &tags, &labels, ROWS.len() - 1, cipher.as_ref()), Ok(Verdict::TooLarge));
    assert_eq!(too_large, entry[4] != 0, "only what would have to be made larger");
    assert_eq!(judge("sql:users:data:01", &entry, &tags, &labels, LARGEST, cipher.as_ref()), Err(Malformed("key")));
    assert_eq!(entry[ALL_GENERATION], generations[0].0);
    assert_eq!(entry[TABLE_GENERATION], generations[1].0);
}

#[test]
fn mutated_bytes_never_panic_and_cut_ones_never_pass() {
    for sample in samples() {
        mutated(sample);
    }
}

fn mutated((tags, generations, entry, cipher): Sample) {
    let labels: Vec<_> = generations.iter().copied().map(Label::Standing).collect();
    for length in 0..entry.len() {
        assert!(judge(KEY, &entry.slice(..length), &tags, &labels, LARGEST, cipher.as_ref()).is_err(), "cut to {length}");
    }
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut bytes = entry.to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        if bytes == *entry {
            continue;
        }
        assert!(judge(KEY, &bytes.clone().into(), &tags, &labels, LARGEST, cipher.as_ref()).is_err(), "the sum tells");
        // As somebody may write it who knows the sum.
        bytes.truncate(bytes.len() - 8);
        seal(&mut bytes);
        if let Ok(Verdict::Valid { rows, .. }) = judge(KEY, &bytes.into(), &tags, &labels, LARGEST, cipher.as_ref()) {
            assert!(rows.len() <= LARGEST);
        }
    }
}

#[cfg(feature = "encryption")]
mod encrypted {
    use super::*;

    fn worth((tags, generations, _, _): &Sample, entry: &Bytes, cipher: Option<&Cipher>) -> Result<Verdict, Malformed> {
        let labels: Vec<_> = generations.iter().copied().map(Label::Standing).collect();
        judge(KEY, entry, tags, &labels, LARGEST, cipher)
    }

    #[test]
    fn open_ones_are_not_believed_where_there_is_a_key_nor_sealed_ones_without() {
        let samples = samples();
        assert_eq!(
            samples.iter().map(|sample| sample.2[4..8].to_vec()).collect::<Vec<_>>(),
            [[0; 4], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
        );
        let (own, other) = (Cipher::new(&[[7; 32]]).unwrap(), Cipher::new(&[[8; 32]]).unwrap());
        for sample in &samples {
            let stored = super::stored(&sample.2, 3).unwrap();
            let sealed = sample.3.is_some();
            for (cipher, opens) in [(None, !sealed), (Some(&own), sealed), (Some(&other), false)] {
                match worth(sample, &sample.2, cipher) {
                    Ok(Verdict::Valid { rows, .. }) if opens => assert_eq!(rows, ROWS),
                    Ok(Verdict::Undecryptable { stored: told }) if !opens => assert_eq!(told, stored),
                    other => panic!("{other:?} of {:?} with {cipher:?}", &sample.2[4..8]),
                }
            }
        }
    }

    /// Each byte of the header changed as somebody may who knows the sum: other generations and other labels to go with them, another age, another key.
    #[test]
    fn rows_under_another_header_do_not_open() {
        let sample = samples().swap_remove(3);
        let (tags, _, entry, cipher) = &sample;
        let header = entry.windows(KEY.len()).position(|window| window == KEY.as_bytes()).unwrap() + KEY.len();
        for at in 4..header {
            let mut bytes = entry[..entry.len() - 8].to_vec();
            bytes[at] ^= 1;
            seal(&mut bytes);
            let labels = labels(&bytes, tags.len());
            let verdict = judge(KEY, &bytes.into(), tags, &labels, LARGEST, cipher.as_ref());
            assert!(!matches!(verdict, Ok(Verdict::Valid { .. })), "byte {at}: {verdict:?}");
        }
        // Somebody else's rows under this header.
        let others = encode("sql:users:data:01", tags, &sample.1, FACTS, Payload::compressed(ROWS, 0), cipher.as_ref());
        let mut moved = entry[..header].to_vec();
        moved.extend_from_slice(&others[header..others.len() - 8]);
        seal(&mut moved);
        assert!(matches!(worth(&sample, &moved.into(), cipher.as_ref()), Ok(Verdict::Undecryptable { .. })));
        assert!(matches!(worth(&sample, entry, cipher.as_ref()), Ok(Verdict::Valid { .. })));
    }
}

#[test]
fn entries_describe_themselves_and_nothing_else_does() {
    for (tags, generations, entry, cipher) in samples() {
        let described = EntryDescription::of(&entry).unwrap();
        assert_eq!((described.key.as_str(), &described.tags), (KEY, &tags));
        assert_eq!((described.fresh_for, described.cost, described.encrypted), (FACTS.fresh_for, FACTS.cost, cipher.is_some()));
        assert!(described.stored_at.elapsed().unwrap_or_default() < Duration::from_mins(1));
        assert!(entry.len() > described.rows_bytes && (described.compressed || described.encrypted || described.rows_bytes == ROWS.len()));
        let mut labels: Vec<_> = generations.iter().copied().map(Label::Standing).collect();
        assert!(described.is_valid(&labels) && !described.is_valid(&labels[1..]));
        labels[2] = Label::Absent;
        assert!(!described.is_valid(&labels));
        for cut in 0..entry.len() {
            assert_eq!(EntryDescription::of(&entry.slice(..cut)), None);
            // With a sum of its own, which is not what tells.
            let mut short = entry[..cut].to_vec();
            seal(&mut short);
            if cut + 8 != entry.len() {
                assert_eq!(EntryDescription::of(&short.into()), None, "{cut}");
            }
        }
    }
}
