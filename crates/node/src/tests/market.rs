//! A small market, the same every time: a consumer with a key, an author with a data owner, a provider with two sites. One of
//! the sites is the consumer's own, so that an account can be on both sides of a receipt.
use crate::ids::uuid;
use sycee_core::arithmetic;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{self, Basis, Kind, Model, NewSchedule, OfferTerms, PartyRole, Share, SiteFacts};
use sycee_core::entry::{Command, Submission};
use sycee_core::ids::{
    AccountId, Amount, Asset, Handle, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, RequestId,
    ScheduleId, SiteId, SourceId, Time,
};
use sycee_core::ledger;
use sycee_core::limits::HOUR;
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::metering::{self, Batch, Content, Line, Lines, Source};
use sycee_core::permission::Actor;
use sycee_core::settlement::{
    self, Ask, Attempt, AttemptOutcome, Delivery, Endpoint, Finish, Mark, Measure, Output, Release,
};

/// 2026-01-01T00:00:00Z, when every test begins.
pub(super) const START: Time = Time(1_767_225_600_000_000_000);
pub(super) const CREDIT: Amount = 1_000_000_000;

pub(super) const CONSUMER: AccountId = AccountId(0xc0);
pub(super) const WORKS: AccountId = AccountId(0xc1);
pub(super) const AUTHOR: AccountId = AccountId(0xc2);
pub(super) const DATA: AccountId = AccountId(0xc3);
pub(super) const KEY: KeyId = KeyId(0xd0);
pub(super) const MODEL: ModelId = ModelId(0xe0);
pub(super) const SITES: [SiteId; 2] = [SiteId(0xf0), SiteId(0xf1)];
/// One at each site, at the same prices.
pub(super) const OFFERS: [OfferId; 2] = [OfferId(0x10), OfferId(0x11)];
pub(super) const CONSUMING: MemberId = MemberId(0x20);
pub(super) const METER: MemberId = MemberId(0x24);
pub(super) const SOURCE: SourceId = SourceId(0x50);

/// Whatever a member may do has a reason, which tests do not have.
pub(super) fn by(operator: MemberId, command: impl Into<Command>) -> Submission {
    let reason = Some("test".to_owned());
    Submission { actor: Actor::Member(operator), id: None, reason, command: command.into() }
}

pub(super) fn by_gateway(command: settlement::Command) -> Submission {
    Submission::internal(Actor::Gateway, command)
}

/// The commands that make the market; the consumer then has a thousand credits.
pub(super) fn market(operator: MemberId) -> Vec<Submission> {
    let mut commands = Vec::new();
    let members = [
        (CONSUMING, CONSUMER, vec![Role::Consumer, Role::Provider], "consumer"),
        (MemberId(0x21), WORKS, vec![Role::Provider], "works"),
        (MemberId(0x22), AUTHOR, vec![Role::Author], "author"),
        (MemberId(0x23), DATA, vec![Role::Author], "data"),
    ];
    for (member, account, roles, name) in members {
        let name = name.to_owned();
        let details = Member { name: name.clone(), organisation: None, roles, standing: Standing::Active };
        commands.push(Command::from(membership::Command::Register { member, details }));
        let asset = Asset(0);
        commands.push(membership::Command::OpenAccount { account, member, asset, name, limit: 0 }.into());
    }
    let (account, label, hash) = (Some(CONSUMER), "test".to_owned(), Hash([9; 32]));
    commands.push(membership::Command::IssueKey { key: KEY, member: CONSUMING, account, label, hash }.into());
    commands.push(deposit(CONSUMER, 1_000 * CREDIT).into());
    commands.extend(supply());
    let (name, roles) = ("meter".to_owned(), vec![Role::Meter]);
    let details = Member { name: name.clone(), organisation: None, roles, standing: Standing::Active };
    commands.push(membership::Command::Register { member: METER, details }.into());
    let details = Source { member: METER, name, provider: None };
    commands.push(metering::Command::OpenSource { source: SOURCE, details }.into());
    commands.into_iter().map(|command| by(operator, command)).collect()
}

fn supply() -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let shares = vec![Share { account: DATA, role: PartyRole::DataOwner, share_ppm: 333_333 }];
    let details = Model {
        name: "docs-1".to_owned(),
        kind: Kind::Chat,
        account: AUTHOR,
        context: 100_000,
        bases: Vec::new(),
        shares,
        standing: Standing::Active,
    };
    commands.push(catalog::Command::AddModel { model: MODEL, details }.into());
    for (index, (site, offer)) in SITES.into_iter().zip(OFFERS).enumerate() {
        let (member, account) = [(MemberId(0x21), WORKS), (CONSUMING, CONSUMER)][index];
        let (provider, facts) = (ProviderId(0x30 + index as u128), facts());
        let name = format!("Works {index}");
        commands.push(catalog::Command::AddProvider { provider, member, name: name.clone() }.into());
        commands.push(catalog::Command::AddSite { site, provider, name, account, facts }.into());
        let (terms, schedule) = (terms(), ScheduleId(0x40 + index as u128));
        let prices = prices(None);
        commands
            .push(catalog::Command::AddOffer { offer, model: MODEL, site, terms, schedule, prices }.into());
    }
    commands
}

