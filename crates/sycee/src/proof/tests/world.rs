//! A log on disk with a bit of everything that is proved: receipts, a release, receipts of a gateway that had stopped, lines.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sycee_core::arithmetic;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{self, Basis, Kind, Model, NewSchedule, OfferTerms, SiteFacts};
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{
    AccountId, Asset, Handle, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, RequestId, ScheduleId,
    SiteId, SourceId, Time,
};
use sycee_core::limits::HOUR;
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::metering::{self, Batch, Content, Line, Lines, Source};
use sycee_core::permission::Actor;
use sycee_core::settlement::{self, Ask, Delivery, Endpoint, Finish, Mark, Measure, Output, Release};
use sycee_core::{Outcome, ledger};
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Options};

/// 2026-01-01T00:00:00Z.
const START: Time = Time(1_767_225_600_000_000_000);
pub(super) const CONSUMER: AccountId = AccountId(0xc0);
pub(super) const KEY: KeyId = KeyId(0xd0);
const OTHER: (AccountId, KeyId) = (AccountId(0xc1), KeyId(0xd1));
const EARNER: AccountId = AccountId(0xc2);
pub(super) const OFFER: OfferId = OfferId(0x10);
const SCHEDULE: ScheduleId = ScheduleId(0x40);
const SOURCE: SourceId = SourceId(0x50);
const METER: MemberId = MemberId(0x24);

/// A directory that goes with it.
pub(super) struct World {
    pub(super) path: PathBuf,
    pub(super) settled: RequestId,
    pub(super) released: RequestId,
    /// Closed together with another member's.
    pub(super) recovered: RequestId,
    /// The checkpoint of when nothing had been asked for yet.
    pub(super) early: String,
}

impl Drop for World {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

impl World {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sycee-proof-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        let (clock, hands) = Clock::manual(START);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let assets = vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }];
        let operator_key_hash = Hash([1; 32]);
        let (origin, operator_name) = ("proof.example/log".to_owned(), "operator".to_owned());
        let founding = Founding { origin, assets, operator_name, operator_key_hash, segment_bytes: 1 << 20 };
        let operator = sycee_node::init(&disk, &path, &clock, founding).unwrap();

        let options = || Options { clock: clock.clone(), segment_bytes: 1 << 20, ..Options::new(&path) };
        let node = Node(sycee_node::start(options()).unwrap());
        for command in market() {
            node.by(operator, command);
        }
        node.0.stop().unwrap();
        let early = std::fs::read_to_string(path.join("checkpoint")).unwrap();

        let node = Node(sycee_node::start(options()).unwrap());
        hands.pass(Duration::from_hours(2));
        let [settled, released, recovered, others] =
            [0; 4].map(|_: u8| RequestId(node.0.handle().new_id().unwrap()));
        for (request, (account, key)) in [
            (settled, (CONSUMER, KEY)),
            (released, (CONSUMER, KEY)),
            (recovered, (CONSUMER, KEY)),
            (others, OTHER),
        ] {
            node.gateway(settlement::Command::Authorise { request, ask: ask(account, key) });
        }
        node.gateway(settlement::Command::Settle { request: settled, delivery: delivery() });
        let release = Release { finish: Finish::UpstreamError, attempts: Vec::new(), started: START };
        node.gateway(settlement::Command::Release { request: released, release });
        let marks = [recovered, others].map(|request| (request, mark())).to_vec();
        node.gateway(settlement::Command::Advance { marks });
        node.send(Submission::internal(Actor::Member(METER), metering::Command::Record { batch: batch() }));
        node.gateway(settlement::Command::BeginEpoch);
        node.wait_for(others);
        node.0.stop().unwrap();
        Self { path, settled, released, recovered, early }
    }
}

struct Node(sycee_node::Node);

impl Node {
    fn send(&self, submission: Submission) {
        let outcome = self.0.handle().submit_blocking(submission).unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }

    fn by(&self, operator: MemberId, command: Command) {
        let reason = Some("test".to_owned());
        self.send(Submission { actor: Actor::Member(operator), id: None, reason, command });
    }

    fn gateway(&self, command: settlement::Command) {
        self.send(Submission::internal(Actor::Gateway, command));
    }

    /// The node closes by itself what a gateway has left.
    fn wait_for(&self, request: RequestId) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.handle().receipt(request).unwrap().is_none() {
            assert!(Instant::now() < deadline, "it was not closed");
            std::thread::yield_now();
        }
    }
}

fn usage(output: u64) -> Buckets {
    Buckets::default().with(Bucket::InputUncached, 41).with(Bucket::OutputVisible, output)
}

fn ask(account: AccountId, key: KeyId) -> Ask {
    let output = Output { max: 500, choices: 1, may_lower: false };
    Ask {
        account,
        key,
        model: ModelId(0xe0),
        endpoint: Endpoint::Chat,
        candidates: vec![OFFER],
        input_max: 50,
        output,
    }
}

