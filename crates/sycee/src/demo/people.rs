//! The demo's people: registered, with accounts, keys and money.
use super::keys::Keys;
use anyhow::{Result, bail};
use sycee_api::catalog::{Document, apply};
use sycee_api::secret;
use sycee_core::Outcome;
use sycee_core::entry::{Command, Submission};
use sycee_core::ids::{AccountId, KeyId, MemberId};
use sycee_core::ledger;
use sycee_core::membership::Command as Membership;
use sycee_core::permission::Actor;
use sycee_node::Handle;

pub(super) const ASSET: &str = "CNY";
pub(super) const OPERATOR: &str = "Demo operator";
pub(super) const VISITOR: &str = "Visitor";
pub(super) const PROVIDER: &str = "Zhongwei Wind Compute";
pub(super) const AUDITOR: &str = "Audit Office";
/// Members that have keys.
pub(super) const MEMBERS: [&str; 6] =
    [VISITOR, PROVIDER, AUDITOR, "Harbour Clinic", "Ridge Logistics", "Lantern Press"];
/// Simulated clients, by member and by the name of their own log.
pub(super) const SIMULATED_CLIENTS: [(&str, &str); 3] = [
    ("Harbour Clinic", "harbour-clinic"),
    ("Ridge Logistics", "ridge-logistics"),
    ("Lantern Press", "lantern-press"),
];
/// What a consumer starts with: 1,000 CNY.
const FIRST_DEPOSIT: i128 = 1_000_000_000_000;
const REASON: &str = "demo";

/// What the rest of the demo needs to know of them.
pub(super) struct People {
    pub(super) visitor_account: AccountId,
}

impl People {
    /// Makes the log offer what the demo offers, and gives everybody what is theirs. Whatever is there already stays.
    pub(super) async fn settle_in(handle: &Handle, keys: &Keys, document: &Document) -> Result<Self> {
        let operator = operator(handle, keys)?;
        apply(handle, operator, REASON, document, false).await?;
        for (name, key) in &keys.members {
            let member = member(handle, name)?;
            let account = account(handle, member);
            if handle.views().state.membership.authenticate(secret::hash(key)).is_none() {
                let id = KeyId(handle.new_id()?);
                let label = "demo".to_owned();
                let command =
                    Membership::IssueKey { key: id, member, account, label, hash: secret::hash(key) };
                submit(handle, operator, command).await?;
            }
            let is_consumer =
                handle.views().state.membership.may(member, sycee_core::membership::Role::Consumer);
            if let Some(account) = account.filter(|_| is_consumer) {
                fund(handle, operator, account).await?;
            }
        }
        let visitor_account = account(handle, member(handle, VISITOR)?);
        match visitor_account {
            Some(visitor_account) => Ok(Self { visitor_account }),
            None => bail!("{VISITOR} has no account\n  hint: give --data another directory"),
        }
    }
}

fn operator(handle: &Handle, keys: &Keys) -> Result<MemberId> {
    let views = handle.views();
    match views.state.membership.authenticate(secret::hash(&keys.operator)) {
        Some((_, key)) => Ok(key.member),
        None => bail!("this log was founded with other keys\n  hint: give --data another directory"),
    }
}

fn member(handle: &Handle, name: &str) -> Result<MemberId> {
    let views = handle.views();
    let found =
        views.state.membership.members().iter().find(|(_, member)| member.name == name).map(|(id, _)| *id);
    match found {
        Some(id) => Ok(id),
        None => bail!("there is no member named {name}"),
    }
}

fn account(handle: &Handle, member: MemberId) -> Option<AccountId> {
    let views = handle.views();
    let found = views.state.ledger.accounts().iter().find(|(_, details)| details.member == member);
    found.map(|(id, _)| *id)
}

/// The first deposit, unless the account has moved money before.
async fn fund(handle: &Handle, operator: MemberId, account: AccountId) -> Result<()> {
    if handle.views().line_count(ledger::Account::Member(account)) > 0 {
        return Ok(());
    }
    let reference = "play money".to_owned();
    submit(handle, operator, ledger::Command::Deposit { account, amount: FIRST_DEPOSIT, reference }).await
}

async fn submit(handle: &Handle, operator: MemberId, command: impl Into<Command>) -> Result<()> {
    let submission = Submission {
        actor: Actor::Member(operator),
        id: None,
        reason: Some(REASON.to_owned()),
        command: command.into(),
    };
    match handle.submit(submission).await? {
        Outcome::Applied { .. } | Outcome::Repeated { refusal: None, .. } => Ok(()),
        Outcome::Refused(refusal) | Outcome::Repeated { refusal: Some(refusal), .. } => {
            bail!("the demo could not be set up: {}", refusal.code())
        }
    }
}
