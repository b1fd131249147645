//! The market that the benchmark meters: many accounts under contract, offers at four prices, and a model whose earnings go to four
//! pots.
use crate::bench::generator::SOURCES;
use crate::cli::Load;
use anyhow::{Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sycee_core::arithmetic;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{self, Basis, Edge, Kind, Model, NewSchedule, OfferTerms, SiteFacts};
use sycee_core::ids::{
    AccountId, Asset, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, ScheduleId, SiteId, SourceId, Time,
};
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::metering::{self, Source};
use sycee_core::permission::Actor;
use sycee_core::{Command, Outcome, Submission, limits};
use sycee_node::{Handle, Unavailable};

pub(super) const METER: MemberId = MemberId(2);
/// What the meter sends over HTTP with.
pub(super) const METER_KEY: &str = "sk-sycee-bench";
const PROVIDER: u128 = 3;
const PROVIDER_ID: ProviderId = ProviderId(1);
/// Its author and those of the models below it: four pots.
const MODELS: u128 = 4;
const AUTHORS: u128 = 10;
const CONSUMERS: u128 = 1_000;
/// The first account of a consumer, and its key.
pub(super) const FIRST_ACCOUNT: u128 = 1_000_000;
const ACCOUNTS_EACH: u128 = 900;
/// Commands under way while the market is made.
const AT_A_TIME: usize = 8_192;

/// Makes it. The keys of consumers then have the handles from zero on, and the offers too.
pub(super) async fn make(handle: &Handle, operator: MemberId, load: &Load) -> Result<()> {
    for commands in [people(), supply(), offers(load.offers), consumers(load.accounts)] {
        submit(handle, operator, commands).await?;
    }
    // Handles are given in the order of decision, so accounts come before keys and nothing comes between.
    submit(handle, operator, accounts(load.accounts)).await?;
    submit(handle, operator, keys(load.accounts)).await
}

type Commands = Box<dyn Iterator<Item = Command> + Send>;

async fn submit(handle: &Handle, operator: MemberId, commands: Commands) -> Result<()> {
    let sent = stream::iter(commands).map(|command| {
        let reason = Some("bench".to_owned());
        let submission = Submission { actor: Actor::Member(operator), id: None, reason, command };
        async move {
            loop {
                match handle.submit(submission.clone()).await {
                    Ok(Outcome::Applied { .. }) => return Ok(()),
                    Ok(Outcome::Repeated { .. }) => bail!("nothing here has an id"),
                    Ok(Outcome::Refused(refusal)) => bail!("the market was refused: {}", refusal.code()),
                    Err(Unavailable::Overloaded) => tokio::task::yield_now().await,
                    Err(unavailable) => bail!("the node does not answer: {unavailable}"),
                }
            }
        }
    });
    sent.buffered(AT_A_TIME).try_collect().await
}

fn member(id: u128, role: Role) -> Command {
    let details = Member {
        name: format!("member {id}"),
        organisation: None,
        roles: vec![role],
        standing: Standing::Active,
    };
    membership::Command::Register { member: MemberId(id), details }.into()
}

/// It spends from no account, so it has no handle.
fn meter_key() -> Command {
    let (label, hash) = ("bench".to_owned(), sycee_api::secret::hash(METER_KEY));
    membership::Command::IssueKey { key: KeyId(1), member: METER, account: None, label, hash }.into()
}

fn account(id: u128, member: u128, limit: i128) -> Command {
    let (account, member) = (AccountId(id), MemberId(member));
    membership::Command::OpenAccount { account, member, asset: Asset(0), name: "a".to_owned(), limit }.into()
}

fn people() -> Commands {
    let authors = (0..MODELS).map(|author| AUTHORS + author);
    let mut commands = vec![member(METER.0, Role::Meter), member(PROVIDER, Role::Provider)];
    commands.push(meter_key());
    commands.push(account(PROVIDER, PROVIDER, 0));
    commands.extend(authors.clone().map(|author| member(author, Role::Author)));
    commands.extend(authors.map(|author| account(author, author, 0)));
    Box::new(commands.into_iter())
}

pub(super) fn source_name(source: SourceId) -> String {
    format!("bench-{}", source.0)
}

/// A chain of models, each giving a tenth to the one below it.
fn supply() -> Commands {
    let open = |source| {
        let details = Source { member: METER, name: source_name(source), provider: None };
        Command::from(metering::Command::OpenSource { source, details })
    };
    let mut commands: Vec<Command> = (0..SOURCES as u128).map(SourceId).map(open).collect();
    commands.extend((0..MODELS).map(|index| {
        let base = index.checked_sub(1).map(|base| Edge { base: ModelId(base), share_ppm: 100_000 });
        let details = Model {
            name: format!("model-{index}"),
            kind: Kind::Chat,
            account: AccountId(AUTHORS + index),
            context: 1 << 20,
            bases: base.into_iter().collect(),
            shares: Vec::new(),
            standing: Standing::Active,
        };
        catalog::Command::AddModel { model: ModelId(index), details }.into()
    }));
    let (provider, member) = (PROVIDER_ID, MemberId(PROVIDER));
    commands.push(catalog::Command::AddProvider { provider, member, name: "provider".to_owned() }.into());
    Box::new(commands.into_iter())
}

fn offers(count: u64) -> Commands {
    Box::new((0..u128::from(count)).flat_map(|index| {
        let site = catalog::Command::AddSite {
            site: SiteId(index),
            provider: PROVIDER_ID,
            name: format!("site {index}"),
            account: AccountId(PROVIDER),
            facts: facts(),
        };
        let offer = catalog::Command::AddOffer {
            offer: OfferId(index),
            model: ModelId(MODELS - 1),
            site: SiteId(index),
            terms: terms(),
            schedule: ScheduleId(index),
            prices: schedule(index),
        };
        [Command::from(site), Command::from(offer)]
    }))
}

fn facts() -> SiteFacts {
    SiteFacts {
        region: "Bench".to_owned(),
        region_zh: "测".to_owned(),
        longitude_millidegrees: 105_000,
        power_price: 400_000_000,
        pue_ppm: 1_070_000,
        microjoules_input: 100_000,
        microjoules_output: 900_000,
        basis: Basis::Assumed,
        simulated: true,
    }
}

fn terms() -> OfferTerms {
    OfferTerms {
        upstream_model: "bench".to_owned(),
        output_max: 1 << 20,
        concurrency_max: 1 << 20,
        tokenizer: None,
        chat_template: None,
    }
}

/// Uneven prices and shares, so that every line leaves something over. In force since long before the first line.
fn schedule(index: u128) -> NewSchedule {
    let dearer = 1 + u64::try_from(index % 4).unwrap_or(0);
    let mut prices = Buckets::default();
    for bucket in Bucket::ALL {
        prices.set(bucket, dearer * if bucket.is_input() { 1_000_000_007 } else { 4_000_000_019 });
    }
    let (asset, arithmetic) = (Asset(0), arithmetic::RULES);
    NewSchedule {
        from: Some(Time(1)),
        asset,
        prices,
        model_fee_ppm: 125_003,
        platform_fee_ppm: 99_991,
        arithmetic,
    }
}

fn member_of(index: u128) -> u128 {
    CONSUMERS + index / ACCOUNTS_EACH
}

fn consumers(accounts: u64) -> Commands {
    let members = u128::from(accounts).div_ceil(ACCOUNTS_EACH);
    Box::new((0..members).map(|index| member(CONSUMERS + index, Role::Consumer)))
}

fn accounts(count: u64) -> Commands {
    let accounts = 0..u128::from(count);
    Box::new(accounts.map(|index| account(FIRST_ACCOUNT + index, member_of(index), limits::AMOUNT_MAX)))
}

fn keys(count: u64) -> Commands {
    Box::new((0..u128::from(count)).map(|index| {
        let mut hash = [0; 32];
        hash[16..].copy_from_slice(&index.to_be_bytes());
        let key = membership::Command::IssueKey {
            key: KeyId(FIRST_ACCOUNT + index),
            member: MemberId(member_of(index)),
            account: Some(AccountId(FIRST_ACCOUNT + index)),
            label: "k".to_owned(),
            hash: Hash(hash),
        };
        key.into()
    }))
}
