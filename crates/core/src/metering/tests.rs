//! Metering by scenario, and against the plainest thing that does the same.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
use super::{Batch, Content, Line, LineRefusal, Lines};
use crate::arithmetic::{price, split};
use crate::buckets::{Bucket, Buckets};
use crate::entry::Submission;
use crate::ids::{AccountId, Amount, Asset, Handle, KeyId, MemberId, ModelId, OfferId, SourceId, Time};
use crate::ledger::Account;
use crate::permission::Actor;
use crate::tests::names::Named;
use crate::tests::{World, check, seeded, stage};
use crate::{Outcome, limits, metering};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use std::collections::BTreeMap;

/// The example of the header: 4 CNY a million output tokens, in units of a billionth.
#[test]
fn two_requests_are_paid_for_and_split() {
    check(
        "
        metered
        lines s 0 k:o:0:400 k:o:0:600
        balances?
        -> outside[0] -1000000000, fees[0] 400000, al 485000, ada 996000000, dan 15000, pia 3100000
        progress? s
        -> next 2, 1 batches remembered
        pot? docs
        -> author al 970000 ppm, owed 0
        -> data_owner dan 30000 ppm, owed 0
        ",
    );
}

#[test]
fn who_may_report_and_for_whom() {
    check(
        "
        founded
        member mia roles=meter
        member ada roles=consumer
        source s by=mia
        -> permission.not_permitted
        source s member=ada
        -> metering.role_missing
        source s name=x*97
        -> metering.name_not_allowed
        source s provider=p
        -> metering.provider_not_found
        source s
        source s
        -> metering.source_exists
        lines s 0 k:o:1:1 by=ada
        -> permission.not_permitted
        lines s 0 k:o:1:1 by=op
        -> permission.not_permitted
        member max roles=meter
        lines s 0 k:o:1:1 by=max
        -> permission.not_permitted
        lines t 0 k:o:1:1
        -> metering.source_not_found
        lines s 0
        -> metering.out_of_range
        standing mia suspended
        lines s 0 k:o:1:1
        -> permission.not_permitted
        ",
    );
}

#[test]
fn sources_are_not_without_number() {
    check(
        "
        founded
        member mia roles=meter
        repeat 10 source s#
        source late
        -> metering.too_many_sources
        ",
    );
}

/// The same again changes nothing, what comes before its time is refused, and what was partly counted is counted for the rest.
#[test]
fn lines_are_counted_once() {
    check(
        "
        metered
        lines s 1 k:o:0:400
        -> metering.gap: expected 0
        lines s 0 k:o:0:100 k:o:0:200
        lines s 3 k:o:0:400
        -> metering.gap: expected 2
        lines s 0 k:o:0:100 k:o:0:200
        -> metering.other_content
        lines s 0 k:o:0:100
        -> metering.duplicate
        lines s 1 k:o:0:200 k:o:0:300 k:o:0:400
        -> 1 counted before
        balances?
        -> outside[0] -1000000000, fees[0] 400000, al 485000, ada 996000000, dan 15000, pia 3100000
        progress? s
        -> next 4, 2 batches remembered
        ",
    );
}

/// A batch that is sent again is the same batch, byte for byte: only then can its numbers have been meant.
#[test]
fn the_same_batch_again_is_a_duplicate() {
    let mut world = stage("metered");
    let batch = batch_of(&world, 0, &[(0, 0, 5)]);
    let first = submit(&mut world, &batch);
    assert!(matches!(first, Outcome::Applied { .. }), "{first:?}");
    let again = submit(&mut world, &batch);
    assert_eq!(again, Outcome::Refused(metering::Refusal::Duplicate.into()));
    for _ in 0..limits::BATCHES_REMEMBERED {
        let next = world.state().metering.progress(SourceId::named("s")).expect("it was opened").next;
        let batch = batch_of(&world, next, &[(0, 0, 5)]);
        submit(&mut world, &batch);
    }
    // So long ago that nobody knows what it said, but its numbers are used.
    let other = batch_of(&world, 0, &[(0, 0, 6)]);
    assert_eq!(submit(&mut world, &other), Outcome::Refused(metering::Refusal::Duplicate.into()));
}

#[test]
fn a_line_that_cannot_be_counted_is_refused_alone() {
    check(
        "
        metered
        member pit roles=provider
        account pit member=pit
        provider q member=pit
        site south provider=q account=pit
        offer o3 model=docs site=south in=1_000_000_000 out=4_000_000_000
        account dollars member=ada asset=1
        key d member=ada account=dollars
        key k2 member=ada account=ada
        revoke k2
        source t provider=q
        lines t 0 x:x:0:1 k2:x:0:1 k:x:0:1 k:o:0:1 k:o3:0:1:-73h k:o3:0:1:+6m d:o3:0:0 k:o3:0:1000
        -> line 0: metering.line.key_not_found
        -> line 1: metering.line.key_not_fitting
        -> line 2: metering.line.offer_not_found
        -> line 3: metering.line.offer_not_yours
        -> line 4: metering.line.start_too_early
        -> line 5: metering.line.start_ahead
        -> line 6: metering.line.assets_differ
        progress? t
        -> next 8, 1 batches remembered
        suspend site south
        lines t 8 k:o3:0:1
        -> line 0: metering.line.offer_not_open
        standing ada suspended
        lines t 9 k:o3:0:1
        -> line 0: metering.line.key_not_fitting
        standing ada active
        resume site south
        lines t 10 k:o3:0:0
        schedule dear offer=o3 in=1_000_000_000_000_000 out=1_000_000_000_000_000
        wait 25h
        lines t 11 k:o3:4_294_967_295:4_294_967_295
        -> line 0: metering.line.unbilled
        balances?
        -> outside[0] -1000000000, fees[0] 400000, al 485000, ada 996000000, dan 15000, pit 3100000
        ",
    );
}

