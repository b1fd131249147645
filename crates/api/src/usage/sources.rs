//! Sources: under which names members report usage.
use super::{Desk, source_named};
use crate::body::{Asked, Body, bad_id};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::page::{Page, PageQuery};
use crate::state::Api;
use crate::submit::Once;
use crate::time;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use sycee_core::State as Core;
use sycee_core::ids::{MemberId, ProviderId, SourceId};
use sycee_core::metering::{self, Command, Refusal};
use utoipa::ToSchema;

/// Who reports usage, for whom, and how far they have come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageSource {
    id: String,
    /// As its events name it.
    name: String,
    member: String,
    member_name: String,
    /// Id of the provider whose offers it may report for; null for all offers.
    provider: Option<String>,
    provider_name: Option<String>,
    /// The number of its next line.
    next: u64,
    /// Position of its last batch that counted anything, since the platform was started; null before.
    last_position: Option<u64>,
    /// When that was answered.
    last_at: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "night-batches", "member": "mem_019a9f3c5e7b7c41a2d30f6b8e9d1c27", "reason": "contract 2026-114"}))]
pub(crate) struct UsageSourceDraft {
    /// What the `source` of its events will say; once for each member.
    name: String,
    /// Id of the member that will report; it has the role `meter`.
    member: String,
    /// Id of the provider whose offers it may report for; all offers if left out.
    provider: Option<String>,
    reason: String,
}

fn view(state: &Core, desk: &Desk, id: SourceId, source: &metering::Source) -> UsageSource {
    let last = desk.last_of(id);
    let provider = source.provider.and_then(|id| state.catalog.providers().get(&id));
    UsageSource {
        id: id.to_string(),
        name: source.name.clone(),
        member: source.member.to_string(),
        member_name: state.membership.member(source.member).map_or_else(String::new, |it| it.name.clone()),
        provider: source.provider.map(|id| id.to_string()),
        provider_name: provider.map(|it| it.name.clone()),
        next: state.metering.progress(id).map_or(0, |progress| progress.next),
        last_position: last.map(|last| last.position),
        last_at: last.map(|last| time::format(last.at)),
    }
}

/// Lets a member report usage under a name.
#[utoipa::path(post, path = "/usage/sources", operation_id = "usage_sources_create", tag = "usage",
    request_body = UsageSourceDraft,
    responses((status = 201, body = UsageSource), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    Body(draft): Body<UsageSourceDraft>,
) -> Result<impl IntoResponse, Problem> {
    let member: MemberId = draft.member.parse().map_err(|error| bad_id(&error))?;
    let provider = draft.provider.as_deref().map(str::parse::<ProviderId>).transpose();
    let provider = provider.map_err(|error| bad_id(&error))?;
    let source = SourceId(once.new_id(&api, "source")?);
    if caller.is_operator() {
        check_name(&api, source, member, &draft.name)?;
    }
    let details = metering::Source { member, name: draft.name, provider };
    let command = Command::OpenSource { source, details: details.clone() };
    let done = once.submit(&api, &caller, &draft.reason, command).await?;
    let shown = view(&api.node.views().state, &api.usage, source, &details);
    Ok((StatusCode::CREATED, done, Json(shown)))
}

/// The core knows sources by their ids; events know them by their names.
fn check_name(api: &Api, source: SourceId, member: MemberId, name: &str) -> Result<(), Problem> {
    let known = source_named(&api.node.views().state, member, name).filter(|known| *known != source);
    match known {
        Some(known) => {
            let problem = Problem::from(sycee_core::Refusal::from(Refusal::SourceExists));
            Err(problem.detail(format!("`{name}` of that member is {known}")))
        }
        None => Ok(()),
    }
}

/// All sources; one's own for those who do not see all.
#[utoipa::path(get, path = "/usage/sources", operation_id = "usage_sources_list", tag = "usage", params(PageQuery),
    responses((status = 200, body = Page<UsageSource>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<UsageSource>>, Problem> {
    let views = api.node.views();
    let sources = views.state.metering.sources().range(page.after::<SourceId>()?);
    let seen = sources.filter(|(_, source)| caller.sees_all() || source.member == caller.id);
    Ok(Json(page.of(seen, |id, source| view(&views.state, &api.usage, **id, source))))
}
