//! Accounts: opening them, what they hold, and moving money in, out and right.
use crate::body::{Asked, Body, Named, bad_id};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::money::{Currency, account_name, account_named, party_name};
use crate::page::{Page, PageQuery, bad_cursor};
use crate::state::Api;
use crate::submit::{Done, Once};
use crate::vocabulary::{Against, Standing};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use sycee_core::State as Core;
use sycee_core::ids::{AccountId, Amount, Asset, MemberId};
use sycee_core::ledger::{self, Account as Place};
use sycee_core::membership::Command as Membership;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    id: String,
    /// Id of the member; null for a house account.
    member: Option<String>,
    /// `platform` or `outside` for a house account.
    member_name: String,
    name: String,
    asset: String,
    balance: String,
    /// Set aside by running requests.
    held: String,
    /// What can be spent now: balance + limit − held. Null for a house account, which has no floor.
    available: Option<String>,
    /// How far below zero it may go.
    limit: Option<String>,
    /// That of its member.
    standing: Standing,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member": "mem_019a9f3c5e7b7c41a2d30f6b8e9d1c27", "name": "main", "asset": "CNY", "reason": "contract 2026-114"}))]
pub(crate) struct AccountDraft {
    member: String,
    name: String,
    /// Code of the asset, such as `CNY`.
    asset: String,
    /// How far below zero it may go; nothing if left out.
    limit: Option<String>,
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": "250.00", "reference": "bank transfer 88123", "reason": "top-up"}))]
pub(crate) struct MoneyDraft {
    /// In the account's asset; above zero.
    amount: String,
    reason: String,
    /// The other side's words for it, such as a bank's.
    reference: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"amount": "-2.00", "corrects": 41, "against": "outside", "reason": "booked twice"}))]
pub(crate) struct CorrectionDraft {
    /// Signed: a negative amount takes from the account.
    amount: String,
    /// Position of the entry that was wrong.
    corrects: u64,
    /// Where the other side stands; `outside` if left out.
    against: Option<Against>,
    reason: String,
    reference: Option<String>,
}

/// The entry that moved money, and the account as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moved {
    position: u64,
    account: Account,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountsQuery {
    /// Only those of this member.
    member: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) fn view(state: &Core, place: Place) -> Option<Account> {
    let balance = state.ledger.balance(place)?;
    let currency = Currency::of(state, balance.asset);
    let (member, name) = match place {
        Place::Member(id) => {
            let details = state.ledger.account(id)?;
            (Some(details.member), details.name.clone())
        }
        Place::Fees(_) => (None, "fees".to_owned()),
        Place::Outside(_) => (None, "outside".to_owned()),
    };
    let standing = member.and_then(|id| state.membership.member(id)).map(|it| it.standing);
    Some(Account {
        id: account_name(state, place),
        member: member.map(|id| id.to_string()),
        member_name: party_name(state, place),
        name,
        asset: currency.code.clone(),
        balance: currency.write(balance.amount),
        held: currency.write(balance.held),
        available: balance.limit.map(|_| currency.write(balance.available())),
        limit: balance.limit.map(|limit| currency.write(limit)),
        standing: standing.map_or(Standing::Active, Standing::from),
    })
}

/// The account that a path names, if the caller may see it.
pub(crate) fn named(state: &Core, caller: &Caller, name: &str) -> Result<Place, Problem> {
    let place = account_named(state, name).ok_or_else(|| {
        Problem::bad_request(
            "api.bad_id",
            "not an account: expected acc_… or house_fees_… or house_outside_…",
        )
    })?;
    match place {
        Place::Member(id) => caller.may_see_account(state, id)?,
        Place::Fees(_) | Place::Outside(_) if caller.sees_all() => {}
        Place::Fees(_) | Place::Outside(_) => return Err(Problem::not_yours()),
    }
    Ok(place)
}

/// All accounts, the house's first; one's own for those who do not see all.
#[utoipa::path(get, path = "/accounts", operation_id = "accounts_list", tag = "accounts", params(AccountsQuery),
    responses((status = 200, body = Page<Account>), (status = 403, body = ErrorBody)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<AccountsQuery>,
) -> Result<Json<Page<Account>>, Problem> {
    let AccountsQuery { member, cursor, limit } = query;
    let member = member.map(|member| member.parse::<MemberId>()).transpose();
    let member = member.map_err(|error| bad_id(&error))?;
    if let Some(member) = member {
        caller.may_see_member(member)?;
    }
    let only = member.or_else(|| (!caller.sees_all()).then_some(caller.id));
    let views = api.node.views();
    let state = &views.state;
    let seen = cursor.as_deref().map(|cursor| account_named(state, cursor).ok_or_else(bad_cursor));
    let seen = seen.transpose()?;
    let house = house(state).filter(|place| only.is_none() && seen.is_none_or(|seen| *place > seen));
    let after = match seen {
        Some(Place::Member(id)) => Bound::Excluded(id),
        Some(Place::Fees(_) | Place::Outside(_)) | None => Bound::Unbounded,
    };
    let owned = state
        .ledger
        .accounts()
        .range((after, Bound::Unbounded))
        .filter(|(_, details)| only.is_none_or(|member| details.member == member));
    let places = house.chain(owned.map(|(id, _)| Place::Member(*id)));
    let rows = places.filter_map(|place| Some((account_name(state, place), view(state, place)?)));
    Ok(Json(PageQuery { cursor, limit }.of(rows, |_, account| account)))
}

