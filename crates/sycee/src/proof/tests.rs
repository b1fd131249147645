//! Proofs of a real log, made and checked; and what becomes of them when anything in them is changed.
use super::check::{self, Verdict};
use super::content::{self, Read};
use super::{facts, make};
use crate::cli::What;
use std::path::Path;
use std::sync::Arc;
use sycee_core::arithmetic::price;
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::Amount;
use sycee_core::{catalog, metering};
use sycee_log::leaf::salts;
use sycee_log::merkle::file::{Content, File, Growth, Proof, Shown};
use sycee_log::merkle::{self, proof as paths};
use sycee_log::{Checkpoint, Leaf, Reader, Record, Signer, Verifier};
use world::World;

mod world;

fn key(world: &World) -> Verifier {
    make::key(&world.path).unwrap()
}

fn receipt(world: &World) -> Proof {
    make::proof(&world.path, What::Receipt(world.settled), false).unwrap()
}

fn read_again(proof: &Proof) -> Proof {
    match proof.to_string().parse() {
        Ok(File::Proof(read)) => *read,
        other => panic!("{other:?}"),
    }
}

fn steps(verdict: &Verdict) -> Vec<&'static str> {
    verdict.steps.iter().map(|step| step.name).collect()
}

/// The step that a proof fails at, and why.
fn cause(proof: &Proof, key: &Verifier) -> String {
    check::proof(proof, key).cause().expect("it should prove nothing")
}

#[test]
fn a_receipt_is_proved_with_its_price_and_its_amount() {
    let world = World::new("receipt");
    let proof = read_again(&receipt(&world));
    let verdict = check::proof(&proof, &key(&world));
    assert_eq!(verdict.cause(), None);
    let in_log = ["commitment", "inclusion", "content"];
    let expected =
        [&["signature", "place"][..], &in_log, &["beside"], &in_log, &["split", "price", "amount"]];
    assert_eq!(steps(&verdict), expected.concat());
    let facts = facts(&File::Proof(Box::new(proof.clone())));
    let receipt = &facts["shown"]["receipts"][0];
    assert_eq!(receipt["request"], world.settled.to_string());
    // 41 × 700.000013 + 123 × 3100.000021, rounded down.
    assert_eq!(receipt["total"], "410000");
    assert_eq!(facts["beside"][0]["prices"][0]["schedule"], receipt["schedule"]);
    assert!(
        content::in_a_line(&proof.shown).contains("paid 410000 units"),
        "{}",
        content::in_a_line(&proof.shown)
    );
}

#[test]
fn every_entry_of_a_log_is_proved_but_lines_which_are_shown_one_by_one() {
    let world = World::new("every");
    let key = key(&world);
    let size = Checkpoint::open(&std::fs::read_to_string(world.path.join("checkpoint")).unwrap(), &key)
        .unwrap()
        .size;
    let mut lines = 0;
    for position in 0..size {
        match make::proof(&world.path, What::Position(position), true) {
            Ok(proof) => {
                assert_eq!(check::proof(&read_again(&proof), &key).cause(), None, "position {position}");
            }
            Err(error) => {
                assert!(error.to_string().contains("one by one"), "{error}");
                lines += 1;
            }
        }
    }
    assert_eq!(lines, 1);
    let error = make::proof(&world.path, What::Position(size), true).unwrap_err();
    assert!(error.to_string().contains("failed to find position"), "{error}");
}

#[test]
fn a_receipt_that_was_closed_with_others_is_not_shown_by_mistake() {
    let world = World::new("others");
    let error = make::proof(&world.path, What::Receipt(world.recovered), false).unwrap_err();
    assert!(error.to_string().contains("1 other requests"), "{error}");
    let proof = make::proof(&world.path, What::Receipt(world.recovered), true).unwrap();
    let verdict = check::proof(&proof, &key(&world));
    assert_eq!(verdict.cause(), None);
    assert_eq!(facts(&File::Proof(Box::new(proof)))["shown"]["receipts"].as_array().unwrap().len(), 2);
    let released = make::proof(&world.path, What::Receipt(world.released), false).unwrap();
    assert_eq!(check::proof(&released, &key(&world)).cause(), None);
    assert!(content::in_a_line(&released.shown).starts_with("nothing was owed for req_"));
}

