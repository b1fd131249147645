//! Power cuts, kills and failing operations at every point of a node's life, and the proof that each sync of its own is needed.
//!
//! A run is a list of lives. In each the node is opened, held against everything that anybody was ever told, and used until the
//! planned blow or the goal. The stages are the real ones; only the threads are missing.
use super::market::START;
use super::rig::{Rig, directory, entries, init, options, shared};
use super::workload::{Dice, Workload};
use crate::clock::{Clock, Hands};
use crate::error::{Error, ErrorKind};
use crate::order::Batch;
use crate::verify;
use std::collections::BTreeSet;
use std::time::Duration;
use sycee_core::entry::{Command, Entry, Submission};
use sycee_core::ids::MemberId;
use sycee_core::{Outcome, State, genesis};
use sycee_log::SimDisk;
use sycee_log::disk::{Effect, Fault, Plan, When};

/// Entries of a whole run.
const GOAL: usize = 40;

/// Everything that somebody was told, and everything that may be there although nobody was.
struct Told {
    operator: Option<MemberId>,
    /// Every entry that was written, by position.
    written: Vec<Entry>,
    /// How many entries there were after each frame.
    frames: BTreeSet<usize>,
    /// So many of them were acknowledged.
    durable: usize,
    outcomes: Vec<(Submission, Outcome)>,
    checkpoint: Option<(u64, String)>,
}

/// What goes on from life to life.
struct World {
    disk: SimDisk,
    clock: Clock,
    hands: Hands,
    seed: u64,
    dice: Dice,
    workload: Option<Workload>,
    told: Told,
}

enum Trouble {
    /// Something failed, which is fair if it was made to.
    Failed(Error),
    Lost(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let damage = error.source.as_ref().and_then(|it| it.downcast_ref::<sycee_log::Error>());
        let corrupt = damage.is_some_and(|it| it.as_damage().is_some());
        match error.kind {
            ErrorKind::Unsound | ErrorKind::RolledBack | ErrorKind::ClockJumped => {
                Self::Lost(error.to_string())
            }
            _ if corrupt => Self::Lost(error.to_string()),
            _ => Self::Failed(error),
        }
    }
}

type Step<T = ()> = Result<T, Trouble>;

fn lost(held: bool, what: impl FnOnce() -> String) -> Step {
    if held { Ok(()) } else { Err(Trouble::Lost(what())) }
}

impl World {
    fn new(seed: u64) -> Self {
        let (clock, hands) = Clock::manual(START);
        let (disk, dice) = (SimDisk::new(seed), Dice::new(seed));
        let told = Told {
            operator: None,
            written: Vec::new(),
            frames: BTreeSet::from([0, 1]),
            durable: 0,
            outcomes: Vec::new(),
            checkpoint: None,
        };
        Self { disk, clock, hands, seed, dice, workload: None, told }
    }

    /// One life, up to the goal.
    fn live(&mut self) -> Step {
        let operator = self.found()?;
        let mut rig = Rig::open(options(&self.disk, &self.clock))?;
        self.check(&mut rig)?;
        let seed = self.seed;
        self.workload.get_or_insert_with(|| Workload::new(seed, operator));
        while self.told.written.len() < GOAL {
            self.work(&mut rig)?;
            if self.dice.roll(5) == 0 {
                rig.stages.commit.sign()?;
                let signed = rig.stages.shared.checkpoint.read().unwrap().clone();
                self.told.checkpoint = Some((signed.size, signed.text));
            }
            if self.dice.roll(9) == 0 {
                rig.stages.commit.snapshot()?;
            }
            if self.dice.roll(4) == 0 {
                rig.stages.append.syncer().prepare().map_err(Error::from)?;
            }
            if self.dice.roll(3) == 0 {
                rig.stages.append.syncer().seal(&mut || false).map_err(Error::from)?;
            }
        }
        Ok(())
    }

    fn found(&mut self) -> Step<MemberId> {
        if let Some(operator) = self.told.operator {
            return Ok(operator);
        }
        let operator = match init(&self.disk, &self.clock, self.seed) {
            // An earlier attempt got further than it could say.
            Err(error) if error.kind == ErrorKind::Invalid => None,
            founded => Some(founded?),
        };
        let first = entries(&self.disk, &directory())?.remove(0);
        let Command::Genesis(genesis::Command::Found { operator: named, .. }) = first.command.clone() else {
            return Err(Trouble::Lost("the first entry founds nothing".to_owned()));
        };
        lost(operator.is_none_or(|operator| operator == named), || "another operator".to_owned())?;
        self.told.operator = Some(named);
        self.told.written = vec![first];
        self.told.durable = 1;
        Ok(named)
    }

