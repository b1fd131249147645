//! A market for the requests: a hundred consumers with a key each, a model with a data owner, three sites that offer it.

use sycee_core::arithmetic;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{self, Basis, Kind, Model, NewSchedule, OfferTerms, PartyRole, Share, SiteFacts};
use sycee_core::entry::{Command, Submission};
use sycee_core::ids::{
    AccountId, Asset, Hash, KeyId, MemberId, ModelId, OfferId, ProviderId, ScheduleId, SiteId,
};
use sycee_core::ledger;
use sycee_core::membership::{self, Member, Role, Standing};
use sycee_core::permission::Actor;
use sycee_core::settlement;
use sycee_node::Handle;

use crate::Failure;

const CONSUMERS: usize = 100;
const SITES: usize = 3;
const CREDIT: i128 = 1_000_000_000;

/// What a request names.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) consumers: Vec<(AccountId, KeyId)>,
    pub(crate) model: ModelId,
    pub(crate) offers: Vec<OfferId>,
}

/// Makes the market with ids as callers draw them: random, as they will be.
pub(crate) fn make(handle: &Handle, operator: MemberId) -> Result<Market, Failure> {
    let send = |command: Command| {
        let (actor, reason) = (Actor::Member(operator), Some("bench".to_owned()));
        crate::applied(handle.submit_blocking(Submission { actor, id: None, reason, command })?)
    };
    let id = || Ok::<_, Failure>(handle.new_id()?);
    let party = |name: &str, role: Role| {
        let (member, account) = (MemberId(id()?), AccountId(id()?));
        let details = Member {
            name: name.to_owned(),
            organisation: None,
            roles: vec![role],
            standing: Standing::Active,
        };
        send(membership::Command::Register { member, details }.into())?;
        let (asset, name) = (Asset(0), "main".to_owned());
        send(membership::Command::OpenAccount { account, member, asset, name, limit: 0 }.into())?;
        Ok::<_, Failure>((member, account))
    };
    let mut consumers = Vec::with_capacity(CONSUMERS);
    for index in 0..CONSUMERS {
        let (member, account) = party(&format!("consumer {index}"), Role::Consumer)?;
        let (key, label, hash) = (KeyId(id()?), "bench".to_owned(), Hash(random_hash(id()?)));
        send(membership::Command::IssueKey { key, member, account: Some(account), label, hash }.into())?;
        let reference = "bench".to_owned();
        send(ledger::Command::Deposit { account, amount: 1_000_000 * CREDIT, reference }.into())?;
        consumers.push((account, key));
    }
    let (author, owner) = (party("author", Role::Author)?.1, party("archive", Role::Author)?.1);
    let model = ModelId(id()?);
    send(catalog::Command::AddModel { model, details: details(author, owner) }.into())?;
    let mut offers = Vec::with_capacity(SITES);
    for index in 0..SITES {
        let name = format!("works {index}");
        let (member, account) = party(&name, Role::Provider)?;
        let (provider, site) = (ProviderId(id()?), SiteId(id()?));
        send(catalog::Command::AddProvider { provider, member, name: name.clone() }.into())?;
        send(catalog::Command::AddSite { site, provider, name, account, facts: facts() }.into())?;
        let (offer, schedule) = (OfferId(id()?), ScheduleId(id()?));
        let (terms, prices) = (terms(), prices());
        send(catalog::Command::AddOffer { offer, model, site, terms, schedule, prices }.into())?;
        offers.push(offer);
    }
    let begin = Submission::internal(Actor::Gateway, settlement::Command::BeginEpoch);
    crate::applied(handle.submit_blocking(begin)?)?;
    Ok(Market { consumers, model, offers })
}

fn random_hash(id: u128) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&id.to_le_bytes());
    hash
}

fn details(author: AccountId, owner: AccountId) -> Model {
    Model {
        name: "loess-1".to_owned(),
        kind: Kind::Chat,
        account: author,
        context: 32_768,
        bases: Vec::new(),
        shares: vec![Share { account: owner, role: PartyRole::DataOwner, share_ppm: 20_000 }],
        standing: Standing::Active,
    }
}

fn terms() -> OfferTerms {
    OfferTerms {
        upstream_model: "loess-1".to_owned(),
        output_max: 4_096,
        concurrency_max: 10_000,
        tokenizer: None,
        chat_template: None,
    }
}

fn prices() -> NewSchedule {
    let mut prices = Buckets::default();
    for bucket in Bucket::ALL {
        prices.set(bucket, if bucket.is_input() { 900_000_000 } else { 3_600_000_000 });
    }
    NewSchedule {
        from: None,
        asset: Asset(0),
        prices,
        model_fee_ppm: 120_000,
        platform_fee_ppm: 30_000,
        arithmetic: arithmetic::RULES,
    }
}

fn facts() -> SiteFacts {
    SiteFacts {
        region: "Ningxia".to_owned(),
        region_zh: "宁夏".to_owned(),
        longitude_millidegrees: 105_190,
        power_price: 360_000_000,
        pue_ppm: 1_100_000,
        microjoules_input: 138_000,
        microjoules_output: 689_000,
        basis: Basis::Published,
        simulated: true,
    }
}
