//! A small market for tests: one provider with a cheap and a dear site, a chat model and an embedding model, and consumers.
use sha2::{Digest, Sha256};
use sycee_core::buckets::Buckets;
use sycee_core::catalog::{self, Basis, Kind, Model, NewSchedule, OfferTerms, SiteFacts};
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::{AssetDefinition, Charter};
use sycee_core::ids::{
    AccountId, Amount, Asset, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, ScheduleId, SiteId, Time,
};
use sycee_core::limits::SECOND;
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::permission::Actor;
use sycee_core::{Outcome, State, arithmetic, genesis, ledger, settlement};

use crate::count::Vocabulary;

pub(crate) const CREDIT: Amount = 1_000_000_000;
/// Names of the sites, the cheaper one first.
pub(crate) const SITES: [&str; 2] = ["Cheap", "Dear"];
pub(crate) const CHAT: &str = "docs-1";
pub(crate) const EMBEDDING: &str = "embed-1";
pub(crate) const CONTEXT: u64 = 200_000;
/// Units per million tokens, whatever the bucket.
pub(crate) const PRICES: [u64; 2] = [1_000_000, 8_000_000_000];

/// The commands that make the market, and the ids in it.
pub(crate) struct Market {
    pub(crate) commands: Vec<Command>,
    pub(crate) chat: ModelId,
    /// The chat model's offers, in the order of [`SITES`].
    pub(crate) offers: Vec<OfferId>,
}

/// A consumer with money and a key.
#[derive(Clone)]
pub(crate) struct Consumer {
    pub(crate) account: AccountId,
    pub(crate) key_id: KeyId,
    pub(crate) key: String,
}

fn member(
    draw: &mut impl FnMut() -> u128,
    roles: Vec<Role>,
    commands: &mut Vec<Command>,
) -> (MemberId, AccountId) {
    let (member, account) = (MemberId(draw()), AccountId(draw()));
    let details = Member { name: format!("{member}"), organisation: None, roles, standing: Standing::Active };
    let (asset, name) = (Asset(0), "main".to_owned());
    commands.push(membership::Command::Register { member, details }.into());
    commands.push(membership::Command::OpenAccount { account, member, asset, name, limit: 0 }.into());
    (member, account)
}

pub(crate) fn consumer(mut draw: impl FnMut() -> u128, amount: Amount) -> (Consumer, Vec<Command>) {
    let mut commands = Vec::new();
    let (member, account) = member(&mut draw, vec![Role::Consumer], &mut commands);
    if amount > 0 {
        commands.push(ledger::Command::Deposit { account, amount, reference: "bank".to_owned() }.into());
    }
    let key_id = KeyId(draw());
    let key = format!("sk-sycee-{key_id}");
    let (hash, label) = (Hash(Sha256::digest(&key).into()), "test".to_owned());
    let issue = membership::Command::IssueKey { key: key_id, member, account: Some(account), label, hash };
    commands.push(issue.into());
    (Consumer { account, key_id, key }, commands)
}

pub(crate) fn market(mut draw: impl FnMut() -> u128) -> Market {
    let mut commands = Vec::new();
    let (owner, account) = member(&mut draw, vec![Role::Provider, Role::Author], &mut commands);
    let provider = ProviderId(draw());
    let name = "Works".to_owned();
    commands.push(catalog::Command::AddProvider { provider, member: owner, name }.into());
    let models = [(CHAT, Kind::Chat), (EMBEDDING, Kind::Embedding)].map(|(name, kind)| {
        let (model, name, standing) = (ModelId(draw()), name.to_owned(), Standing::Active);
        let (bases, shares) = (Vec::new(), Vec::new());
        let details = Model { name, kind, account, context: CONTEXT, bases, shares, standing };
        commands.push(catalog::Command::AddModel { model, details }.into());
        model
    });
    let mut offers = Vec::new();
    for (name, price) in SITES.into_iter().zip(PRICES) {
        let (site, name, facts) = (SiteId(draw()), name.to_owned(), facts());
        commands.push(catalog::Command::AddSite { site, provider, name, account, facts }.into());
        for model in models {
            let (offer, schedule) = (OfferId(draw()), ScheduleId(draw()));
            let (terms, prices) = (terms(), prices(price));
            commands.push(catalog::Command::AddOffer { offer, model, site, terms, schedule, prices }.into());
            if model == models[0] {
                offers.push(offer);
            }
        }
    }
    Market { commands, chat: models[0], offers }
}

pub(crate) fn terms() -> OfferTerms {
    OfferTerms {
        upstream_model: "site-model".to_owned(),
        output_max: CONTEXT,
        concurrency_max: 1_000,
        tokenizer: Some(Hash(Vocabulary::O200kBase.hash())),
        chat_template: None,
    }
}

fn prices(price: u64) -> NewSchedule {
    NewSchedule {
        from: None,
        asset: Asset(0),
        prices: Buckets([price; 10]),
        model_fee_ppm: 100_000,
        platform_fee_ppm: 50_000,
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

/// When the books are opened.
pub(crate) const START: Time = Time(1_800_000_000 * SECOND);

/// An id drawn at [`START`].
pub(crate) fn id(number: u128) -> u128 {
    u128::from(START.0 / 1_000_000) << 80 | number
}

/// A state with the market and one consumer in it.
pub(crate) struct Books {
    pub(crate) state: State,
    pub(crate) market: Market,
    pub(crate) consumer: Consumer,
    operator: MemberId,
}

impl Books {
    pub(crate) fn new(credit: Amount) -> Self {
        let mut next = 100;
        let mut draw = || {
            next += 1;
            id(next)
        };
        let market = market(&mut draw);
        let (consumer, commands) = consumer(&mut draw, credit);
        let operator = MemberId(id(1));
        let mut books = Self { state: State::default(), market, consumer, operator };
        let assets = vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }];
        let charter = Charter { log_id: 1, origin: "test".to_owned(), assets, public_key: [1; 32] };
        let found = genesis::Command::Found {
            charter,
            operator,
            operator_name: "operator".to_owned(),
            operator_key: KeyId(id(2)),
            operator_key_hash: Hash([7; 32]),
        };
        books.submit(&Submission::internal(Actor::Founder, found));
        for command in books.market.commands.clone().into_iter().chain(commands) {
            books.apply(command);
        }
        books.submit(&Submission::internal(Actor::Gateway, settlement::Command::BeginEpoch));
        books
    }

    /// A moment after everything so far.
    pub(crate) fn now(&self) -> Time {
        START.before(SECOND).max(self.state.at.after(1))
    }

    pub(crate) fn apply(&mut self, command: impl Into<Command>) {
        let (actor, reason) = (Actor::Member(self.operator), Some("test".to_owned()));
        self.submit(&Submission { actor, id: None, reason, command: command.into() });
    }

    fn submit(&mut self, submission: &Submission) {
        let outcome = self.state.submit(self.now(), submission).outcome;
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }
}
