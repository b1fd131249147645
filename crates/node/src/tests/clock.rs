//! A clock that is wrong, in both directions.
use super::market::{CONSUMER, START, by, deposit};
use super::rig::{Rig, SEGMENT_BYTES, founding, init, options};
use super::scratch::{Scratch, real_disk};
use crate::{Clock, ErrorKind, Hands, Node, Options, Unavailable, init as init_real, start};
use std::time::{Duration, Instant};
use sycee_core::Outcome;
use sycee_core::entry::Submission;
use sycee_core::ids::{CommandId, MemberId, Time};
use sycee_log::SimDisk;

const SECOND: u64 = 1_000_000_000;

struct Running {
    scratch: Scratch,
    clock: Clock,
    hands: Hands,
    operator: MemberId,
}

fn founded(name: &str) -> Running {
    let scratch = Scratch::new(name);
    let (clock, hands) = Clock::manual(START);
    let operator = init_real(&real_disk(), &scratch.path, &clock, founding()).unwrap();
    Running { scratch, clock, hands, operator }
}

impl Running {
    fn options(&self) -> Options {
        let clock = self.clock.clone();
        Options { clock, segment_bytes: SEGMENT_BYTES, ..Options::new(&self.scratch.path) }
    }

    fn open(&self) -> Node {
        start(self.options()).unwrap()
    }

    /// An entry, whatever comes of it, under an id that the node draws.
    fn submit(&self, node: &Node) -> Result<Outcome, Unavailable> {
        let id = Some(CommandId(node.handle().new_id().unwrap()));
        node.handle().submit_blocking(Submission { id, ..by(self.operator, deposit(CONSUMER, 1)) })
    }
}

fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < deadline, "waited too long");
        std::thread::yield_now();
    }
}

#[test]
fn a_clock_that_falls_behind_moves_time_by_a_nanosecond_an_entry() {
    let running = founded("behind");
    let node = running.open();
    running.hands.pass(Duration::from_hours(1));
    let accepted = |outcome: Result<Outcome, Unavailable>| match outcome.unwrap() {
        // The account does not exist; the id was accepted, and that is what it is about.
        Outcome::Refused(refusal) => assert_eq!(refusal.code(), "ledger.account_not_found"),
        other => panic!("{other:?}"),
    };
    accepted(running.submit(&node));
    let before = node.handle().views().state.at;
    assert_eq!(before, START.after(3_600 * SECOND));
    running.hands.set_wall(START);
    for step in 1..=3 {
        accepted(running.submit(&node));
        assert_eq!(node.handle().views().state.at, before.after(step));
    }
    let status = node.handle().status();
    assert_eq!(status.clock_behind.map(|behind| behind.as_secs()), Some(3_600));
    assert_eq!((status.at, status.stopped), (before.after(3), None));
    assert_eq!(node.handle().now(), before.after(3));
    // A restart finds the log ahead of its clock and goes on in the same way.
    node.stop().unwrap();
    let node = running.open();
    accepted(running.submit(&node));
    assert_eq!(node.handle().views().state.at, before.after(4));
    // Set right, it is believed again.
    running.hands.pass(Duration::from_secs(3_602));
    accepted(running.submit(&node));
    assert_eq!(node.handle().status().clock_behind, None);
    assert_eq!(node.handle().views().state.at, START.after(3_602 * SECOND));
    node.stop().unwrap();
}

#[test]
fn a_clock_that_jumps_ahead_stops_the_writing_until_it_is_accepted() {
    let running = founded("ahead");
    let node = running.open();
    running.submit(&node).unwrap();
    running.hands.pass(Duration::from_secs(7));
    running.hands.set_wall(running.clock.now().wall.after(61 * SECOND));
    // Noticed although nothing arrives.
    until(|| node.handle().status().stopped.is_some());
    let entries = node.handle().status().durable;
    assert_eq!(running.submit(&node), Err(Unavailable::ClockJumped));
    assert_eq!(running.submit(&node), Err(Unavailable::ClockJumped));
    // Going back does not undo it.
    running.hands.set_wall(START.after(8 * SECOND));
    assert_eq!(running.submit(&node), Err(Unavailable::ClockJumped));
    let status = node.handle().status();
    assert!(status.stopped.unwrap().contains("jumped ahead"));
    assert_eq!((status.durable, status.position), (entries, entries));
    // What is there can be read.
    assert_eq!(node.handle().views().state.position, entries);
    node.stop().unwrap();

    let error = start(running.options()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ClockJumped);
    assert!(error.hint().unwrap().contains("--accept-clock"), "{error}");
    let error = start(running.options()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ClockJumped, "asking is not accepting");
    let node = start(Options { accept_clock: true, ..running.options() }).unwrap();
    running.submit(&node).unwrap();
    node.stop().unwrap();
    let node = running.open();
    assert_eq!(node.handle().status().durable, entries + 1);
    node.stop().unwrap();
}

#[test]
fn slow_drift_is_followed() {
    let disk = SimDisk::new(1);
    let (clock, hands) = Clock::manual(START);
    init(&disk, &clock, 1).unwrap();
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    // A clock that gains two minutes a day, looked at now and then, for ten days.
    for _ in 0..10 * 144 {
        hands.pass(Duration::from_mins(10));
        hands.set_wall(clock.now().wall.after(120 * SECOND / 144));
        rig.stages.order.check_clock(clock.now()).unwrap();
    }
    let gained = clock.now().wall.0 - START.0 - 10 * 86_400 * SECOND;
    assert_eq!(gained / SECOND, 1_199);
    assert_eq!(Time(clock.now().wall.0), clock.now().wall);
}
