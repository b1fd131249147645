//! The threads around the stages: who waits for whom, and what is said when something breaks.
use super::gate::{Door, Gate};
use super::market::{CONSUMER, START, by, deposit, market};
use super::rig::{content_of, founding};
use super::scratch::{Scratch, real_disk};
use crate::threads::{ARRIVALS_MAX, Reply};
use crate::{Clock, ErrorKind, Handle, Node, Options, Unavailable, init, snapshot, start, verify};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sycee_core::entry::Submission;
use sycee_core::ids::{MemberId, Time};
use sycee_core::ledger::Account;
use sycee_core::{Outcome, ledger};
use sycee_log::{Disk, Options as LogOptions, Reader};
use tokio::sync::oneshot;

const SEGMENT_BYTES: u64 = 1 << 22;
const WAIT: Duration = Duration::from_secs(20);

/// What arrives on the other side of a reply.
type Answer = Result<Outcome, Unavailable>;

struct Running {
    /// Dropped before the node, which waits for its disk.
    #[expect(dead_code, reason = "held for its drop")]
    last: Opening,
    scratch: Scratch,
    gate: Gate,
    operator: MemberId,
    node: Node,
}

/// Opens the gate when a test ends, however it ends.
struct Opening(Gate);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.turn(Door::Open);
    }
}

fn options(scratch: &Scratch, disk: Arc<dyn Disk>) -> Options {
    Options { disk, segment_bytes: SEGMENT_BYTES, ..Options::new(&scratch.path) }
}

/// A node with a market, behind a gate.
fn running(name: &str) -> Running {
    let scratch = Scratch::new(name);
    let gate = Gate::new();
    let disk: Arc<dyn Disk> = Arc::new(gate.clone());
    let founding = crate::Founding { segment_bytes: SEGMENT_BYTES, ..founding() };
    let operator = init(&disk, &scratch.path, &Clock::system(), founding).unwrap();
    let node = start(options(&scratch, disk)).unwrap();
    for submission in market(operator) {
        let outcome = node.handle().submit_blocking(submission).unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }
    Running { last: Opening(gate.clone()), scratch, gate, operator, node }
}

impl Running {
    fn deposit(&self) -> Submission {
        by(self.operator, deposit(CONSUMER, 1))
    }

    fn send(&self, submission: Submission) -> Result<oneshot::Receiver<Answer>, Unavailable> {
        let (reply, answer): (Reply, _) = oneshot::channel();
        self.node.handle().send(submission, reply).map(|()| answer)
    }

    /// Fills the node behind a closed gate: a frame that waits for its sync, one written behind it, one decided behind that,
    /// and a full queue.
    fn fill(&self) -> Vec<oneshot::Receiver<Answer>> {
        let mut waiting = Vec::new();
        let decided = self.node.handle().status().position;
        for more in 1..=3 {
            waiting.push(self.send(self.deposit()).unwrap());
            until(|| self.node.handle().status().position == decided + more);
        }
        waiting.extend((0..ARRIVALS_MAX).map(|_| self.send(self.deposit()).unwrap()));
        waiting
    }

    fn frames(&self) -> usize {
        let disk: Arc<dyn Disk> = Arc::new(self.gate.clone());
        Reader::open(disk, &self.scratch.path).unwrap().count()
    }
}

fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !what() {
        assert!(Instant::now() < deadline, "waited too long");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let running = running("overload");
    let before = running.node.handle().status();
    assert_eq!(before.position, before.durable);
    let frames = running.frames();
    running.gate.turn(Door::Closed);
    let mut waiting = running.fill();
    assert!(matches!(running.send(running.deposit()), Err(Unavailable::Overloaded)));
    let status = running.node.handle().status();
    assert_eq!(status.durable, before.durable, "nothing escapes while nothing is durable");
    assert_eq!(status.position, before.position + 3, "while one frame waits, more is decided");
    assert!(waiting.iter_mut().all(|answer| answer.try_recv().is_err()));
    // Two frames are under way, and no third.
    let disk: Arc<dyn Disk> = Arc::new(running.gate.clone());
    let look = || verify(&disk, &running.scratch.path, None).unwrap();
    until(|| look().not_yet_durable == 2);
    let report = look();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.entries, before.durable);

    running.gate.turn(Door::Open);
    let count = waiting.len() as u64;
    let mut next = before.position;
    for answer in waiting {
        let outcome = answer.blocking_recv().unwrap().unwrap();
        let Outcome::Applied { position, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(position, next, "in the order in which they came");
        next += 1;
    }
    assert_eq!(next, before.position + count);
    let shared = running.frames() - frames;
    // Three that were under way, and the queue by the batch.
    assert!((4..20).contains(&shared), "{count} commands in {shared} frames");
    running.node.stop().unwrap();
}

