//! Metering without a log: what does a line cost to price, book and split?
//!
//! Batches of lines from many accounts are decided one after another. Keys are drawn by a zipf distribution over scrambled handles
//! or uniformly, offers uniformly; each line has three to five buckets. Making the batches is not counted.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark times and tells"
)]
use std::time::Instant;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{self, Basis, Edge, Kind, Model, OfferTerms, Schedule, SiteFacts};
use sycee_core::genesis::{self, AssetDefinition, Charter};
use sycee_core::ids::{
    AccountId, Asset, Handle, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, ScheduleId, SiteId,
    SourceId, Time,
};
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::metering::{self, Batch, Content, Line, Lines, Source};
use sycee_core::permission::Actor;
use sycee_core::{Command, Core, Outcome, Submission, ledger};

const START: u64 = 1_767_225_600_000_000_000;
const OPERATOR: u128 = 1;
const METER: u128 = 2;
const PROVIDER: u128 = 3;
const AUTHORS: u128 = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().and_then(|it| it.parse().ok()).unwrap_or(default);
    let (accounts, lines, batch, offers) =
        (number(1_000_000), number(10_000_000), number(16_384), number(256));
    let mut world = World { core: Core::default(), now: START };
    world.found(accounts, offers);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let zipf = Zipf::new(accounts);
    for uniform in [false, true] {
        let (mut seconds, mut processor, mut done, mut first) = (0.0, 0.0, 0, world.next());
        let mut refused = 0;
        while done < lines {
            let batch =
                batch_of(&mut dice, (!uniform).then_some(&zipf), accounts, offers, first, batch, world.now);
            first += batch.len();
            done += batch.len();
            let submission =
                Submission::internal(Actor::Member(MemberId(METER)), metering::Command::Record { batch });
            world.now += 1_000_000;
            let (began, cpu) = (Instant::now(), processor_seconds());
            let decided = world.core.submit(Time(world.now), &submission);
            seconds += began.elapsed().as_secs_f64();
            processor += processor_seconds() - cpu;
            let Outcome::Applied { position: _, events } = decided.outcome else {
                panic!("{:?}", decided.outcome)
            };
            for event in events {
                if let sycee_core::Event::Metering(metering::Event::Recorded { counted, .. }) = event {
                    refused += counted.refused.len();
                }
            }
        }
        let skew = if uniform { "uniform" } else { "zipf" };
        let each = |seconds: f64| seconds * 1e9 / done as f64;
        println!(
            "{accounts} accounts, {skew}: {:.0} ns of processor a line, {:.0} of wall time, {refused} of {done} refused",
            each(processor),
            each(seconds)
        );
    }
}

struct World {
    core: Core,
    now: u64,
}

impl World {
    fn next(&self) -> u64 {
        self.core.state().metering.progress(SourceId(1)).map_or(0, |it| it.next)
    }

    fn submit(&mut self, actor: Actor, command: impl Into<Command>) {
        self.now += 1;
        let submission =
            Submission { actor, id: None, reason: Some("bench".to_owned()), command: command.into() };
        let decided = self.core.submit(Time(self.now), &submission);
        assert!(matches!(decided.outcome, Outcome::Applied { .. }), "{:?}", decided.outcome);
    }

    fn operate(&mut self, command: impl Into<Command>) {
        self.submit(Actor::Member(MemberId(OPERATOR)), command);
    }

    fn found(&mut self, accounts: u64, offers: u64) {
        let charter = Charter {
            log_id: 7,
            origin: "bench.example/sycee".to_owned(),
            assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
            public_key: [9; 32],
        };
        self.submit(
            Actor::Founder,
            genesis::Command::Found {
                charter,
                operator: MemberId(OPERATOR),
                operator_name: "Operator".to_owned(),
                operator_key: KeyId(1),
                operator_key_hash: hash(1),
            },
        );
        self.member(METER, Role::Meter);
        self.member(PROVIDER, Role::Provider);
        for author in 0..4 {
            self.member(AUTHORS + author, Role::Author);
            self.account(AUTHORS + author, AUTHORS + author, 0);
        }
        self.account(PROVIDER, PROVIDER, 0);
        for model in 0..4 {
            let bases =
                if model == 0 { Vec::new() } else { vec![Edge { base: ModelId(model), share_ppm: 100_000 }] };
            let details = Model {
                name: format!("model-{model}"),
                kind: Kind::Chat,
                account: AccountId(AUTHORS + model),
                context: 1 << 20,
                bases,
                shares: Vec::new(),
                standing: Standing::Active,
            };
            self.operate(catalog::Command::AddModel { model: ModelId(model + 1), details });
        }
        self.operate(catalog::Command::AddProvider {
            provider: ProviderId(1),
            member: MemberId(PROVIDER),
            name: "provider".to_owned(),
        });
        for offer in 0..u128::from(offers) {
            self.operate(catalog::Command::AddSite {
                site: SiteId(offer),
                provider: ProviderId(1),
                name: format!("site {offer}"),
                account: AccountId(PROVIDER),
                facts: facts(),
            });
            let prices = Buckets::default()
                .with(Bucket::InputUncached, 1_000_000_003)
                .with(Bucket::CacheRead, 100_000_007)
                .with(Bucket::OutputVisible, 4_000_000_009)
                .with(Bucket::OutputReasoning, 4_000_000_009);
            self.operate(catalog::Command::AddOffer {
                offer: OfferId(offer),
                model: ModelId(4),
                site: SiteId(offer),
                terms: OfferTerms {
                    upstream_model: "m".to_owned(),
                    output_max: 1 << 20,
                    concurrency_max: 1 << 20,
                    tokenizer: None,
                    chat_template: None,
                },
                schedule: ScheduleId(offer),
                prices: Schedule {
                    from: Time(self.now + 1),
                    asset: Asset(0),
                    prices,
                    model_fee_ppm: 150_000,
                    platform_fee_ppm: 50_000,
                    arithmetic: 1,
                },
            });
        }
        let source = Source { member: MemberId(METER), name: "bench".to_owned(), provider: None };
        self.operate(metering::Command::OpenSource { source: SourceId(1), details: source });
        for account in 0..u128::from(accounts) {
            let (member, id) = (1000 + account / 900, 1_000_000 + account);
            if account % 900 == 0 {
                self.member(member, Role::Consumer);
            }
            self.account(id, member, 1_000_000_000_000_000_000);
            self.operate(membership::Command::IssueKey {
                key: KeyId(id),
                member: MemberId(member),
                account: Some(AccountId(id)),
                label: "k".to_owned(),
                hash: hash(id),
            });
        }
    }

