//! A workload from a seed: what a gateway and an operator would send, some of it to be refused, some of it twice.
use super::market::{
    AUTHOR, CONSUMER, CREDIT, DATA, OFFERS, WORKS, authorise, by, by_gateway, deposit, lines, mark, market,
    prices, release, request, settle,
};
use crate::ids::uuid;
use sycee_core::catalog;
use sycee_core::entry::Submission;
use sycee_core::ids::{CommandId, MemberId, RequestId, ScheduleId, Time};
use sycee_core::ledger::{self, Against};
use sycee_core::limits::HOUR;
use sycee_core::settlement;

/// Numbers from a seed (xorshift64*, Vigna 2016).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin alike.
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        dice.roll(2);
        dice
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.roll(256).to_le_bytes()[0])
    }
}

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) dice: Dice,
    operator: MemberId,
    setting_up: std::vec::IntoIter<Submission>,
    /// Requests that were asked for, whatever the answer was.
    asked: Vec<RequestId>,
    sent: Vec<Submission>,
    drawn: u64,
    /// Lines of metering that were sent.
    lines: u64,
}

impl Workload {
    pub(super) fn new(seed: u64, operator: MemberId) -> Self {
        let setting_up = market(operator).into_iter();
        let (asked, sent) = (Vec::new(), Vec::new());
        Self { dice: Dice::new(seed), operator, setting_up, asked, sent, drawn: 0, lines: 0 }
    }

    /// The next lines, a few of them sent before, or some that a gap is before.
    fn meter(&mut self, now: Time) -> Submission {
        let outputs: Vec<u64> = (0..=self.dice.roll(6)).map(|_| self.dice.roll(400)).collect();
        let first = match self.dice.roll(8) {
            0 => self.lines.saturating_sub(2),
            1 => self.lines + 1,
            _ => self.lines,
        };
        if first <= self.lines {
            self.lines = first + outputs.len() as u64;
        }
        lines(now, first, &outputs)
    }

    /// What is sent at `now`.
    pub(super) fn next(&mut self, now: Time) -> Submission {
        if let Some(first) = self.setting_up.next() {
            return first;
        }
        self.drawn += 1;
        match self.dice.roll(27) {
            24..=26 => self.meter(now),
            0..=6 => {
                let request = request(now, self.drawn);
                self.asked.push(request);
                authorise(request, 1 + self.dice.roll(400))
            }
            7..=9 => self.advance(),
            10..=14 => match self.pick() {
                Some(request) => settle(request, self.offer(), self.dice.roll(300), now.before(HOUR / 60)),
                None => by_gateway(settlement::Command::BeginEpoch),
            },
            15 | 16 => match self.pick() {
                Some(request) => release(request, now),
                None => authorise(request(now, self.drawn), 3),
            },
            17..=20 => self.books(now),
            21 if self.dice.roll(3) == 0 => by_gateway(settlement::Command::BeginEpoch),
            21 => self.reprice(now),
            _ => self.again(),
        }
    }

    fn pick(&mut self) -> Option<RequestId> {
        let index = self.dice.roll(self.asked.len().max(1) as u64 + 2);
        // Now and then one that is still there to be settled again, or one that nobody asked for.
        let index = usize::try_from(index).unwrap();
        if index + 1 < self.asked.len() && self.dice.roll(6) > 0 {
            return Some(self.asked.swap_remove(index));
        }
        self.asked.get(index).copied()
    }

    fn offer(&mut self) -> sycee_core::ids::OfferId {
        OFFERS[usize::from(self.dice.roll(3) == 0)]
    }

    fn advance(&mut self) -> Submission {
        let (count, output) = (1 + self.dice.roll(4), self.dice.roll(300));
        let offer = self.offer();
        let newest = self.asked.iter().rev().take(usize::try_from(count).unwrap());
        let marks = newest.map(|request| mark(*request, offer, output)).collect();
        by_gateway(settlement::Command::Advance { marks })
    }

    fn books(&mut self, now: Time) -> Submission {
        let account = [CONSUMER, WORKS, AUTHOR, DATA][usize::try_from(self.dice.roll(4)).unwrap()];
        let amount = i128::from(self.dice.roll(1_000)) * CREDIT / 1_000;
        let reference = "r".repeat(usize::try_from(self.dice.roll(400)).unwrap());
        let command = match self.dice.roll(4) {
            0 | 1 => deposit(account, amount),
            2 => ledger::Command::Payout { account, amount, reference },
            _ => {
                let corrects = self.dice.roll(40);
                ledger::Command::Correct {
                    account,
                    amount: -amount,
                    against: Against::Fees,
                    corrects,
                    reference,
                }
            }
        };
        let id = (self.dice.roll(3) > 0).then(|| CommandId(uuid(now, u128::from(self.drawn))));
        let submission = Submission { id, ..by(self.operator, command) };
        if id.is_some() {
            self.sent.push(submission.clone());
        }
        submission
    }

    fn reprice(&mut self, now: Time) -> Submission {
        let schedule = ScheduleId(0x1_0000 + u128::from(self.drawn));
        let prices = prices(Some(now.after(HOUR * (1 + self.dice.roll(30)))));
        by(self.operator, catalog::Command::PublishSchedule { offer: self.offer(), schedule, prices })
    }

    /// The same again, or another under the same id.
    fn again(&mut self) -> Submission {
        let index = self.dice.roll(self.sent.len().max(1) as u64);
        match self.sent.get(usize::try_from(index).unwrap()) {
            Some(sent) if self.dice.roll(4) > 0 => sent.clone(),
            Some(sent) => Submission { reason: Some("another".to_owned()), ..sent.clone() },
            None => by(self.operator, deposit(CONSUMER, CREDIT)),
        }
    }
}