    /// One batch, or a second one on top of it before the first is durable.
    fn work(&mut self, rig: &mut Rig) -> Step {
        let mut under_way = Vec::new();
        for _ in 0..=self.dice.roll(2) {
            self.hands.pass(Duration::from_millis(1 + self.dice.roll(2_000)));
            let count = self.dice.roll(4);
            let now = self.clock.now().wall;
            let workload = self.workload.as_mut().expect("made before the first step");
            let submissions = (0..=count).map(|_| workload.next(now)).collect();
            let batch = rig.decide(submissions);
            under_way.push(self.append(rig, batch)?);
        }
        for written in under_way {
            let position = written.head.position;
            self.told.outcomes.extend(rig.stages.commit.commit(written)?);
            self.told.durable = position.try_into().unwrap();
        }
        Ok(())
    }

    fn append(
        &mut self,
        rig: &mut Rig,
        batch: Batch<Submission>,
    ) -> Step<crate::append::Written<Submission>> {
        let entries = batch.entries.clone();
        let mut parts = rig.stages.append.seal(batch);
        assert_eq!(parts.len(), 1, "batches are small here");
        let part = parts.remove(0);
        // Noted before it is written: a write that failed may be there all the same.
        self.told.written.extend(entries);
        self.told.frames.insert(self.told.written.len());
        Ok(rig.stages.append.append(part)?)
    }

    /// Everything told is there, and nothing else but whole frames that were written.
    fn check(&mut self, rig: &mut Rig) -> Step {
        let found = entries(&self.disk, &directory())?;
        let count = found.len();
        lost(count >= self.told.durable, || format!("{count} of {} entries", self.told.durable))?;
        lost(self.told.frames.contains(&count), || format!("half a frame: {count} entries"))?;
        lost(self.told.written.starts_with(&found), || "other entries".to_owned())?;
        let mut state = State::default();
        for entry in &found {
            state.fold(entry);
        }
        lost(rig.stages.shared.views().state == state, || "the node has another state".to_owned())?;
        lost(state.audit().is_empty(), || format!("{:?}", state.audit()))?;
        for (submission, outcome) in &self.told.outcomes {
            check_outcome(rig, submission, outcome)?;
        }
        self.check_from_outside(&state)?;
        // What an open log shows counts as told.
        self.told.written.truncate(count);
        self.told.frames.retain(|frame| *frame <= count);
        self.told.durable = count;
        self.send_again(rig)
    }

    fn check_from_outside(&self, state: &State) -> Step {
        let kept = self.told.checkpoint.as_ref();
        let report = verify(&shared(&self.disk), &directory(), kept.map(|(_, text)| super::rig::kept(text)))?;
        let same = report.entries + report.not_yet_durable >= state.position;
        lost(report.sound && same, || format!("{report:?}"))?;
        let own = crate::checkpoint::load(&self.disk, &directory())?.unwrap_or_default();
        let own = own.lines().nth(1).map_or(0, |size| size.parse().unwrap());
        let size = kept.map_or(0, |(size, _)| *size);
        lost(own >= size, || format!("a checkpoint of {own} entries instead of {size}"))
    }

    /// Whatever has an id and was answered gets that answer again.
    fn send_again(&mut self, rig: &mut Rig) -> Step {
        let with_id = |(submission, _): &&(Submission, Outcome)| submission.id.is_some();
        let answered: Vec<(Submission, Outcome)> =
            self.told.outcomes.iter().filter(with_id).cloned().collect();
        for (submission, first) in answered {
            let batch = rig.decide(vec![submission]);
            let again = batch.outcomes[0].1.clone();
            let written = self.append(rig, batch)?;
            rig.stages.commit.commit(written)?;
            self.told.durable = self.told.written.len();
            let same = match (&first, &again) {
                (Outcome::Applied { position, .. }, Outcome::Repeated { position: other, refusal: None }) => {
                    position == other
                }
                (Outcome::Refused(refusal), Outcome::Repeated { refusal: Some(other), .. }) => {
                    refusal == other
                }
                // The id was used before by another command.
                (Outcome::Refused(refusal), Outcome::Refused(other)) => refusal == other,
                (first, again) => first == again,
            };
            lost(same, || format!("{first:?} and then {again:?}"))?;
        }
        Ok(())
    }
}