    fn member(&mut self, member: u128, role: Role) {
        let details = Member {
            name: format!("member {member}"),
            organisation: None,
            roles: vec![role],
            standing: Standing::Active,
        };
        self.operate(membership::Command::Register { member: MemberId(member), details });
    }

    fn account(&mut self, account: u128, member: u128, limit: i128) {
        self.operate(membership::Command::OpenAccount {
            account: AccountId(account),
            member: MemberId(member),
            asset: Asset(0),
            name: "a".to_owned(),
            limit,
        });
        if limit > 0 {
            self.operate(ledger::Command::Deposit {
                account: AccountId(account),
                amount: 1_000_000_000_000,
                reference: String::new(),
            });
        }
    }
}

fn hash(number: u128) -> Hash {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&number.to_le_bytes());
    Hash(bytes)
}

fn facts() -> SiteFacts {
    SiteFacts {
        region: "r".to_owned(),
        region_zh: "r".to_owned(),
        longitude_millidegrees: 0,
        power_price: 400_000_000,
        pue_ppm: 1_070_000,
        microjoules_input: 100,
        microjoules_output: 900_000,
        basis: Basis::Assumed,
        simulated: true,
    }
}

fn batch_of(
    dice: &mut Dice,
    zipf: Option<&Zipf>,
    accounts: u64,
    offers: u64,
    first: u64,
    count: u64,
    now: u64,
) -> Batch {
    let mut lines = Lines::default();
    for _ in 0..count {
        let key = match zipf {
            // Scrambled, so that those who ask often do not lie together.
            Some(zipf) => (zipf.draw(dice) * 0x9e37_79b1) % accounts,
            None => dice.below(accounts),
        };
        let usage = Buckets::default()
            .with(Bucket::InputUncached, 1 + dice.below(2000))
            .with(Bucket::CacheRead, dice.below(1000))
            .with(Bucket::OutputVisible, 1 + dice.below(800))
            .with(Bucket::OutputReasoning, dice.below(2) * dice.below(2000));
        let line = Line {
            key: Handle(key as u32),
            offer: Handle(dice.below(offers) as u32),
            start_milliseconds: dice.below(1000) as u32,
            duration_milliseconds: dice.below(20_000) as u32,
            microjoules: dice.below(1 << 31),
            usage,
        };
        assert!(lines.push(&line));
    }
    Batch::new(Content { source: SourceId(1), first, base: Time(now), lines })
}

fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split_whitespace().next().and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, sides: u64) -> u64 {
        ((self.next() >> 32) * sides) >> 32
    }
}

/// Ranks with probability proportional to rank to the power of −0.99, by the approximation of Gray et al. (SIGMOD 1994).
struct Zipf {
    n: f64,
    alpha: f64,
    zeta: f64,
    eta: f64,
    half: f64,
}

impl Zipf {
    fn new(n: u64) -> Self {
        const THETA: f64 = 0.99;
        let zeta: f64 = (1..=n).map(|rank| (rank as f64).powf(-THETA)).sum();
        let two = 1.0 + 0.5f64.powf(THETA);
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - THETA)) / (1.0 - two / zeta);
        Self { n: n as f64, alpha: 1.0 / (1.0 - THETA), zeta, eta, half: 0.5f64.powf(THETA) }
    }

    fn draw(&self, dice: &mut Dice) -> u64 {
        let u = dice.next() as f64 / u64::MAX as f64;
        let uz = u * self.zeta;
        if uz < 1.0 {
            0
        } else if uz < 1.0 + self.half {
            1
        } else {
            (self.n * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64
        }
    }
}