#[test]
fn nothing_that_was_changed_proves_anything() {
    let world = World::new("changed");
    let (good, key) = (receipt(&world), key(&world));
    let with = |change: &dyn Fn(&mut Proof)| {
        let mut proof = good.clone();
        change(&mut proof);
        cause(&proof, &key)
    };
    let flip = |hash: &mut [u8]| hash[5] ^= 1;
    assert_eq!(
        with(&|it| it.checkpoint = it.checkpoint.replacen("proof.example", "prove.example", 1)),
        "signature: the signature is wrong"
    );
    assert!(with(&|it| it.index += 1).starts_with("place: "));
    assert!(with(&|it| it.shown.leaf.position += 1).starts_with("place: "));
    assert!(with(&|it| flip(&mut it.shown.salt)).starts_with("commitment: "));
    assert!(
        with(&|it| {
            let Content::Entry(entry) = &mut it.shown.content else { unreachable!("it is an entry") };
            flip(entry);
        })
        .starts_with("commitment: ")
    );
    assert_eq!(with(&|it| flip(&mut it.path[1])), "inclusion: the path leads to another root");
    assert_eq!(with(&|it| it.shown.leaf.at += 1), "inclusion: the path leads to another root");
    assert!(with(&|it| it.path.truncate(1)).starts_with("inclusion: the path is not as long"));
    assert!(with(&|it| flip(&mut it.beside[0].1[0])).starts_with("inclusion: "));
    assert!(with(&|it| it.beside[0].0.leaf.position = 1 << 40).starts_with("beside: position"));
    assert_eq!(
        with(&|it| it.beside = vec![(it.shown.clone(), it.path.clone())]),
        "price: no entry beside it publishes its price"
    );
    let mut bare = good.clone();
    bare.beside.clear();
    let verdict = check::proof(&bare, &key);
    assert_eq!((verdict.cause(), verdict.steps.last().unwrap().name), (None, "price"));
    let stranger = Signer::new("proof.example/log", &[9; 32]).unwrap().verifier();
    assert_eq!(cause(&good, &stranger), "signature: the note is not signed by this key");
}

#[test]
fn a_log_is_proved_to_have_grown() {
    let world = World::new("growth");
    let kept = world.path.join("early");
    std::fs::write(&kept, &world.early).unwrap();
    let (growth, key) = (make::growth(&world.path, &kept).unwrap(), key(&world));
    let text = growth.to_string();
    assert_eq!(text.parse(), Ok(File::Growth(growth.clone())));
    let verdict = check::growth(&growth, &key, &world.early);
    assert_eq!((verdict.cause(), steps(&verdict)), (None, vec!["signature", "kept", "size", "growth"]));

    let cause =
        |growth: &Growth, kept: &str| check::growth(growth, &key, kept).cause().expect("it should not hold");
    let mut other = growth.clone();
    other.path[0][0] ^= 1;
    assert!(cause(&other, &world.early).starts_with("growth: "));
    other = Growth { old: growth.old + 1, ..growth.clone() };
    assert!(cause(&other, &world.early).starts_with("size: "));
    assert!(cause(&growth, &growth.checkpoint).starts_with("size: "));
    assert_eq!(cause(&growth, "no checkpoint"), "kept: this is not a signed note");
}

/// The table in the header of `sycee_node::lines`, written down a second time.
fn line_as_documented(
    batch: &metering::Batch,
    counted: &metering::Counted,
    index: usize,
    offers: &Entry,
) -> Vec<u8> {
    let line = batch.lines.iter().nth(index).unwrap();
    let refusal = counted.refused.iter().find(|(refused, _)| *refused as usize == index);
    let names =
        [(world::CONSUMER, world::KEY), (sycee_core::ids::AccountId(0xc1), sycee_core::ids::KeyId(0xd1))];
    let name = names.get(line.key.0 as usize);
    let said = offers.events.iter().find_map(|event| match event {
        Event::Catalog(catalog::Event::SchedulePublished { offer, schedule, prices })
            if line.offer.0 == 0 =>
        {
            Some((minicbor::to_vec((offer, schedule, prices)).unwrap(), prices.prices))
        }
        _ => None,
    });
    let mut bytes = Vec::new();
    bytes.extend(name.map_or([0; 16], |(account, _)| account.0.to_be_bytes()));
    bytes.extend(name.map_or([0; 16], |(_, key)| key.0.to_be_bytes()));
    bytes.extend(said.as_ref().map_or([0; 32], |(said, _)| merkle::short_hash::<4>(&[said])));
    bytes.extend((batch.first + index as u64).to_le_bytes());
    bytes.extend(batch.start_of(&line).0.to_le_bytes());
    bytes.extend(line.duration_milliseconds.to_le_bytes());
    bytes.extend(line.microjoules.to_le_bytes());
    let paid = said
        .filter(|_| refusal.is_none())
        .map_or(0, |(_, prices)| price::total(&line.usage, &prices).unwrap());
    bytes.extend(Amount::to_le_bytes(paid));
    bytes.push(refusal.map_or(0, |(_, why)| minicbor::to_vec(why).unwrap()[0] + 1));
    let present =
        line.usage.0.iter().enumerate().fold(0_u16, |bits, (bit, it)| bits | u16::from(*it > 0) << bit);
    bytes.extend(present.to_le_bytes());
    for tokens in line.usage.0.iter().filter(|tokens| **tokens > 0) {
        bytes.extend(u32::try_from(*tokens).unwrap().to_le_bytes());
    }
    bytes
}

