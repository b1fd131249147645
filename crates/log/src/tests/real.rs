//! The log on the machine's own disk, and on disks that are really full and really read-only.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};

use super::harness::{SMALL, Snapshot, append, is_ours, load_snapshot, store_snapshot};
use crate::{ErrorKind, Log, Reader, RealDisk, Sealing};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("sycee-log-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("failed to remove {}: {error}", self.0.display());
        }
    }
}

fn count(directory: &Path) -> usize {
    Reader::open(Arc::new(RealDisk), directory).unwrap().map(Result::unwrap).filter(is_ours).count()
}

#[test]
fn a_log_lives_on_a_real_disk() {
    let scratch = Scratch::new("lives");
    let directory = scratch.0.join("a/b");
    let disk = Arc::new(RealDisk);
    let mut log = Log::create(disk.clone(), &directory, SMALL).unwrap();
    for _ in 0..30 {
        append(&mut log).unwrap();
        log.sync().unwrap();
        let head = log.durable();
        store_snapshot(disk.clone(), &directory, &Snapshot { head, bytes: vec![1] }).unwrap();
        crate::checkpoint::store(&*disk, &directory, "text").unwrap();
    }
    let locked = Log::open(disk.clone(), &directory, SMALL).map(|_| ()).unwrap_err();
    assert_eq!(locked.kind, ErrorKind::Locked { by: Some(std::process::id()) });
    assert_eq!(count(&directory), 30);
    drop(log);
    let (log, recovery) = Log::open(disk.clone(), &directory, SMALL).unwrap();
    assert_eq!((recovery.head.number, recovery.torn), (30, false));
    let (newest, skipped) = load_snapshot(&*disk, &directory, &log.source()).unwrap();
    assert_eq!((newest.map(|snapshot| snapshot.head), skipped), (Some(recovery.head), vec![]));
    assert_eq!(crate::checkpoint::load(&*disk, &directory).unwrap().as_deref(), Some("text"));
}

#[test]
fn a_lock_cannot_be_deleted_or_moved_away() {
    let scratch = Scratch::new("lock");
    let (directory, moved) = (scratch.0.join("log"), scratch.0.join("moved"));
    let log = Log::create(Arc::new(RealDisk), &directory, SMALL).unwrap();
    let refused = |directory: &Path| Log::open(Arc::new(RealDisk), directory, SMALL).map(|_| ()).unwrap_err();
    let error = refused(&directory).to_string();
    assert!(error.ends_with(&format!("locked by process {}", std::process::id())), "{error}");
    fs::remove_file(directory.join("lock")).unwrap();
    assert_eq!(refused(&directory).kind, ErrorKind::Locked { by: None });
    fs::rename(&directory, &moved).unwrap();
    assert_eq!(refused(&moved).kind, ErrorKind::Locked { by: None });
    drop(log);
    drop(Log::open(Arc::new(RealDisk), &moved, SMALL).unwrap());
}

#[test]
fn a_reader_beside_a_busy_writer_and_sealer_sees_no_damage() {
    let scratch = Scratch::new("busy");
    let directory = scratch.0.clone();
    let mut log = Log::create(Arc::new(RealDisk), &directory, SMALL).unwrap();
    // Seals whatever is full, until nobody writes any more.
    let (syncer, source, (full, filled)) = (log.syncer(), log.source(), mpsc::channel());
    let sealing = std::thread::spawn(move || {
        let mut sealed = 0;
        for () in filled {
            while syncer.seal(&mut || false).unwrap() != Sealing::Nothing {
                sealed += 1;
            }
        }
        sealed
    });
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        let mut looks = 0;
        while last < 300 {
            let mut reader = Reader::open(Arc::new(RealDisk), &directory).unwrap();
            while reader.next_frame().unwrap().is_some_and(|frame| is_ours(&frame)) {}
            assert!(reader.head().number >= last, "shorter than before");
            last = reader.head().number;
            looks += 1;
        }
        looks
    });
    while log.next_number() < 300 {
        append(&mut log).unwrap();
        append(&mut log).unwrap();
        log.sync().unwrap();
        full.send(()).unwrap();
        let number = log.next_number() * 7 % 300;
        assert!(source.frame(number).unwrap().is_none_or(|frame| is_ours(&frame)));
    }
    drop(full);
    assert!(reader.join().unwrap() > 1);
    assert!(sealing.join().unwrap() > 10);
    assert_eq!(source.frames_from(0).map(Result::unwrap).filter(is_ours).count(), 300);
}

/// Set for the child, which then owns its mounts.
const INSIDE: &str = "SYCEE_LOG_TEST_INSIDE";

#[test]
fn full_and_read_only_disks_are_refused_and_lose_nothing() {
    if let Some(directory) = env::var_os(INSIDE) {
        inside(Path::new(&directory));
        return;
    }
    let scratch = Scratch::new("mounts");
    let test = "tests::real::full_and_read_only_disks_are_refused_and_lose_nothing";
    let output = Command::new("unshare")
        .arg("-Urm")
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, &scratch.0)
        .output()
        .expect("this test needs the program unshare (util-linux)");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("full at frame") && said.contains("read-only refused"),
        "the test has to mount a small tmpfs in namespaces of its own; if `unshare -Urm true` fails, allow \
         unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
         kernel.apparmor_restrict_unprivileged_userns=0):\n{said}"
    );
}

fn mount(arguments: &[&str], on: &Path) {
    let status = Command::new("mount").args(arguments).arg(on).status().unwrap();
    assert!(status.success(), "mount {arguments:?} {}", on.display());
}

fn inside(scratch: &Path) {
    mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"], scratch);
    let directory = scratch.join("log");
    let disk = Arc::new(RealDisk);
    let mut log = Log::create(disk.clone(), &directory, SMALL).unwrap();
    let full = loop {
        if let Err(error) = append(&mut log).and_then(|_| log.sync()) {
            break error;
        }
    };
    let told = log.durable();
    assert_eq!(full.kind, ErrorKind::NoSpace, "{full}");
    assert!(full.hint().is_some());
    assert!(told.number > 5);
    assert_eq!(append(&mut log).unwrap_err().kind, ErrorKind::Poisoned);
    assert_eq!(count(&directory) as u64, told.number);
    drop(log);
    println!("full at frame {}", told.number);
    // Opening needs no space, so what was told can be served while the disk is full.
    let (log, recovery) = Log::open(disk.clone(), &directory, SMALL).unwrap();
    assert_eq!(recovery.head, told);
    let snapshot = Snapshot { head: told, bytes: vec![1; 300_000] };
    let error = store_snapshot(disk.clone(), &directory, &snapshot).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoSpace);
    drop(log);

    let read_only = scratch.join("read-only");
    fs::create_dir(&read_only).unwrap();
    mount(&["--bind", directory.to_str().unwrap()], &read_only);
    mount(&["-o", "remount,bind,ro"], &read_only);
    let error = Log::open(disk, &read_only, SMALL).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ReadOnly, "{error}");
    assert!(error.hint().unwrap().contains("verify"));
    assert_eq!(count(&read_only) as u64, told.number, "a reader needs no writable disk");
    println!("read-only refused");
}