#[test]
fn a_failed_sync_stops_the_node_and_answers_everybody() {
    let running = running("fails");
    let acknowledged = running.node.handle().status().durable;
    running.gate.turn(Door::Closed);
    let waiting = running.fill();
    running.gate.turn(Door::Broken);
    for answer in waiting {
        // Dropped without a word is what a handle reports as stopped.
        assert!(matches!(answer.blocking_recv(), Err(_) | Ok(Err(Unavailable::Stopped))));
    }
    let handle = running.node.handle();
    assert_eq!(handle.submit_blocking(running.deposit()), Err(Unavailable::Stopped));
    until(|| handle.status().stopped.is_some());
    let status = handle.status();
    assert_eq!(status.durable, acknowledged);
    assert!(status.stopped.as_ref().unwrap().contains("failed to use the log: failed to sync"), "{status:?}");
    let error = running.node.stop().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Log);
    assert!(error.to_string().contains("failed to sync"), "{error}");

    running.gate.turn(Door::Open);
    let node = start(options(&running.scratch, Arc::new(running.gate.clone()))).unwrap();
    assert!(node.handle().status().durable >= acknowledged);
    node.stop().unwrap();
}

#[test]
fn a_broken_invariant_stops_the_node_and_answers_everybody() {
    let scratch = Scratch::new("panic");
    let (clock, hands) = Clock::manual(START);
    let operator = init(&real_disk(), &scratch.path, &clock, founding()).unwrap();
    let options = || Options { clock: clock.clone(), ..options(&scratch, real_disk()) };
    // Time moves forward with each entry, which at its end it cannot.
    hands.set_wall(Time(u64::MAX - 1));
    let node = start(options()).unwrap();
    let handle = node.handle();
    let open = |account: u128| {
        let command = sycee_core::membership::Command::OpenAccount {
            account: sycee_core::ids::AccountId(account),
            member: operator,
            asset: sycee_core::ids::Asset(0),
            name: "main".to_owned(),
            limit: 0,
        };
        handle.submit_blocking(by(operator, command))
    };
    assert!(matches!(open(1), Ok(Outcome::Applied { position: 1, .. })));
    assert!(matches!(open(2), Ok(Outcome::Applied { position: 2, .. })));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (3..40).map(|account| scope.spawn(move || open(account))).collect();
        for answer in waiting {
            assert_eq!(answer.join().unwrap(), Err(Unavailable::Stopped));
        }
    });
    until(|| handle.status().stopped.is_some());
    let status = handle.status();
    assert!(status.stopped.unwrap().starts_with("an invariant is broken"));
    assert_eq!(status.durable, 3);
    assert_eq!(settled(&handle), Err(Unavailable::Stopped), "what may be half done is not told");
    let error = node.stop().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsound);
    assert!(error.hint().is_some());
    let report = verify(&real_disk(), &scratch.path, None).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.entries, 3);
}

#[test]
fn verify_finds_a_running_log_sound() {
    let running = running("busy");
    let handle = running.node.handle();
    let disk = real_disk();
    std::thread::scope(|scope| {
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let handle = handle.clone();
                let operator = running.operator;
                scope.spawn(move || {
                    for _ in 0..400 {
                        handle.submit_blocking(by(operator, deposit(CONSUMER, 1))).unwrap();
                    }
                })
            })
            .collect();
        let mut last = 0;
        let mut looks = 0;
        while looks < 3 || !busy.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let told = handle.status().durable;
            let report = verify(&disk, &running.scratch.path, None).unwrap();
            assert!(report.sound, "{report:?}");
            assert!(report.entries >= told && report.entries >= last, "{} entries", report.entries);
            last = report.entries;
            looks += 1;
        }
    });
    running.node.stop().unwrap();
}

#[test]
fn frames_that_are_too_large_for_a_segment_are_divided() {
    let scratch = Scratch::new("divided");
    let segment_bytes = 16 * 4096;
    let founding = crate::Founding { segment_bytes, ..founding() };
    let operator = init(&real_disk(), &scratch.path, &Clock::system(), founding).unwrap();
    let gate = Gate::new();
    let options = Options { segment_bytes, ..options(&scratch, Arc::new(gate.clone())) };
    let node = start(options).unwrap();
    let running = Running { last: Opening(gate.clone()), scratch, gate, operator, node };
    for submission in market(operator) {
        running.node.handle().submit_blocking(submission).unwrap();
    }
    running.gate.turn(Door::Closed);
    let long = ledger::Command::Deposit { account: CONSUMER, amount: 1, reference: "r".repeat(400) };
    let waiting: Vec<_> = (0..1_000).map(|_| running.send(by(operator, long.clone())).unwrap()).collect();
    running.gate.turn(Door::Open);
    for answer in waiting {
        assert!(matches!(answer.blocking_recv().unwrap(), Ok(Outcome::Applied { .. })));
    }
    let views = running.node.handle();
    let views = views.views();
    let lines = views.line_count(Account::Member(CONSUMER));
    drop(views);
    assert_eq!(lines, 1_001);
    running.node.stop().unwrap();
    assert!(verify(&real_disk(), &running.scratch.path, None).unwrap().sound);
}