/// What shows each line of the log's batch, and the entry that publishes their price.
fn lines(world: &World) -> (Vec<Shown>, Shown) {
    let disk: Arc<dyn sycee_log::Disk> = Arc::new(sycee_log::RealDisk);
    let frames: Vec<_> = Reader::open(disk, &world.path).unwrap().map(Result::unwrap).collect();
    let records: Vec<(u64, Record<'_>)> = frames.iter().flat_map(|frame| frame.records().unwrap()).collect();
    let open = |(position, record): &(u64, Record<'_>)| sycee_node::seal::open(record, *position).unwrap();
    let offers =
        records.iter().find(|it| it.1.root.is_none() && content::prices(&open(it)).next().is_some()).unwrap();
    let priced = open(offers);
    let batch = records.iter().find(|(_, record)| record.root.is_some()).unwrap();
    let entry = open(batch);
    let (recorded, counted) = entry.recorded().unwrap();
    let lines: Vec<_> = (0..5).map(|index| line_as_documented(recorded, counted, index, &priced)).collect();
    let salts = salts(&batch.1.salt_key, lines.len());
    let leaves: Vec<_> = lines
        .iter()
        .zip(&salts[1..])
        .map(|(line, salt)| merkle::leaf_hash(&[&salt[..], line].concat()))
        .collect();
    assert_eq!(Some(merkle::root(leaves.clone())), batch.1.root, "the lines are those that were written");
    let path = |index: u64| {
        paths::inclusion(index, 5, |it| {
            let beneath = it.leaves();
            Ok::<_, ()>(merkle::root(
                leaves[usize::try_from(beneath.start).unwrap()..usize::try_from(beneath.end).unwrap()]
                    .to_vec(),
            ))
        })
        .unwrap()
    };
    let leaf = batch.1.leaf(batch.0);
    let shown = (0_u64..).zip(&lines).zip(&salts[1..]).map(|((index, line), salt)| {
        let content = Content::Line { line: line.clone(), index, lines: 5, path: path(index) };
        Shown { leaf, salt: *salt, content }
    });
    let content = Content::Entry(offers.1.entry.to_vec());
    let price =
        Shown { leaf: offers.1.leaf(offers.0), salt: sycee_log::leaf::salt(&offers.1.salt_key), content };
    (shown.collect(), price)
}

#[test]
fn a_line_is_proved_with_its_price_and_shows_nothing_of_the_others() {
    let world = World::new("line");
    let (lines, price) = lines(&world);
    let key = key(&world);
    let verdicts = ["paid", "metering.line.key_not_found", "metering.line.offer_not_found", "paid", "paid"];
    for (line, verdict) in lines.iter().zip(verdicts) {
        let proof = make::assemble(&world.path, line.clone(), vec![price.clone()]).unwrap();
        let checked = check::proof(&read_again(&proof), &key);
        assert_eq!(checked.cause(), None);
        let Ok(Read::Line(read)) = content::read(line) else { panic!("it is a line") };
        assert_eq!(read.verdict.name(), verdict);
        assert_eq!(steps(&checked).contains(&"amount"), read.price.0 != [0; 32]);
        let text = proof.to_string();
        for other in lines.iter().filter(|other| *other != line) {
            let Content::Line { line: bytes, .. } = &other.content else { panic!("it is a line") };
            assert!(!format!("{proof:?}").contains(&format!("{bytes:?}")), "{text}");
        }
    }
}

/// `tests/proofs` holds the other checker, which knows nothing of ours, against the same file. `UPDATE=1` writes it anew.
#[test]
fn a_line_of_an_earlier_log_is_proved_still() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/proofs/line.tlog-proof");
    const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/proofs/line.key");
    if std::env::var_os("UPDATE").is_some() {
        let world = World::new("earlier");
        let (lines, price) = lines(&world);
        let proof = make::assemble(&world.path, lines[3].clone(), vec![price]).unwrap();
        std::fs::write(FILE, proof.to_string()).unwrap();
        std::fs::write(KEY, format!("{}\n", key(&world))).unwrap();
    }
    let File::Proof(proof) = super::open(Path::new(FILE)).unwrap() else { panic!("it is of a line") };
    assert_eq!(check::proof(&proof, &super::key(KEY).unwrap()).cause(), None);
    let found = content::in_a_line(&proof.shown);
    assert!(found.contains("paid 1578700 units for line 3, which is paid"), "{found}");
}

#[test]
fn a_line_that_was_changed_proves_nothing() {
    let world = World::new("changed-line");
    let (lines, price) = lines(&world);
    let key = key(&world);
    let good = make::assemble(&world.path, lines[3].clone(), vec![price]).unwrap();
    let Content::Line { line: bytes, .. } = good.shown.content.clone() else { panic!("it is a line") };
    for byte in 0..bytes.len() {
        let mut proof = good.clone();
        let Content::Line { line, .. } = &mut proof.shown.content else { panic!("it is a line") };
        line[byte] ^= 1;
        assert!(cause(&proof, &key).starts_with("commitment: "), "byte {byte}");
    }
    let mut proof = good.clone();
    let Content::Line { lines, .. } = &mut proof.shown.content else { panic!("it is a line") };
    *lines = 9;
    assert_eq!(cause(&proof, &key), "commitment: the inner path is not as long as it is among so many lines");
    let mut unpriced = good;
    unpriced.beside = vec![];
    assert_eq!(check::proof(&unpriced, &key).cause(), None);
}

/// Somebody who may choose what is logged, and its salt, makes the bytes of an entry and of a line one and the same.
#[test]
fn an_entry_is_not_passed_off_as_a_line_nor_a_line_as_an_entry() {
    let signer = Signer::new("forge.example/log", &[7; 32]).unwrap();
    let mut line = vec![0; 111];
    line[108] = 0;
    let salt = [3; 16];
    let preimage = [&[0][..], &salt, &line].concat();
    let (first, rest) = preimage.split_first_chunk::<16>().unwrap();
    let commitment = merkle::leaf_hash(&[&salt[..], &line].concat());
    assert_eq!(sycee_log::leaf::commitment(first, rest), commitment);
    let forge = |kind, salt, content| {
        let leaf = Leaf { position: 0, at: 5, kind, commitment };
        let checkpoint = Checkpoint { origin: "forge.example/log".to_owned(), size: 1, root: leaf.hash() };
        let shown = Shown { leaf, salt, content };
        let checkpoint = checkpoint.sign(&signer).unwrap();
        Proof { shown, index: 0, path: Vec::new(), beside: Vec::new(), checkpoint }
    };
    let as_line =
        |kind| forge(kind, salt, Content::Line { line: line.clone(), index: 0, lines: 1, path: Vec::new() });
    let as_entry = |kind| forge(kind, *first, Content::Entry(rest.to_vec()));
    let key = signer.verifier();
    assert_eq!(check::proof(&as_line(8), &key).cause(), None);
    assert_eq!(cause(&as_line(5), &key), "content: the leaf commits to an entry, and a line is shown");
    assert_eq!(cause(&as_entry(8), &key), "content: the leaf commits to lines, and an entry is shown");
    assert!(cause(&as_entry(5), &key).starts_with("content: the entry cannot be read"));
}

#[test]
fn a_checkpoint_of_another_log_proves_nothing() {
    let world = World::new("origin");
    let good = receipt(&world);
    let key = Verifier::new("other.example/log", &key(&world).public_key()).unwrap();
    let signer = Signer::new("other.example/log", &[7; 32]).unwrap();
    let checkpoint = Checkpoint { origin: "proof.example/log".to_owned(), size: 99, root: [0; 32] };
    let lent = Proof { checkpoint: checkpoint.sign(&signer).unwrap(), ..good.clone() };
    assert_eq!(cause(&lent, &signer.verifier()), "signature: it speaks of another log, proof.example/log");
    assert_eq!(cause(&good, &key), "signature: the note is not signed by this key");
}

#[test]
fn a_log_that_is_not_what_it_signed_proves_nothing() {
    let world = World::new("unsigned");
    let path = world.path.join("checkpoint");
    std::fs::write(&path, &world.early).unwrap();
    let error = make::proof(&world.path, What::Receipt(world.settled), false).unwrap_err();
    assert!(error.to_string().contains("wait a second"), "{error}");
    std::fs::write(&path, "junk\n").unwrap();
    let error = make::proof(&world.path, What::Receipt(world.settled), false).unwrap_err();
    assert!(error.to_string().contains("failed to trust the checkpoint beside the log"), "{error}");
}
