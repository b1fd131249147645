//! Properties of the encodings: what is written is read, and nothing else is.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use crate::block::{self, Block, Kind, STAMP_BYTES, Stamp};
use crate::disk::BLOCK_BYTES;
use crate::frame::{self, HEADER_BYTES};
use crate::{Draft, Frame, Head, Record};

fn drafts() -> impl Strategy<Value = Draft> {
    (any::<u16>(), any::<u64>(), 1..=u32::MAX, vec(any::<u8>(), 0..20_000))
        .prop_map(|(rules, at, count, payload)| Draft { rules, at, count, payload })
}

fn heads() -> impl Strategy<Value = Head> {
    (0..u64::MAX, 0..u64::MAX / 2, any::<[u8; 32]>()).prop_map(|(number, position, hash)| Head {
        number,
        position,
        hash,
    })
}

fn encoded(head: &Head, draft: &Draft) -> (Vec<u8>, Head) {
    let mut bytes = Vec::new();
    let after = frame::encode(head, draft, &mut bytes).unwrap();
    (bytes, after)
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written(head in heads(), draft in drafts()) {
        let (bytes, after) = encoded(&head, &draft);
        prop_assert_eq!(bytes.len(), frame::blocks_of(draft.payload.len()) * BLOCK_BYTES);
        for (index, block) in (0..).zip(bytes.chunks(BLOCK_BYTES)) {
            let Block::Intact(stamp) = block::inspect(block, Kind::Frame) else { panic!("block {index}") };
            prop_assert_eq!((stamp.number, stamp.index), (head.number, index));
        }
        let frame = frame::decode(&bytes).unwrap();
        prop_assert_eq!(head.follow(&frame), Ok(after));
        let Frame { count, rules, at, payload, .. } = frame;
        prop_assert_eq!(Draft { rules, at, count, payload }, draft);
    }

    #[test]
    fn a_frame_with_a_changed_byte_and_a_right_checksum_is_refused(
        head in heads(),
        draft in drafts(),
        place in any::<proptest::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        // Checksums guard against accidents; the hash has to hold where somebody has fixed them.
        let (mut bytes, _) = encoded(&head, &draft);
        let block = place.index(bytes.len() / BLOCK_BYTES);
        let within = STAMP_BYTES + place.index(BLOCK_BYTES - STAMP_BYTES);
        let changed = &mut bytes[block * BLOCK_BYTES..][..BLOCK_BYTES];
        changed[within] ^= change;
        let Block::Damaged = block::inspect(changed, Kind::Frame) else { panic!("a checksum that says nothing") };
        let stamp = Stamp { number: head.number, index: 0, blocks: 1 };
        block::seal(changed, Kind::Frame, stamp);
        prop_assert!(frame::decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_frame(content in vec(any::<u8>(), 3 * BLOCK_BYTES), blocks in 1_usize..=3) {
        prop_assert!(frame::decode(&content[..blocks * BLOCK_BYTES]).is_err());
    }

    #[test]
    fn records_are_read_as_they_were_written(
        entries in vec((any::<[u8; 32]>(), any::<u64>(), 0..128_u8, any::<Option<[u8; 32]>>(), vec(any::<u8>(), 0..100)), 1..20),
        first_position in 0..u64::MAX / 2,
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut draft = Draft::new(1, 2);
        let mut bytes = 0;
        for (salt_key, at, kind, root, entry) in &entries {
            let record = Record { salt_key: *salt_key, at: *at, kind: *kind, root: *root, entry };
            draft.push(&record);
            bytes += Draft::record_bytes(&record);
        }
        prop_assert_eq!((draft.payload.len(), draft.count as usize), (bytes, entries.len()));
        let mut frame = frame_of(&draft, first_position);
        let records = frame.records().unwrap();
        prop_assert_eq!(records.len(), entries.len());
        for ((index, (position, record)), (salt_key, at, kind, root, entry)) in (0..).zip(&records).zip(&entries) {
            prop_assert_eq!(*position, first_position + index);
            prop_assert_eq!(record, &Record { salt_key: *salt_key, at: *at, kind: *kind, root: *root, entry });
        }
        // Too few bytes, too many, or another count.
        frame.payload.push(0);
        prop_assert!(frame.records().is_err());
        frame.payload.truncate(cut.index(bytes));
        prop_assert!(frame.records().is_err());
        let mut frame = frame_of(&draft, first_position);
        frame.count += 1;
        prop_assert!(frame.records().is_err());
    }
}

fn frame_of(draft: &Draft, first_position: u64) -> Frame {
    let (bytes, _) = encoded(&Head { number: 0, position: first_position, hash: [0; 32] }, draft);
    frame::decode(&bytes).unwrap()
}

#[test]
fn the_layout_of_a_frame_stays() {
    let mut draft = Draft::new(3, 5);
    let record = Record { salt_key: [0xaa; 32], at: 4, kind: 2, root: None, entry: b"entry" };
    draft.push(&record);
    let (bytes, after) = encoded(&Head { number: 6, position: 7, hash: [0xbb; 32] }, &draft);
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let end = STAMP_BYTES + HEADER_BYTES + Draft::record_bytes(&record);
    let expected = [
        // magic, checksum, number, index, blocks
        "53794672",
        &hex(&crc32c::crc32c(&bytes[8..]).to_le_bytes()),
        "0600000000000000",
        "00000000",
        "01000000",
        // format, rules, count, length, number, first position, at, zero
        "0100",
        "0300",
        "01000000",
        "32000000",
        "0600000000000000",
        "0700000000000000",
        "0500000000000000",
        "00000000",
        // previous hash, hash
        &"bb".repeat(32),
        "df7a5fbd50442be09e1e7957bf258b8ef5e573d060e2fa9c91db3cda06dd1aee",
        // length, kind, at, salt key, entry
        "05000000",
        "02",
        "0400000000000000",
        &"aa".repeat(32),
        "656e747279",
    ];
    assert_eq!(hex(&bytes[..end]), expected.concat());
    assert_eq!(hex(&after.hash), expected[14]);
    assert!(bytes[end..].iter().all(|byte| *byte == 0));
}
