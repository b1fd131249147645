//! Scenarios: commands as text, with what becomes of them written under each.
//!
//! `check` runs the commands, writes down what it sees, and compares the whole with the text it was given: a line that begins
//! with `->` is what the world said. A command that applied says nothing. On a difference the failure shows what was said, to
//! be read, and to be pasted if it is right.
use super::line::{Line, span};
use super::names::{self, Named};
use super::world::World;
use super::{meter, shown, verbs};
use crate::entry::{Command, Submission};
use crate::ids::{MemberId, RequestId};
use crate::permission::Actor;
use crate::{Outcome, limits};
use std::collections::BTreeMap;

/// A world and what its scenario calls things.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    pub(crate) world: World,
    requests: BTreeMap<String, RequestId>,
    ids: BTreeMap<String, u128>,
}

#[track_caller]
pub(crate) fn check(scenario: &str) {
    let written: Vec<&str> = scenario.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut stage = Stage::default();
    let mut seen: Vec<String> = Vec::new();
    for line in written.iter().filter(|line| !line.starts_with("->")) {
        seen.push((*line).to_owned());
        seen.extend(stage.run(line).into_iter().map(|said| format!("-> {said}")));
    }
    let (written, seen) = (written.join("\n"), seen.join("\n"));
    assert!(seen == written, "the scenario goes otherwise:\n\n{seen}\n");
}

/// The world after the commands of a text, for tests that go on in Rust.
pub(crate) fn stage(text: &str) -> World {
    let mut stage = Stage::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert_eq!(stage.run(line), [""; 0], "{line}");
    }
    stage.world
}

impl Stage {
    /// Runs one line and gives what there is to say about it.
    pub(crate) fn run(&mut self, text: &str) -> Vec<String> {
        if text.starts_with('#') {
            return Vec::new();
        }
        if let Some(rest) = text.strip_prefix("repeat ") {
            let (times, line) = rest.split_once(' ').expect("`repeat TIMES LINE`");
            let times: u32 = times.parse().expect("`repeat` takes a number");
            let mut said: Vec<String> =
                (1..=times).flat_map(|index| self.run(&line.replace('#', &index.to_string()))).collect();
            said.dedup();
            return said;
        }
        let line = Line::parse(text);
        match line.verb {
            "wait" => {
                self.world.wait(span(line.word(0)));
                Vec::new()
            }
            "market" => self.run_all(MARKET),
            "metered" => self.run_all("market\nmember mia roles=meter\nsource s"),
            "founded" => self.run_all("found assets=CNY:9,USD:9"),
            _ => match verbs::command(self, &line) {
                Some((command, words)) => self.submit(&line, command, words),
                None => shown::question(self, &line),
            },
        }
    }

    fn run_all(&mut self, text: &str) -> Vec<String> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).flat_map(|line| self.run(line)).collect()
    }

    fn submit(&mut self, line: &Line<'_>, command: Command, words: usize) -> Vec<String> {
        let actor = match line.option("by") {
            None => World::usual_actor(&command),
            Some("founder") => Actor::Founder,
            Some("clock") => Actor::Clock,
            Some("gateway") => Actor::Gateway,
            Some(member) => Actor::Member(MemberId::named(member)),
        };
        let member = matches!(actor, Actor::Member(_));
        let reason = match line.text("reason", if member { "test" } else { "none" }) {
            none if none == "none" => None,
            reason => Some(reason),
        };
        let id = line.option("id").map(|name| {
            let drawn = names::drawn(self.moment(line), name);
            crate::ids::CommandId(*self.ids.entry(name.to_owned()).or_insert(drawn))
        });
        line.assert_understood(words);
        match self.world.submit(&Submission { actor, id, reason, command }) {
            Outcome::Applied { position: _, events } => meter::said(&events),
            Outcome::Refused(refusal) => vec![shown::refusal(refusal)],
            Outcome::Repeated { position, refusal: None } => vec![format!("repeated: applied at {position}")],
            Outcome::Repeated { position, refusal: Some(refusal) } => {
                vec![format!("repeated: {} at {position}", refusal.code())]
            }
        }
    }

    /// The names of the requests that run.
    pub(crate) fn open_requests(&self) -> Vec<String> {
        let holds = self.world.state().settlement.holds().iter();
        holds.map(|(request, _)| names::read(request.0 & names::NAME_BITS)).collect()
    }

    /// The request of that name; its id is drawn when it is first mentioned.
    pub(crate) fn request(&mut self, line: &Line<'_>, name: &str) -> RequestId {
        let drawn = names::request(self.moment(line), name);
        *self.requests.entry(name.to_owned()).or_insert(drawn)
    }

    /// Now, or as far from now as `drawn=` says.
    fn moment(&self, line: &Line<'_>) -> u64 {
        let at = match line.option("drawn") {
            None => self.world.now,
            Some(text) => match (text.strip_prefix('-'), text.strip_prefix('+')) {
                (Some(before), _) => self.world.now.before(span(before)),
                (_, Some(after)) => self.world.now.after(span(after)),
                (None, None) => panic!("`drawn` is -SPAN or +SPAN: {text}"),
            },
        };
        at.0 / (limits::SECOND / 1000)
    }
}

/// A small market: ada buys, pia has two sites, al owns two models, dan's data is in one of them.
pub(crate) const MARKET: &str = "
    found assets=CNY:9,USD:9
    member ada roles=consumer
    member pia roles=provider
    member al roles=author
    member dan roles=author
    account ada member=ada
    account pia member=pia
    account al member=al
    account dan member=dan
    key k member=ada account=ada
    provider p member=pia
    site east provider=p account=pia
    site west provider=p account=pia
    model base account=al
    model docs account=al bases=base:50_000 shares=dan:data_owner:30_000
    offer o model=docs site=east in=1_000_000_000 out=4_000_000_000
    offer o2 model=docs site=west in=1_000_000_000 out=5_000_000_000
    deposit ada 1_000_000_000
    epoch
";
