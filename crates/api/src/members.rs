//! Members, their keys, and who one is.
use crate::body::{Asked, Body, Named, bad_id};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::page::{Page, PageQuery};
use crate::secret;
use crate::state::Api;
use crate::submit::{Done, Once};
use crate::time;
use crate::vocabulary::{Role, Standing};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use sycee_core::ids::{AccountId, KeyId, MemberId, OrganisationId};
use sycee_core::membership::{self, Command};
use utoipa::ToSchema;

/// A thing and what it is called.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NamedRef {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    id: String,
    name: String,
    /// Those under common control.
    organisation: Option<NamedRef>,
    roles: Vec<Role>,
    standing: Standing,
    /// When the member's id was drawn.
    since: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    id: String,
    label: String,
    account: Option<String>,
    revoked: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKey {
    id: String,
    label: String,
    account: Option<String>,
    /// The key itself; shown only now.
    secret: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Harbour Clinic", "organisation": "Harbour Group", "roles": ["consumer"], "reason": "contract 2026-114"}))]
pub(crate) struct MemberDraft {
    name: String,
    /// Name of the organisation; made if it is new.
    organisation: Option<String>,
    roles: Vec<Role>,
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"standing": "suspended", "reason": "three invoices unpaid"}))]
pub(crate) struct StandingDraft {
    standing: Standing,
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "night batch", "account": "acc_019a9f3c5e7b7c41a2d30f6b8e9d1c27", "reason": "asked for by phone"}))]
pub(crate) struct KeyDraft {
    label: String,
    /// The account that requests with this key spend from.
    account: Option<String>,
    reason: String,
}

/// Why something is done; it is written into the log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "laptop lost"}))]
pub(crate) struct Reason {
    reason: String,
}

fn view(state: &sycee_core::State, id: MemberId, member: &membership::Member) -> Member {
    let organisation = member.organisation.and_then(|id| {
        let name = state.membership.organisations().get(&id)?.clone();
        Some(NamedRef { id: id.to_string(), name })
    });
    Member {
        id: id.to_string(),
        name: member.name.clone(),
        organisation,
        roles: member.roles.iter().copied().map(Role::from).collect(),
        standing: member.standing.into(),
        since: time::format(id.drawn_at()),
    }
}