fn terms() -> OfferTerms {
    OfferTerms {
        upstream_model: "site-model".to_owned(),
        output_max: 10_000,
        concurrency_max: 100,
        tokenizer: None,
        chat_template: None,
    }
}

/// Primes, so that nothing divides evenly.
pub(super) fn prices(from: Option<Time>) -> NewSchedule {
    let mut prices = Buckets::default();
    for bucket in Bucket::ALL {
        prices.set(bucket, if bucket.is_input() { 700_000_013 } else { 3_100_000_021 });
    }
    let (model_fee_ppm, platform_fee_ppm) = (125_003, 99_991);
    NewSchedule {
        from,
        asset: Asset(0),
        prices,
        model_fee_ppm,
        platform_fee_ppm,
        arithmetic: arithmetic::RULES,
    }
}

fn facts() -> SiteFacts {
    SiteFacts {
        region: "Zhongwei".to_owned(),
        region_zh: "中卫".to_owned(),
        longitude_millidegrees: 105_000,
        power_price: 200_000_000,
        pue_ppm: 1_100_000,
        microjoules_input: 100_000,
        microjoules_output: 600_000,
        basis: Basis::Published,
        simulated: true,
    }
}

pub(super) fn deposit(account: AccountId, amount: Amount) -> ledger::Command {
    ledger::Command::Deposit { account, amount, reference: "bank 1".to_owned() }
}

/// The id of the `index`-th request drawn at a time.
pub(super) fn request(at: Time, index: u64) -> RequestId {
    RequestId(uuid(at, u128::from(index)))
}

pub(super) fn authorise(request: RequestId, output: u64) -> Submission {
    let ask = Ask {
        account: CONSUMER,
        key: KEY,
        model: MODEL,
        endpoint: Endpoint::Chat,
        candidates: OFFERS.to_vec(),
        input_max: 50,
        output: Output { max: output, choices: 1, may_lower: false },
    };
    by_gateway(settlement::Command::Authorise { request, ask })
}

fn usage(output: u64) -> Buckets {
    Buckets::default().with(Bucket::InputUncached, 41).with(Bucket::OutputVisible, output)
}

pub(super) fn mark(request: RequestId, offer: OfferId, output: u64) -> (RequestId, Mark) {
    let (input_measure, output_measure) = (Measure::OwnCount, Measure::OwnCount);
    (request, Mark { offer, usage: usage(output), input_measure, output_measure })
}

/// Lines from the number `first` on, each of so many output tokens; the keys and offers are those of the market, and one of each
/// that nobody has.
pub(super) fn lines(at: Time, first: u64, outputs: &[u64]) -> Submission {
    let mut lines = Lines::default();
    for (index, output) in (0_u32..).zip(outputs) {
        let line = Line {
            key: Handle(u32::from(output % 11 == 10)),
            offer: Handle(index % 7 % 3),
            start_milliseconds: 3_600_000 - index * 3,
            duration_milliseconds: index,
            microjoules: output * 1_000_003,
            usage: usage(*output),
        };
        assert!(lines.push(&line));
    }
    let batch = Batch::new(Content { source: SOURCE, first, base: at.before(HOUR), lines });
    Submission::internal(Actor::Member(METER), metering::Command::Record { batch })
}

pub(super) fn settle(request: RequestId, offer: OfferId, output: u64, started: Time) -> Submission {
    let delivery = Delivery {
        offer,
        usage: usage(output),
        input_measure: Measure::OwnCount,
        output_measure: Measure::OwnCount,
        reported: None,
        dispute: false,
        microjoules: Some(output * 1_000_003),
        finish: Finish::Stop,
        stream: false,
        attempts: vec![Attempt { offer, outcome: AttemptOutcome::Served, milliseconds: 80 }],
        started,
        first_byte_milliseconds: Some(40),
    };
    by_gateway(settlement::Command::Settle { request, delivery })
}

pub(super) fn release(request: RequestId, started: Time) -> Submission {
    let release = Release { finish: Finish::UpstreamError, attempts: Vec::new(), started };
    by_gateway(settlement::Command::Release { request, release })
}
