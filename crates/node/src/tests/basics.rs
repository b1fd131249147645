//! A real node on a real directory.
use super::rig::kept;
use super::scratch::Scratch;
use crate::{Clock, Founding, Node, Options, init, start, verify};
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{AccountId, Asset, CommandId, Hash, MemberId};
use sycee_core::ledger::{self, Account};
use sycee_core::membership::Command as Membership;
use sycee_core::permission::Actor;
use sycee_core::{Outcome, Refusal};
use sycee_log::{Disk, RealDisk};

const SEGMENT_BYTES: u64 = 1 << 20;

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn found(directory: &Path) -> MemberId {
    let founding = Founding {
        origin: "test.example/log".to_owned(),
        assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
        operator_name: "operator".to_owned(),
        operator_key_hash: Hash([7; 32]),
        segment_bytes: SEGMENT_BYTES,
    };
    init(&disk(), directory, &Clock::system(), founding).unwrap()
}

fn open(directory: &Path) -> Node {
    start(Options { segment_bytes: SEGMENT_BYTES, ..Options::new(directory) }).unwrap()
}

fn by(operator: MemberId, command: impl Into<Command>) -> Submission {
    Submission {
        actor: Actor::Member(operator),
        id: None,
        reason: Some("test".to_owned()),
        command: command.into(),
    }
}

fn open_account(node: &Node, operator: MemberId) -> AccountId {
    let account = AccountId(node.handle().new_id().unwrap());
    let command = Membership::OpenAccount {
        account,
        member: operator,
        asset: Asset(0),
        name: "main".to_owned(),
        limit: 0,
    };
    let outcome = node.handle().submit_blocking(by(operator, command)).unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    account
}

fn deposit(account: AccountId, amount: i128) -> ledger::Command {
    ledger::Command::Deposit { account, amount, reference: "bank 1".to_owned() }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let scratch = Scratch::new("restart");
    let operator = found(&scratch.path);
    let node = open(&scratch.path);
    let account = open_account(&node, operator);
    let outcome = node.handle().submit_blocking(by(operator, deposit(account, 500))).unwrap();
    let Outcome::Applied { position, .. } = outcome else { panic!("{outcome:?}") };
    let hash = node.handle().views().state.hash();
    node.stop().unwrap();

    let node = open(&scratch.path);
    assert_eq!(node.handle().views().state.hash(), hash);
    let lines = node.handle().statement(Account::Member(account), 0..10).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].position, lines[0].amount, lines[0].balance), (position, 500, 500));
    node.stop().unwrap();

    let report = verify(&disk(), &scratch.path, None).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.entries, position + 1);
    assert_eq!(report.state_hash, hash.to_string());
    let checkpoint = std::fs::read_to_string(scratch.path.join("checkpoint")).unwrap();
    let report = verify(&disk(), &scratch.path, Some(kept(&checkpoint))).unwrap();
    assert!(report.sound, "{report:?}");
}

#[test]
fn a_second_node_is_told_that_the_directory_is_locked() {
    let scratch = Scratch::new("locked");
    found(&scratch.path);
    let node = open(&scratch.path);
    let error = start(Options::new(&scratch.path)).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("stop the other process")), "{error}");
    node.stop().unwrap();
}

#[test]
fn a_directory_that_vanishes_is_named_and_no_new_log_is_advised() {
    let (scratch, moved) = (Scratch::new("vanishes"), Scratch::new("vanished"));
    let operator = found(&scratch.path);
    let node = open(&scratch.path);
    std::fs::rename(&scratch.path, &moved.path).unwrap();
    open_account(&node, operator);
    let error = node.stop().unwrap_err();
    assert!(error.to_string().contains(&scratch.path.display().to_string()), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("removed or moved away")), "{:?}", error.hint());
    std::fs::rename(&moved.path, &scratch.path).unwrap();
    open(&scratch.path).stop().unwrap();
}

#[test]
fn a_command_that_is_sent_twice_happens_once() {
    let scratch = Scratch::new("twice");
    let operator = found(&scratch.path);
    let node = open(&scratch.path);
    let account = open_account(&node, operator);
    let id = Some(CommandId(node.handle().new_id().unwrap()));
    let send =
        |amount| node.handle().submit_blocking(Submission { id, ..by(operator, deposit(account, amount)) });
    let first = send(100).unwrap();
    let Outcome::Applied { position, .. } = first else { panic!("{first:?}") };
    assert_eq!(send(100).unwrap(), Outcome::Repeated { position, refusal: None });
    let other = send(101).unwrap();
    assert!(matches!(other, Outcome::Refused(Refusal::Idempotency(_))), "{other:?}");
    assert_eq!(node.handle().views().state.ledger.balance(Account::Member(account)).unwrap().amount, 100);
    node.stop().unwrap();
}

#[test]
fn a_backup_of_a_running_node_is_a_log_of_its_own() {
    let (scratch, copy) = (Scratch::new("backup"), Scratch::new("backup-copy"));
    let operator = found(&scratch.path);
    let node = open(&scratch.path);
    let account = open_account(&node, operator);
    node.handle().submit_blocking(by(operator, deposit(account, 3))).unwrap();
    let report = crate::backup(&disk(), &scratch.path, &copy.path, SEGMENT_BYTES).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.entries, 3);
    let restored = open(&copy.path);
    assert_eq!(restored.handle().views().state.hash(), node.handle().views().state.hash());
    restored.stop().unwrap();
    node.stop().unwrap();
}

#[test]
fn a_key_that_others_can_read_is_not_trusted() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new("key");
    found(&scratch.path);
    let path = scratch.path.join(crate::key::FILE);
    assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o620, 0o777] {
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = start(Options::new(&scratch.path)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("which others can read"), "{mode:o}: {error}");
        assert!(error.hint().unwrap().contains("0600"));
    }
    set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    open(&scratch.path).stop().unwrap();
}

#[test]
fn a_backup_that_is_not_sound_is_not_restored() {
    let (scratch, copy) = (Scratch::new("unsound"), Scratch::new("unsound-copy"));
    found(&scratch.path);
    let segment = scratch.path.join("segment-00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let error = crate::restore(&disk(), &scratch.path, &copy.path, SEGMENT_BYTES).unwrap_err();
    assert!(error.to_string().contains("restore a backup that is not sound"), "{error}");
    assert!(!copy.path.exists(), "nothing was written");
}