/// All members; one's own for those who do not see all.
#[utoipa::path(get, path = "/members", operation_id = "members_list", tag = "members", params(PageQuery),
    responses((status = 200, body = Page<Member>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Member>>, Problem> {
    let views = api.node.views();
    let members = views.state.membership.members().range(page.after::<MemberId>()?);
    let seen = members.filter(|(id, _)| caller.sees_all() || **id == caller.id);
    Ok(Json(page.of(seen, |id, member| view(&views.state, **id, member))))
}

/// Registers a member.
#[utoipa::path(post, path = "/members", operation_id = "members_create", tag = "members", request_body = MemberDraft,
    responses((status = 201, body = Member), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Body(draft): Body<MemberDraft>,
) -> Result<impl IntoResponse, Problem> {
    let mut roles: Vec<_> = draft.roles.into_iter().map(membership::Role::from).collect();
    roles.sort_unstable();
    roles.dedup();
    let organisation = match &draft.organisation {
        Some(name) => Some(organisation(&api, &caller, once, name, &draft.reason).await?),
        None => None,
    };
    let id = MemberId(once.new_id(&api, "member")?);
    let details =
        membership::Member { name: draft.name, organisation, roles, standing: membership::Standing::Active };
    let done = once.submit(&api, &caller, &draft.reason, Command::Register { member: id, details }).await?;
    Ok((StatusCode::CREATED, done, Json(read(&api, id)?)))
}

/// The organisation of that name, registered under a key of its own if it is new.
async fn organisation(
    api: &Api,
    caller: &Caller,
    once: Once,
    name: &str,
    reason: &str,
) -> Result<OrganisationId, Problem> {
    let known = {
        let views = api.node.views();
        views.state.membership.organisations().iter().find(|(_, it)| *it == name).map(|(id, _)| *id)
    };
    if let Some(id) = known {
        return Ok(id);
    }
    let organisation = OrganisationId(once.new_id(api, "organisation")?);
    let command = Command::RegisterOrganisation { organisation, name: name.to_owned() };
    once.part(api, "organisation")?.submit(api, caller, reason, command).await?;
    Ok(organisation)
}

fn read(api: &Api, id: MemberId) -> Result<Member, Problem> {
    let views = api.node.views();
    let member = views.state.membership.member(id).ok_or_else(|| Problem::not_found("member"))?;
    Ok(view(&views.state, id, member))
}

/// One member.
#[utoipa::path(get, path = "/members/{id}", operation_id = "members_get", tag = "members", params(("id" = String, Path)),
    responses((status = 200, body = Member), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<MemberId>,
) -> Result<Json<Member>, Problem> {
    caller.may_see_member(id)?;
    Ok(Json(read(&api, id)?))
}

/// Suspends a member or lets it act again.
#[utoipa::path(post, path = "/members/{id}/standing", operation_id = "members_set_standing", tag = "members",
    params(("id" = String, Path)), request_body = StandingDraft,
    responses((status = 200, body = Member), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
pub(crate) async fn set_standing(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(id): Named<MemberId>,
    Body(draft): Body<StandingDraft>,
) -> Result<impl IntoResponse, Problem> {
    let command = Command::SetStanding { member: id, standing: draft.standing.into() };
    let done = once.submit(&api, &caller, &draft.reason, command).await?;
    Ok((done, Json(read(&api, id)?)))
}

/// A member's keys, without the keys themselves.
#[utoipa::path(get, path = "/members/{id}/keys", operation_id = "keys_list", tag = "members",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = Page<Key>), (status = 403, body = ErrorBody)))]
pub(crate) async fn list_keys(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<MemberId>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Key>>, Problem> {
    caller.may_see_member(id)?;
    let views = api.node.views();
    let keys = views.state.membership.keys().range(page.after::<KeyId>()?);
    let of_member = keys.filter(|(_, key)| key.member == id);
    Ok(Json(page.of(of_member, |id, key| Key {
        id: id.to_string(),
        label: key.label.clone(),
        account: key.account.map(|account| account.to_string()),
        revoked: key.revoked,
    })))
}

/// Issues a key. Its secret is in this answer and nowhere else: the platform keeps only a hash, so a repeat of this request is
/// refused with `idempotency.reused` rather than answered with another secret.
#[utoipa::path(post, path = "/members/{id}/keys", operation_id = "keys_create", tag = "members",
    params(("id" = String, Path)), request_body = KeyDraft,
    responses((status = 201, body = NewKey), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn create_key(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(member): Named<MemberId>,
    Body(draft): Body<KeyDraft>,
) -> Result<impl IntoResponse, Problem> {
    let account = draft.account.as_deref().map(str::parse::<AccountId>).transpose();
    let account = account.map_err(|error| bad_id(&error))?;
    let key = KeyId(once.new_id(&api, "key")?);
    let secret = secret::api_key().map_err(Problem::no_randomness)?;
    let hash = secret::hash(&secret);
    let command = Command::IssueKey { key, member, account, label: draft.label.clone(), hash };
    let done = once.submit(&api, &caller, &draft.reason, command).await.map_err(|problem| {
        let issued_before = api.node.views().state.membership.keys().contains(&key);
        if issued_before {
            let detail = format!("{key} was issued by the first request; its secret was in that answer only");
            problem.detail(detail).hint("revoke it and issue another, with a new Idempotency-Key")
        } else {
            problem
        }
    })?;
    let account = account.map(|account| account.to_string());
    let issued = NewKey { id: key.to_string(), label: draft.label, account, secret };
    Ok((StatusCode::CREATED, done, Json(issued)))
}

/// Revokes a key; it stops working at once.
#[utoipa::path(delete, path = "/keys/{id}", operation_id = "keys_revoke", tag = "members", params(("id" = String, Path)),
    request_body = Reason,
    responses((status = 204, description = "it works no longer"), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "revoked before")))]
pub(crate) async fn revoke_key(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Named(key): Named<KeyId>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<(StatusCode, Done, ()), Problem> {
    let done = once.submit(&api, &caller, &reason, Command::RevokeKey { key }).await?;
    Ok((StatusCode::NO_CONTENT, done, ()))
}
