//! Handles: the numbers by which the binary form names keys and offers, for those who will write it.
use crate::body::Body;
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::state::Api;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use sycee_core::State as Core;
use sycee_core::ids::{KeyId, OfferId, ProviderId};
use sycee_core::membership::Role;
use utoipa::ToSchema;

/// Keys and offers of one question, together.
pub(crate) const IDS_MAX: usize = 4_096;

/// What to look up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"keys": ["key_019a9f3c5e7b7c41a2d30f6b8e9d1c27"], "offers": ["off_019a9f3c5e7b7c41a2d30f6b8e9d1c27"]}))]
pub(crate) struct UsageHandlesQuestion {
    /// Ids of keys; 4,096 keys and offers together at most.
    #[serde(default)]
    keys: Vec<String>,
    /// Ids of offers.
    #[serde(default)]
    offers: Vec<String>,
}

/// Handles in the order of the question. A handle names its thing for ever.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageHandles {
    /// Null for a key that is not there or spends from no account.
    keys: Vec<Option<u32>>,
    /// Null for an offer that is not there or not the caller's to report for.
    offers: Vec<Option<u32>>,
}

/// The handles of keys and offers, for reports in the binary form.
#[utoipa::path(post, path = "/usage/handles", operation_id = "usage_handles_get", tag = "usage",
    request_body = UsageHandlesQuestion,
    responses((status = 200, body = UsageHandles), (status = 403, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Body(question): Body<UsageHandlesQuestion>,
) -> Result<Json<UsageHandles>, Problem> {
    if !caller.sees_all() && !caller.member.roles.contains(&Role::Meter) {
        return Err(Problem::needs_meter());
    }
    if question.keys.len() + question.offers.len() > IDS_MAX {
        let message = format!("at most {IDS_MAX} keys and offers at a time");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "api.bad_body", message));
    }
    let views = api.node.views();
    let scope = Scope::of(&views.state, &caller);
    let key = |id: &String| scope.key(&views.state, id.parse().ok()?);
    let offer = |id: &String| scope.offer(&views.state, id.parse().ok()?);
    Ok(Json(UsageHandles {
        keys: question.keys.iter().map(key).collect(),
        offers: question.offers.iter().map(offer).collect(),
    }))
}

/// For whose offers the caller may report.
enum Scope {
    All,
    Providers(BTreeSet<ProviderId>),
}

impl Scope {
    fn of(state: &Core, caller: &Caller) -> Self {
        if caller.sees_all() {
            return Self::All;
        }
        let own = state.metering.sources().iter().filter(|(_, source)| source.member == caller.id);
        let providers: Option<BTreeSet<_>> = own.map(|(_, source)| source.provider).collect();
        // A source without a provider reports for all.
        providers.map_or(Self::All, Self::Providers)
    }

    fn key(&self, state: &Core, key: KeyId) -> Option<u32> {
        let reports = match self {
            Self::All => true,
            Self::Providers(providers) => !providers.is_empty(),
        };
        state.membership.key_handle(key).filter(|_| reports).map(|handle| handle.0)
    }

    fn offer(&self, state: &Core, offer: OfferId) -> Option<u32> {
        let is_theirs = match self {
            Self::All => true,
            Self::Providers(providers) => providers.contains(&state.catalog.provider_of(offer)?),
        };
        state.catalog.offer_handle(offer).filter(|_| is_theirs).map(|handle| handle.0)
    }
}