fn mark() -> Mark {
    let (input_measure, output_measure) = (Measure::OwnCount, Measure::OwnCount);
    Mark { offer: OFFER, usage: usage(70), input_measure, output_measure }
}

fn delivery() -> Delivery {
    Delivery {
        offer: OFFER,
        usage: usage(123),
        input_measure: Measure::OwnCount,
        output_measure: Measure::OwnCount,
        reported: None,
        dispute: false,
        microjoules: None,
        finish: Finish::Stop,
        stream: false,
        attempts: Vec::new(),
        started: START,
        first_byte_milliseconds: Some(40),
    }
}

/// Five lines: two are paid, one names a key that nobody has, one an offer, one has no tokens.
fn batch() -> Batch {
    let mut lines = Lines::default();
    for (index, (key, offer, output)) in
        (0_u32..).zip([(0, 0, 9), (7, 0, 9), (0, 7, 9), (1, 0, 500), (0, 0, 0)])
    {
        let line = Line {
            key: Handle(key),
            offer: Handle(offer),
            start_milliseconds: index * 1000,
            duration_milliseconds: index,
            microjoules: output * 1_000_003,
            usage: if output == 0 { Buckets::default() } else { usage(output) },
        };
        assert!(lines.push(&line));
    }
    Batch::new(Content { source: SOURCE, first: 0, base: START.after(HOUR), lines })
}

fn market() -> Vec<Command> {
    let mut commands = Vec::new();
    let members = [
        (0x20, vec![Role::Consumer], Some(CONSUMER)),
        (0x21, vec![Role::Consumer], Some(OTHER.0)),
        (0x22, vec![Role::Provider, Role::Author], Some(EARNER)),
        (METER.0, vec![Role::Meter], None),
    ];
    for (member, roles, account) in members {
        let (member, name) = (MemberId(member), format!("member {member}"));
        let details = Member { name: name.clone(), organisation: None, roles, standing: Standing::Active };
        commands.push(membership::Command::Register { member, details }.into());
        let asset = Asset(0);
        commands.extend(account.map(|account| {
            membership::Command::OpenAccount { account, member, asset, name, limit: 0 }.into()
        }));
    }
    for (byte, member, (account, key)) in [(2, 0x20, (CONSUMER, KEY)), (3, 0x21, OTHER)] {
        let (label, hash) = ("test".to_owned(), Hash([byte; 32]));
        let member = MemberId(member);
        commands
            .push(membership::Command::IssueKey { key, member, account: Some(account), label, hash }.into());
        let (amount, reference) = (1_000_000_000_000, "bank".to_owned());
        commands.push(ledger::Command::Deposit { account, amount, reference }.into());
    }
    commands.extend(supply());
    let details = Source { member: METER, name: "meter".to_owned(), provider: None };
    commands.push(metering::Command::OpenSource { source: SOURCE, details }.into());
    commands
}

fn supply() -> [Command; 4] {
    let (model, provider, site) = (ModelId(0xe0), ProviderId(0x30), SiteId(0xf0));
    let details = Model {
        name: "docs-1".to_owned(),
        kind: Kind::Chat,
        account: EARNER,
        context: 100_000,
        bases: Vec::new(),
        shares: Vec::new(),
        standing: Standing::Active,
    };
    let facts = SiteFacts {
        region: "Zhongwei".to_owned(),
        region_zh: "中卫".to_owned(),
        longitude_millidegrees: 105_000,
        power_price: 200_000_000,
        pue_ppm: 1_100_000,
        microjoules_input: 100_000,
        microjoules_output: 600_000,
        basis: Basis::Published,
        simulated: true,
    };
    let terms = OfferTerms {
        upstream_model: "site-model".to_owned(),
        output_max: 10_000,
        concurrency_max: 100,
        tokenizer: None,
        chat_template: None,
    };
    let prices = NewSchedule {
        from: None,
        asset: Asset(0),
        prices: Buckets::default()
            .with(Bucket::InputUncached, 700_000_013)
            .with(Bucket::OutputVisible, 3_100_000_021),
        model_fee_ppm: 125_003,
        platform_fee_ppm: 99_991,
        arithmetic: arithmetic::RULES,
    };
    let name = "Works".to_owned();
    [
        catalog::Command::AddModel { model, details }.into(),
        catalog::Command::AddProvider { provider, member: MemberId(0x22), name: name.clone() }.into(),
        catalog::Command::AddSite { site, provider, name, account: EARNER, facts }.into(),
        catalog::Command::AddOffer { offer: OFFER, model, site, terms, schedule: SCHEDULE, prices }.into(),
    ]
}