/// Prepaid accounts stop at zero, contract accounts at their limit; a cheaper line after a dear one may still fit.
#[test]
fn an_account_pays_as_far_as_it_goes() {
    check(
        "
        metered
        payout ada 996_000_000
        lines s 0 k:o:0:600 k:o:0:600 k:o:0:400 k:o:0:1
        -> line 1: metering.line.unbilled
        -> line 3: metering.line.unbilled
        limit ada 4_000
        lines s 4 k:o:0:2 k:o:0:1
        -> line 0: metering.line.unbilled
        ask r
        -> settlement.insufficient_quota
        ",
    );
}

/// What is held for running requests is not there for lines.
#[test]
fn lines_leave_holds_alone() {
    check(
        "
        metered
        payout ada 999_590_000
        ask r
        lines s 0 k:o:0:1
        -> line 0: metering.line.unbilled
        settle r out=50
        lines s 1 k:o:0:1
        ",
    );
}

/// The price is that of the moment the request started, whenever its line arrives.
#[test]
fn a_late_line_pays_the_price_of_its_time() {
    check(
        "
        metered
        schedule later offer=o in=0 out=8_000_000_000 from=+24h
        wait 25h
        lines s 0 k:o:0:1000 k:o:0:1000:-2h k:o:0:1000:-25h k:o:0:1000:-26h
        -> line 3: metering.line.start_too_early
        balances?
        -> outside[0] -1000000000, fees[0] 1600000, al 1940000, ada 984000000, dan 60000, pia 12400000
        ",
    );
}

/// Of the market: the index of a key, of an offer, and output tokens.
type Small = (usize, usize, u64);

fn batch_of(world: &World, first: u64, lines: &[Small]) -> Batch {
    let base = world.now.before(limits::HOUR);
    let mut columns = Lines::default();
    for (key, offer, tokens) in lines {
        let usage =
            Buckets::default().with(Bucket::InputUncached, tokens / 3).with(Bucket::OutputVisible, *tokens);
        let line = Line {
            key: handle_of(world, KEYS[*key]),
            offer: world
                .state()
                .catalog
                .offer_handle(OfferId::named(OFFERS[*offer]))
                .expect("the market has it"),
            start_milliseconds: u32::try_from(limits::HOUR / 1_000_000).expect("it is an hour"),
            duration_milliseconds: 1,
            microjoules: u64::MAX,
            usage,
        };
        assert!(columns.push(&line));
    }
    Batch::new(Content { source: SourceId::named("s"), first, base, lines: columns })
}

fn handle_of(world: &World, key: &str) -> Handle {
    world.state().membership.key_handle(KeyId::named(key)).expect("it was issued")
}

fn submit(world: &mut World, batch: &Batch) -> Outcome {
    let command = metering::Command::Record { batch: batch.clone() };
    world.submit(&Submission::internal(Actor::Member(MemberId::named("mia")), command))
}

const KEYS: [&str; 3] = ["k", "k2", "k3"];
const OFFERS: [&str; 3] = ["o", "o2", "fine"];

/// Three keys on two accounts, and an offer of a model whose shares are finer than parts per million.
const THREE: &str = "
    metered
    key k2 member=ada account=ada
    member bo roles=consumer
    account bo member=bo limit=70_000
    deposit bo 3_000_000
    payout ada 900_000_000
    key k3 member=bo account=bo
    model low account=dan bases=base:33_333
    model mid account=dan bases=low:33_333
    model top account=al bases=mid:33_333 shares=dan:data_owner:7
    offer fine model=top site=west in=1_000_003 out=4_000_007_777 model_fee=123_457 fee=98_765
";

/// The plainest thing that does the same: line by line, in 128 bits.
struct Plain {
    balances: BTreeMap<Account, Amount>,
    carries: BTreeMap<OfferId, Vec<i128>>,
    pots: BTreeMap<ModelId, Vec<i128>>,
}

