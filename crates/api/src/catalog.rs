//! The catalogue: what is offered, and how a document of it is applied.
use crate::body::{Asked, Body};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::page::{Page, PageQuery};
use crate::state::Api;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sycee_core::Outcome;
use sycee_core::entry::Submission;
use sycee_core::ids::{MemberId, ModelId, OfferId, SiteId};
use sycee_core::permission::{self, Actor};
use sycee_node::Handle;
use utoipa::{IntoParams, ToSchema};

pub mod document;
mod plan;
mod read;
mod view;
mod words;
pub use document::Document;
pub use plan::ChangeKind;
pub use read::Unfit;
pub(crate) use view::{Catalog, Model, Offer, Site, site as site_view};

/// One difference between the log and a document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeMade {
    pub kind: ChangeKind,
    /// `member`, `account`, `provider`, `site`, `model`, `offer`, `schedule`, `source` …
    pub what: String,
    pub name: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What applying a document did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    pub changes: Vec<ChangeMade>,
    /// Of the last entry written; null if nothing was.
    pub position: Option<u64>,
}

/// Why a document was not applied, or only in part.
#[derive(Debug)]
pub enum ApplyError {
    /// Something in the document is wrong; nothing was written.
    Unfit(Unfit),
    /// The core refused a change; those before it were made, and applying again goes on from there.
    Refused { change: ChangeMade, made: usize, refusal: sycee_core::Refusal },
    /// The node gave no outcome. Changes before were made; applying again finds them.
    Unavailable(sycee_node::Unavailable),
}

impl std::fmt::Display for ApplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unfit(unfit) => unfit.fmt(f),
            Self::Refused { change, made, refusal } => {
                write!(
                    f,
                    "{} `{}` was refused: {}; {made} changes before it were made",
                    change.what,
                    change.name,
                    refusal.code()
                )
            }
            Self::Unavailable(unavailable) => unavailable.fmt(f),
        }
    }
}

impl std::error::Error for ApplyError {}

/// Makes the log offer what `document` says, in the name of `actor`.
pub async fn apply(
    node: &Handle,
    actor: MemberId,
    reason: &str,
    document: &Document,
    dry_run: bool,
) -> Result<Applied, ApplyError> {
    let planned =
        plan::plan(&node.views().state, document, &mut plan::drawing(node)).map_err(ApplyError::Unfit)?;
    let (mut changes, mut position) = (Vec::with_capacity(planned.len()), None);
    for plan::Change { kind, what, name, before, after, command } in planned {
        let change = ChangeMade { kind, what: what.to_owned(), name, before, after };
        if !dry_run {
            let submission = Submission {
                actor: Actor::Member(actor),
                id: None,
                reason: Some(reason.to_owned()),
                command,
            };
            match node.submit(submission).await.map_err(ApplyError::Unavailable)? {
                Outcome::Applied { position: at, events: _ }
                | Outcome::Repeated { position: at, refusal: None } => {
                    position = Some(at);
                }
                Outcome::Refused(refusal) | Outcome::Repeated { position: _, refusal: Some(refusal) } => {
                    return Err(ApplyError::Refused { change, made: changes.len(), refusal });
                }
            }
        }
        changes.push(change);
    }
    Ok(Applied { changes, position })
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplyQuery {
    /// Show what would change, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Why; it is written into the log. Needed unless nothing is changed.
    reason: Option<String>,
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Unfit(unfit) => {
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "catalog.unfit", unfit.message)
                    .detail(unfit.field);
                match unfit.hint {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }
            }
            ApplyError::Refused { change, made, refusal } => {
                let detail =
                    format!("at {} `{}`; {made} changes before it were made", change.what, change.name);
                Self::from(refusal).detail(detail)
            }
            ApplyError::Unavailable(unavailable) => {
                Self::from(unavailable).hint("apply it again: what has been made is not made twice")
            }
        }
    }
}

/// Makes the platform offer what a document says; what it leaves out is suspended.
#[utoipa::path(post, path = "/catalog/apply", operation_id = "catalog_apply", tag = "catalog", params(ApplyQuery),
    request_body = Document, responses((status = 200, body = Applied), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody, description = "`detail` names the field, such as `offer.2.prices`")))]
pub(crate) async fn post_apply(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<ApplyQuery>,
    Body(document): Body<Document>,
) -> Result<Json<Applied>, Problem> {
    if !caller.is_operator() {
        return Err(permission::Refusal::NotPermitted.into());
    }
    let reason = match (query.reason, query.dry_run) {
        (Some(reason), _) => reason,
        (None, true) => String::new(),
        (None, false) => return Err(permission::Refusal::ReasonMissing.into()),
    };
    Ok(Json(apply(&api.node, caller.id, &reason, &document, query.dry_run).await?))
}

/// Everything that is offered.
#[utoipa::path(get, path = "/catalog", operation_id = "catalog_get", tag = "catalog",
    responses((status = 200, body = Catalog)))]
pub(crate) async fn get(State(api): State<Api>, _: Caller) -> Json<Catalog> {
    Json(view::catalog(&api.node.views().state))
}

/// Sites.
#[utoipa::path(get, path = "/sites", operation_id = "sites_list", tag = "catalog", params(PageQuery),
    responses((status = 200, body = Page<Site>)))]
pub(crate) async fn sites(
    State(api): State<Api>,
    _: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Site>>, Problem> {
    let views = api.node.views();
    let rows = views.state.catalog.sites().range(page.after::<SiteId>()?);
    Ok(Json(page.of(rows, |id, site| view::site(&views.state, **id, site))))
}

/// Models.
#[utoipa::path(get, path = "/models", operation_id = "models_list", tag = "catalog", params(PageQuery),
    responses((status = 200, body = Page<Model>)))]
pub(crate) async fn models(
    State(api): State<Api>,
    _: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Model>>, Problem> {
    let views = api.node.views();
    let rows = views.state.catalog.models().range(page.after::<ModelId>()?);
    Ok(Json(page.of(rows, |id, model| view::model(&views.state, **id, model))))
}

/// Offers.
#[utoipa::path(get, path = "/offers", operation_id = "offers_list", tag = "catalog", params(PageQuery),
    responses((status = 200, body = Page<Offer>)))]
pub(crate) async fn offers(
    State(api): State<Api>,
    _: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Offer>>, Problem> {
    let views = api.node.views();
    let rows = views.state.catalog.offers().range(page.after::<OfferId>()?);
    Ok(Json(page.of(rows, |id, offer| view::offer(&views.state, **id, offer))))
}