/// The house accounts of every asset, in the order of places.
fn house(state: &Core) -> impl Iterator<Item = Place> + '_ {
    let assets = || {
        let count = state.genesis.charter().map_or(0, |charter| charter.assets.len());
        (0..).map(Asset).take(count)
    };
    assets().map(Place::Outside).chain(assets().map(Place::Fees))
}

/// Opens an account for a member.
#[utoipa::path(post, path = "/accounts", operation_id = "accounts_create", tag = "accounts", request_body = AccountDraft,
    responses((status = 201, body = Account), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Body(draft): Body<AccountDraft>,
) -> Result<impl IntoResponse, Problem> {
    let member = draft.member.parse::<MemberId>().map_err(|error| bad_id(&error))?;
    let (asset, limit) = {
        let views = api.node.views();
        let asset = views.state.genesis.asset_by_code(&draft.asset);
        let asset =
            asset.ok_or_else(|| Problem::from(sycee_core::Refusal::from(ledger::Refusal::AssetNotFound)))?;
        let currency = Currency::of(&views.state, asset);
        (asset, draft.limit.as_deref().map_or(Ok(0), |limit| currency.read(limit))?)
    };
    let account = AccountId(once.new_id(&api, "account")?);
    let command = Membership::OpenAccount { account, member, asset, name: draft.name, limit };
    let done = once.submit(&api, &caller, &draft.reason, command).await?;
    Ok((StatusCode::CREATED, done, Json(read(&api, account)?)))
}

fn read(api: &Api, account: AccountId) -> Result<Account, Problem> {
    view(&api.node.views().state, Place::Member(account)).ok_or_else(|| Problem::not_found("account"))
}

/// One account.
#[utoipa::path(get, path = "/accounts/{id}", operation_id = "accounts_get", tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, body = Account), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<Account>, Problem> {
    let views = api.node.views();
    let place = named(&views.state, &caller, &id)?;
    view(&views.state, place).map(Json).ok_or_else(|| Problem::not_found("account"))
}

/// The member's account in a path, with its currency; who may move its money is decided by the core.
fn payable(api: &Api, caller: &Caller, id: &str) -> Result<(AccountId, Currency), Problem> {
    let views = api.node.views();
    let Place::Member(account) = named(&views.state, caller, id)? else {
        return Err(Problem::bad_request("api.bad_id", "money moves in and out of members' accounts only"));
    };
    let details = views.state.ledger.account(account).ok_or_else(|| Problem::not_found("account"))?;
    Ok((account, Currency::of(&views.state, details.asset)))
}

/// Every movement of money: the amount read in the account's asset, one command, and the account after it.
async fn moved(
    api: &Api,
    caller: &Caller,
    once: Once,
    id: &str,
    draft: MoneyDraft,
    command: impl FnOnce(AccountId, Amount, String) -> ledger::Command,
) -> Result<(StatusCode, Done, Json<Moved>), Problem> {
    let (account, currency) = payable(api, caller, id)?;
    let (amount, reference) = (currency.read(&draft.amount)?, draft.reference.unwrap_or_default());
    let done = once.submit(api, caller, &draft.reason, command(account, amount, reference)).await?;
    let moved = Moved { position: done.position, account: read(api, account)? };
    Ok((StatusCode::CREATED, done, Json(moved)))
}

/// Money came in from outside.
#[utoipa::path(post, path = "/accounts/{id}/deposits", operation_id = "deposits_create", tag = "accounts",
    params(("id" = String, Path)), request_body = MoneyDraft,
    responses((status = 201, body = Moved), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn deposit(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(id): Named<String>,
    Body(draft): Body<MoneyDraft>,
) -> Result<(StatusCode, Done, Json<Moved>), Problem> {
    let command = |account, amount, reference| ledger::Command::Deposit { account, amount, reference };
    moved(&api, &caller, once, &id, draft, command).await
}

/// Money goes out.
#[utoipa::path(post, path = "/accounts/{id}/payouts", operation_id = "payouts_create", tag = "accounts",
    params(("id" = String, Path)), request_body = MoneyDraft,
    responses((status = 201, body = Moved), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn payout(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(id): Named<String>,
    Body(draft): Body<MoneyDraft>,
) -> Result<(StatusCode, Done, Json<Moved>), Problem> {
    let command = |account, amount, reference| ledger::Command::Payout { account, amount, reference };
    moved(&api, &caller, once, &id, draft, command).await
}

/// Puts an earlier entry right by a new posting; nothing is edited.
#[utoipa::path(post, path = "/accounts/{id}/corrections", operation_id = "corrections_create", tag = "accounts",
    params(("id" = String, Path)), request_body = CorrectionDraft,
    responses((status = 201, body = Moved), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn correct(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(id): Named<String>,
    Body(draft): Body<CorrectionDraft>,
) -> Result<(StatusCode, Done, Json<Moved>), Problem> {
    let CorrectionDraft { amount, corrects, against, reason, reference } = draft;
    let against = against.unwrap_or(Against::Outside).into();
    let command = |account, amount, reference| ledger::Command::Correct {
        account,
        amount,
        against,
        corrects,
        reference,
    };
    moved(&api, &caller, once, &id, MoneyDraft { amount, reason, reference }, command).await
}