fn settled(handle: &Handle) -> Result<(), Unavailable> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(handle.settled())
}

#[test]
fn what_was_read_is_told_once_it_is_durable() {
    let running = running("settled");
    let handle = running.node.handle();
    assert_eq!(settled(&handle), Ok(()));
    let (durable, lines) = (handle.status().durable, handle.views().line_count(Account::Member(CONSUMER)));
    running.gate.turn(Door::Closed);
    let answer = running.send(running.deposit()).unwrap();
    until(|| handle.status().position > durable);
    // It can be read at once, but nothing says where to find it, and what was read waits for the disk.
    assert_eq!(handle.views().state.position, durable + 1);
    assert_eq!(handle.views().line_count(Account::Member(CONSUMER)), lines);
    let waiting = std::thread::spawn({
        let handle = handle.clone();
        move || (settled(&handle), handle.status().durable)
    });
    std::thread::yield_now();
    assert!(!waiting.is_finished(), "the disk has not let it through");
    running.gate.turn(Door::Open);
    assert_eq!(waiting.join().unwrap(), (Ok(()), durable + 1));
    assert!(matches!(answer.blocking_recv().unwrap(), Ok(Outcome::Applied { .. })));
    assert_eq!(handle.views().line_count(Account::Member(CONSUMER)), lines + 1);
    running.node.stop().unwrap();
}

/// Snapshots are written one after another while commands come, and the last of them has led to the same at the next start.
#[test]
fn a_snapshot_that_is_taken_under_load_is_of_one_moment() {
    let running = running("snapshots");
    let handle = running.node.handle();
    let newest = |scratch: &Scratch| {
        let names = real_disk().list(&scratch.path).unwrap();
        names.into_iter().filter(|name| name.starts_with("snapshot-")).max()
    };
    let mut last = newest(&running.scratch);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                handle.submit_blocking(running.deposit()).unwrap();
            }
        });
        for _ in 0..30 {
            handle.shared.snapshot_wanted.store(true, Ordering::Release);
            until(|| newest(&running.scratch) > last);
            last = newest(&running.scratch);
        }
        done.store(true, Ordering::Release);
    });
    let found = content_of(&handle.views());
    let Running { scratch, node, .. } = running;
    node.stop().unwrap();
    // As if the power had gone: what a stop writes is not there.
    let at_the_stop = newest(&scratch).unwrap();
    assert!(Some(&at_the_stop) > last.as_ref(), "commands came after the last of them");
    std::fs::remove_file(scratch.path.join(at_the_stop)).unwrap();
    assert_eq!(newest(&scratch), last);
    let source = sycee_log::Log::open(real_disk(), &scratch.path, LogOptions::default()).unwrap().0.source();
    let (loaded, _) = snapshot::load(&*real_disk(), &scratch.path, &source).unwrap();
    assert!(loaded.views.state.position > 100, "it is taken for what it is");
    let node = start(options(&scratch, real_disk())).unwrap();
    assert!(content_of(&node.handle().views()) == found);
    node.stop().unwrap();
}

#[tokio::test]
async fn a_reader_can_wait_for_what_it_wrote() {
    let running = tokio::task::spawn_blocking(|| running("reached")).await.unwrap();
    let handle = running.node.handle();
    let Outcome::Applied { position, .. } = handle.submit(running.deposit()).await.unwrap() else {
        panic!("applied")
    };
    assert!(handle.reached(position, WAIT).await);
    assert!(!handle.reached(position + 1, Duration::from_millis(20)).await);
    let (waiting, sending) =
        tokio::join!(handle.reached(position + 1, WAIT), handle.submit(running.deposit()));
    assert!(waiting && sending.is_ok());
    assert!(handle.views().state.position > position + 1);
    let mut durable = handle.durable();
    tokio::task::spawn_blocking(move || running.node.stop()).await.unwrap().unwrap();
    // Nobody waits for a node that has stopped.
    assert!(!handle.reached(position + 9, WAIT).await);
    while durable.changed().await.is_ok() {}
}