/// What was acknowledged is what is written at its position.
fn check_outcome(rig: &Rig, submission: &Submission, outcome: &Outcome) -> Step {
    let Outcome::Applied { position, events } = outcome else { return Ok(()) };
    let (entry, _) = rig.stages.archive.entry(*position)?;
    // The memory of an id is part of the entry and not of the outcome.
    let same = entry.submission() == *submission && entry.events.starts_with(events);
    lost(same, || format!("position {position} is not what was acknowledged"))
}

/// Lives through the plans and says what was lost.
fn run(seed: u64, plans: [Option<Plan>; 2]) -> Result<(), String> {
    let mut world = World::new(seed);
    for (life, plan) in (1..).zip(plans.into_iter().chain([None, None])) {
        if let Some(plan) = plan {
            world.disk.plan(plan);
        }
        match world.live() {
            Err(Trouble::Failed(_)) if world.disk.is_dead() => {}
            // The process ends with its log; the machine runs on.
            Err(Trouble::Failed(_)) if matches!(plan, Some(Plan { effect: Effect::Fault(_), .. })) => {
                world.disk.kill();
            }
            Err(Trouble::Failed(error)) => {
                return Err(format!("seed {seed}, life {life}, {plans:?}: {error}"));
            }
            Err(Trouble::Lost(what)) => return Err(format!("seed {seed}, life {life}, {plans:?}: {what}")),
            Ok(()) => world.disk.crash(),
        }
        world.disk.restart();
    }
    assert!(world.told.durable >= GOAL, "the last life reaches the goal");
    Ok(())
}

/// How many syncs and operations a life without a blow has.
fn measure(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    assert!(world.live().is_ok(), "seed {seed}");
    (world.disk.syncs(), world.disk.operations())
}

const EFFECTS: [Effect; 5] = [
    Effect::Power,
    Effect::Kill,
    Effect::Fault(Fault::NoSpace),
    Effect::Fault(Fault::Io),
    Effect::Fault(Fault::ReadOnly),
];

const WHOLE: std::ops::Range<u64> = 0..2;
/// A long run draws more of them.
const DRAWN: u64 = 500;

#[test]
fn nothing_told_is_ever_lost_at_any_sync() {
    let mut runs = 0;
    for seed in WHOLE {
        let (syncs, _) = measure(seed);
        assert!(syncs > 20, "{syncs} syncs");
        for sync in 0..syncs {
            for when in [When::BeforeSync(sync), When::AfterSync(sync)] {
                let second = Plan { when: When::BeforeSync(sync % 5), effect: Effect::Power };
                let second = (sync % 3 == 0).then_some(second);
                run(seed, [Some(Plan { when, effect: Effect::Power }), second]).unwrap();
                runs += 1;
            }
        }
    }
    println!("{runs} runs, seeds {WHOLE:?}, power cut before and after every sync");
    assert!(runs > 80, "{runs} runs");
}

#[test]
fn nothing_told_is_ever_lost_at_drawn_operations() {
    let mut runs = 0;
    let seeds = 1_000..1_000 + DRAWN * u64::from(super::times());
    for seed in seeds.clone() {
        let mut dice = Dice::new(seed);
        let (syncs, operations) = measure(seed);
        let mut plan = || {
            let when = match dice.roll(3) {
                0 => When::BeforeSync(dice.roll(syncs)),
                1 => When::AfterSync(dice.roll(syncs)),
                _ => When::Operation(dice.roll(operations)),
            };
            let effect = match when {
                When::BeforeSync(_) | When::AfterSync(_) => Effect::Power,
                When::Operation(_) => EFFECTS[usize::try_from(dice.roll(5)).unwrap()],
            };
            Plan { when, effect }
        };
        let plans = [Some(plan()), Some(plan())];
        run(seed, plans).unwrap();
        runs += 1;
    }
    println!("{runs} runs of two blows each, seeds {seeds:?}");
    assert!(runs >= 500, "{runs} runs");
}