impl Plain {
    fn line(&mut self, world: &World, line: &Small) -> Option<LineRefusal> {
        let state = world.state();
        let (key, offer) = (KeyId::named(KEYS[line.0]), OfferId::named(OFFERS[line.1]));
        let payer = state.membership.keys().get(&key).expect("it was issued").account.expect("it spends");
        let (_, schedule) = state.catalog.schedule_at(offer, world.now).expect("it has one");
        let usage =
            Buckets::default().with(Bucket::InputUncached, line.2 / 3).with(Bucket::OutputVisible, line.2);
        let total = price::total(&usage, &schedule.prices).expect("it is small");
        let limit = state.ledger.balance(Account::Member(payer)).and_then(|it| it.limit).expect("a member's");
        let has = self.balances.get_mut(&Account::Member(payer)).expect("it is open");
        if *has + limit < total {
            return Some(LineRefusal::Unbilled);
        }
        *has -= total;
        let to = [
            1_000_000 - schedule.model_fee_ppm - schedule.platform_fee_ppm,
            schedule.model_fee_ppm,
            schedule.platform_fee_ppm,
        ];
        let carries = self.carries.entry(offer).or_insert_with(|| vec![0; 3]);
        let parts = split::split(total, &to.map(split::from_ppm), carries);
        let model = state.catalog.offers().get(&offer).expect("it is there").model;
        let parties = crate::royalty::beneficiaries(&state.catalog, model);
        let shares: Vec<i128> = parties.iter().map(|it| it.share).collect();
        let carries = self.pots.entry(model).or_insert_with(|| vec![0; shares.len()]);
        let pot = split::split(parts[1], &shares, carries);
        *self.balances.entry(Account::Member(AccountId::named("pia"))).or_default() += parts[0];
        *self.balances.entry(Account::Fees(Asset(0))).or_default() += parts[2];
        for (party, amount) in parties.iter().zip(pot) {
            *self.balances.entry(Account::Member(party.account)).or_default() += amount;
        }
        None
    }
}

fn small() -> impl Strategy<Value = Small> {
    (
        0..KEYS.len(),
        0..OFFERS.len(),
        any::<u64>().prop_map(|it| [it % 3, it % 900, it % 40_000][(it % 7 % 3) as usize]),
    )
}

/// Prices, balances, splits and refusals of batches are those of their lines one by one, to the unit.
#[test]
fn a_batch_is_its_lines_one_by_one() {
    let batches = vec(vec(small(), 1..300), 1..5);
    let run = |batches: Vec<Vec<Small>>| {
        let mut world = stage(THREE);
        let balances = world.state().ledger.balances().map(|(account, it)| (account, it.amount)).collect();
        let mut plain = Plain { balances, carries: BTreeMap::new(), pots: BTreeMap::new() };
        let mut first = 0;
        for lines in batches {
            world.now = Time(world.now.0 + 1_000_000);
            let expected: Vec<(u32, LineRefusal)> = (0..)
                .zip(&lines)
                .filter_map(|(index, line)| Some((index, plain.line(&world, line)?)))
                .collect();
            let batch = batch_of(&world, first, &lines);
            first += batch.len();
            let Outcome::Applied { position: _, events } = submit(&mut world, &batch) else {
                panic!("refused")
            };
            let [crate::Event::Metering(metering::Event::Recorded { batch: _, counted })] = &events[..]
            else {
                panic!("{events:?}")
            };
            assert_eq!(counted.refused, expected);
            let balances: BTreeMap<Account, Amount> =
                world.state().ledger.balances().map(|(account, it)| (account, it.amount)).collect();
            plain.balances.retain(|_, amount| *amount != 0);
            assert_eq!(
                balances.into_iter().filter(|(_, it)| *it != 0).collect::<BTreeMap<_, _>>(),
                plain.balances
            );
        }
        for (model, carries) in &plain.pots {
            let kept = world.state().royalty.pot(*model).map(|pot| pot.carries.clone());
            assert_eq!(kept.unwrap_or_else(|| vec![0; carries.len()]), *carries);
        }
        Ok(())
    };
    seeded(31, 60).run(&batches, run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// A line reads back as it was written, and columns that do not fit together are no batch.
#[test]
fn the_binary_form_has_one_spelling() {
    let world = stage(THREE);
    let batch = batch_of(&world, 7, &[(0, 0, 5), (1, 2, 0), (2, 1, 4_000_000_000)]);
    let bytes = minicbor::to_vec(&batch).expect("encoding into memory does not fail");
    assert_eq!(Batch::decode_exact(&bytes).as_ref(), Ok(&batch));
    assert_eq!(
        batch.lines.iter().nth(2).map(|line| line.usage.get(Bucket::OutputVisible)),
        Some(4_000_000_000)
    );
    for length in 0..bytes.len() {
        assert!(Batch::decode_exact(&bytes[..length]).is_err(), "{length} bytes");
    }
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            if let Ok(other) = Batch::decode_exact(&changed) {
                assert_ne!(other, batch, "byte {index} means nothing");
                assert_ne!(other.hash(), batch.hash());
            }
        }
    }
    let mut lines = Lines::default();
    let large = Line {
        usage: Buckets::default().with(Bucket::CacheRead, 1).with(Bucket::OutputAudio, 1 << 32),
        ..batch.lines.iter().next().expect("there are three")
    };
    assert!(!lines.push(&large) && lines == Lines::default());
}
