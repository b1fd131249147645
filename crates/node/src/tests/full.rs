//! Disks that are really full and really read-only: a small tmpfs and a read-only mount, in namespaces of the test's own.
use super::market::{CONSUMER, by, market};
use super::rig::founding;
use super::scratch::Scratch;
use crate::{Clock, ErrorKind, Node, Options, Unavailable, backup, init, start, verify};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use sycee_core::ids::MemberId;
use sycee_core::ledger::{self, Account};
use sycee_core::{Outcome, entry::Submission};
use sycee_log::{Disk, RealDisk};

const SEGMENT_BYTES: u64 = 32 * 4096;

/// Set for the child, which then owns its mounts.
const INSIDE: &str = "SYCEE_NODE_TEST_INSIDE";

#[test]
fn full_and_read_only_disks_stop_the_node_and_lose_nothing() {
    if let Some(directory) = env::var_os(INSIDE) {
        inside(Path::new(&directory));
        return;
    }
    let scratch = Scratch::new("mounts");
    fs::create_dir(&scratch.path).unwrap();
    let test = "tests::full::full_and_read_only_disks_stop_the_node_and_lose_nothing";
    let output = Command::new("unshare")
        .arg("-Urm")
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, &scratch.path)
        .output()
        .expect("this test needs the program unshare (util-linux)");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("full after") && said.contains("read-only refused"),
        "the test has to mount a small tmpfs in namespaces of its own; if `unshare -Urm true` fails, allow \
         unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
         kernel.apparmor_restrict_unprivileged_userns=0):\n{said}"
    );
}

fn mount(arguments: &[&str], on: &Path) {
    let status = Command::new("mount").args(arguments).arg(on).status().unwrap();
    assert!(status.success(), "mount {arguments:?} {}", on.display());
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn open(directory: &Path) -> crate::Result<Node> {
    start(Options { segment_bytes: SEGMENT_BYTES, ..Options::new(directory) })
}

fn large(operator: MemberId) -> Submission {
    by(operator, ledger::Command::Deposit { account: CONSUMER, amount: 1, reference: "r".repeat(500) })
}

/// Sends from many sides until nothing is taken any more; the positions that were acknowledged.
fn submit_until_full(node: &Node, operator: MemberId) -> Vec<u64> {
    let sending = || {
        let mut told = Vec::new();
        loop {
            match node.handle().submit_blocking(large(operator)) {
                Ok(Outcome::Applied { position, .. }) => told.push(position),
                Ok(other) => panic!("{other:?}"),
                Err(stopped) => {
                    assert_eq!(stopped, Unavailable::Stopped);
                    return told;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..16).map(|_| scope.spawn(sending)).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

fn deposits(node: &Node) -> usize {
    node.handle().views().line_count(Account::Member(CONSUMER))
}

fn inside(scratch: &Path) {
    mount(&["-t", "tmpfs", "-o", "size=1536k", "tmpfs"], scratch);
    let filler = scratch.join("filler");
    fs::write(&filler, vec![1; 512 * 1024]).unwrap();
    let directory = scratch.join("log");
    let founding = crate::Founding { segment_bytes: SEGMENT_BYTES, ..founding() };
    let operator = init(&disk(), &directory, &Clock::system(), founding).unwrap();
    let node = open(&directory).unwrap();
    for submission in market(operator) {
        node.handle().submit_blocking(submission).unwrap();
    }

    let told = submit_until_full(&node, operator);
    assert!(told.len() > 50, "{} acknowledged", told.len());
    let stopped = loop {
        // Set by the thread that failed, a moment after it let go of those who waited.
        match node.handle().status().stopped {
            Some(stopped) => break stopped,
            None => std::thread::yield_now(),
        }
    };
    assert!(stopped.contains("no space left"), "{stopped}");
    assert_eq!(deposits(&node), told.len() + 1, "what is acknowledged can be read");
    let error = node.stop().unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("free some space")), "{error}");
    println!("full after {} deposits: {error}", told.len());

    let (copy, disk_again) = (scratch.join("copy"), disk());
    let error = backup(&disk_again, &directory, &copy, SEGMENT_BYTES).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfinished, "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
    for refused in [verify(&disk_again, &copy, None).map(|_| ()), open(&copy).map(|_| ())] {
        assert_eq!(refused.unwrap_err().kind, ErrorKind::Unfinished);
    }
    fs::remove_dir_all(&copy).unwrap();

    // Still full: it opens, since what there is has to be readable.
    let node = open(&directory).unwrap();
    assert!(deposits(&node) > told.len());
    drop(node);
    fs::remove_file(&filler).unwrap();
    let node = open(&directory).unwrap();
    let statement = node.handle().statement(Account::Member(CONSUMER), 0..usize::MAX).unwrap();
    for position in &told {
        assert!(statement.iter().any(|line| line.position == *position), "position {position} is lost");
    }
    node.handle().submit_blocking(large(operator)).unwrap();
    let entries = node.handle().status().durable;
    node.stop().unwrap();

    let read_only = scratch.join("read-only");
    fs::create_dir(&read_only).unwrap();
    mount(&["--bind", directory.to_str().unwrap()], &read_only);
    mount(&["-o", "remount,bind,ro"], &read_only);
    let error = open(&read_only).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Log);
    assert!(error.to_string().contains("read-only"), "{error}");
    assert!(error.hint().unwrap().contains("mount the data directory writable"), "{error}");
    let report = verify(&disk(), &read_only, None).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.entries, entries, "to verify needs no writable disk");
    println!("read-only refused");
}
