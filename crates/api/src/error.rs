//! The one place where outcomes become HTTP: what was decided, what could not be, and what the caller got wrong.
//!
//! Text for people outside has a message, a detail and a hint; what operators need to see is logged and never leaves.
#![deny(clippy::wildcard_enum_match_arm)]
use crate::secret::NoRandomness;
use crate::submit::Done;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sycee_core::{
    Refusal, catalog, genesis, idempotency, ledger, membership, metering, params, permission, settlement,
};
use sycee_node::Unavailable;
use utoipa::ToSchema;

/// An answer that is not what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    body: Box<ProblemBody>,
    retry_after_seconds: Option<u32>,
    /// Where it was decided when it was first sent, if it was sent before.
    replayed: Option<u64>,
}

/// The body of every error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({"error": {
    "code": "ledger.balance_too_low", "message": "refused: balance too low", "detail": null,
    "hint": "see the account's `available`", "expected": null, "request_id": "019a9f3c5e7b7c41a2d30f6b8e9d1c27"
}}))]
pub(crate) struct ErrorBody {
    pub(crate) error: ProblemBody,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// Stable, `institution.code` for refusals.
    code: String,
    message: String,
    detail: Option<String>,
    /// What would help.
    hint: Option<String>,
    /// After `metering.gap`, the number of the line that the source goes on with.
    expected: Option<u64>,
    /// As in the header `x-request-id`; filled in on the way out.
    pub(crate) request_id: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = Box::new(ProblemBody {
            code: code.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            expected: None,
            request_id: String::new(),
        });
        Self { status, body, retry_after_seconds: None, replayed: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.body.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The answer to a command that was sent before and decided at `position`.
    pub(crate) fn replayed(mut self, position: u64) -> Self {
        self.replayed = Some(position);
        self
    }

    pub(crate) fn code(&self) -> &str {
        &self.body.code
    }

    /// The cause is for operators and stays here.
    pub(crate) fn internal(message: &str, cause: &impl std::fmt::Display) -> Self {
        tracing::error!("{message}: {cause}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api.internal", message)
            .hint("the operator finds the cause in the platform's own log")
    }

    pub(crate) fn no_randomness(cause: NoRandomness) -> Self {
        Self::internal("the system has no randomness", &cause)
    }

    pub(crate) fn unavailable(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(crate) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "api.unauthenticated", "no valid key or session")
            .hint("send `authorization: Bearer sk-sycee-…`, or sign in")
    }

    pub(crate) fn needs_meter() -> Self {
        Self::from(permission::Refusal::NotPermitted).hint("this needs the role `meter`")
    }

    /// The caller has no source of that name, whatever others have.
    pub(crate) fn no_such_source() -> Self {
        Refusal::from(metering::Refusal::SourceNotFound).into()
    }

    pub(crate) fn not_yours() -> Self {
        let code = membership::Refusal::NotYours.code();
        Self::new(StatusCode::FORBIDDEN, code, "this belongs to another member")
    }

    pub(crate) fn unsupported_media_type(message: &str, hint: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "api.bad_body", message).hint(hint)
    }

    /// So much of reports is under way that there is no room for another.
    pub(crate) fn reports_crowd() -> Self {
        let message = "too many reports of usage are under way";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "node.overloaded", message)
            .hint("nothing has happened; send it again")
            .retry_after(1)
    }

    /// A report of usage that has no outcome. Its sender is the one who sends too much.
    pub(crate) fn of_report(unavailable: Unavailable) -> Self {
        let mut problem = Self::from(unavailable);
        match unavailable {
            Unavailable::Overloaded => problem.status = StatusCode::TOO_MANY_REQUESTS,
            Unavailable::ClockJumped => {}
            Unavailable::Stopped => {
                problem = problem.hint("send it again: what was counted is not counted twice");
            }
        }
        problem
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "api.not_found", format!("there is no such {what}"))
    }
}

impl From<permission::Refusal> for Problem {
    fn from(refusal: permission::Refusal) -> Self {
        Refusal::from(refusal).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        let words = code.split_once('.').map_or(code, |(_, words)| words).replace('_', " ");
        let mut problem = Self::new(status_of(refusal), code, format!("refused: {words}"));
        if let Refusal::Metering(metering::Refusal::Gap { expected }) = refusal {
            problem.body.expected = Some(expected);
        }
        match hint_of(refusal) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

/// 404 for what is not there, 409 for what is there already, 403 for who may not, 503 for what may go on later, 400 and 422 for
/// the rest. A new refusal does not compile before it has its place here.
fn status_of(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Permission(permission::Refusal::NotPermitted) => StatusCode::FORBIDDEN,
        Refusal::Permission(permission::Refusal::ReasonMissing | permission::Refusal::ReasonTooLong) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::Genesis(
            genesis::Refusal::AlreadyFounded | genesis::Refusal::BadAssets | genesis::Refusal::BadOrigin,
        )
        | Refusal::Params(params::Refusal::OutOfBounds) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Idempotency(idempotency::Refusal::Reused) => StatusCode::CONFLICT,
        Refusal::Idempotency(idempotency::Refusal::Expired) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Idempotency(idempotency::Refusal::Full) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Ledger(refusal) => status_of_ledger(refusal),
        Refusal::Membership(refusal) => status_of_membership(refusal),
        Refusal::Catalog(refusal) => status_of_catalog(refusal),
        Refusal::Settlement(refusal) => status_of_settlement(refusal),
        Refusal::Metering(refusal) => status_of_metering(refusal),
    }
}

fn status_of_ledger(refusal: ledger::Refusal) -> StatusCode {
    use ledger::Refusal as No;
    match refusal {
        No::AccountNotFound => StatusCode::NOT_FOUND,
        No::AccountExists => StatusCode::CONFLICT,
        No::AssetNotFound
        | No::TooManyAccounts
        | No::NameNotAllowed
        | No::ReferenceTooLong
        | No::AmountMustBePositive
        | No::AmountTooLarge
        | No::AssetsDiffer
        | No::NothingToCorrect
        | No::BalanceTooLow => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn status_of_membership(refusal: membership::Refusal) -> StatusCode {
    use membership::Refusal as No;
    match refusal {
        No::MemberNotFound | No::OrganisationNotFound | No::KeyNotFound => StatusCode::NOT_FOUND,
        No::MemberExists | No::OrganisationExists | No::KeyExists | No::KeyRevoked => StatusCode::CONFLICT,
        No::NotYours => StatusCode::FORBIDDEN,
        No::NameNotAllowed | No::BadRoles | No::TooManyKeys | No::LastOperator => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        No::Ledger(refusal) => status_of_ledger(refusal),
    }
}

fn status_of_catalog(refusal: catalog::Refusal) -> StatusCode {
    use catalog::Refusal as No;
    match refusal {
        No::MemberNotFound
        | No::ProviderNotFound
        | No::SiteNotFound
        | No::ModelNotFound
        | No::OfferNotFound => StatusCode::NOT_FOUND,
        No::IdExists | No::NameTaken => StatusCode::CONFLICT,
        No::NameNotAllowed
        | No::RoleMissing
        | No::AccountNotFitting
        | No::FactsOutOfRange
        | No::TermsOutOfRange
        | No::LineageTooDeep
        | No::SharesExceedWhole
        | No::AncestorsExceedCap
        | No::TooManyParties
        | No::PriceOutOfRange
        | No::NoticeTooShort
        | No::TooManySchedules => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// Those of requests reach only the gateway, which has its own words for them.
fn status_of_settlement(refusal: settlement::Refusal) -> StatusCode {
    use settlement::Refusal as No;
    match refusal {
        No::RequestNotFound => StatusCode::NOT_FOUND,
        No::RequestExpired
        | No::RequestExists
        | No::KeyNotFitting
        | No::NoOffer
        | No::OutOfRange
        | No::InsufficientQuota
        | No::RequestTooLarge { output_fits: _ }
        | No::InFlightBudget
        | No::OfferNotHeld
        | No::Full => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn status_of_metering(refusal: metering::Refusal) -> StatusCode {
    use metering::Refusal as No;
    match refusal {
        No::SourceNotFound | No::ProviderNotFound => StatusCode::NOT_FOUND,
        No::SourceExists | No::Gap { expected: _ } | No::OtherContent | No::Duplicate => StatusCode::CONFLICT,
        No::NameNotAllowed | No::TooManySources | No::RoleMissing | No::OutOfRange => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

/// What would help, for those refusals whose words do not say it.
fn hint_of(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Permission(permission::Refusal::NotPermitted) => Some("this needs the operator's role"),
        Refusal::Permission(permission::Refusal::ReasonMissing) => {
            Some("give a `reason`; it is written into the log")
        }
        Refusal::Permission(permission::Refusal::ReasonTooLong) => Some("say it in fewer words"),
        Refusal::Idempotency(idempotency::Refusal::Reused) => {
            Some("draw a new Idempotency-Key for another request")
        }
        Refusal::Idempotency(idempotency::Refusal::Expired) => {
            Some("draw the Idempotency-Key when you send: it carries its time")
        }
        Refusal::Idempotency(idempotency::Refusal::Full) => {
            Some("keys are forgotten after a day; send it without one only if it may happen twice")
        }
        Refusal::Ledger(ledger::Refusal::BalanceTooLow) => Some("see the account's `available`"),
        Refusal::Metering(metering::Refusal::Gap { expected: _ }) => Some("go on from the line `expected`"),
        Refusal::Metering(metering::Refusal::OtherContent) => {
            Some("a number stands for one line for ever: send new lines under new numbers")
        }
        Refusal::Metering(metering::Refusal::OutOfRange) => Some("send between 1 and 65,536 lines"),
        Refusal::Metering(metering::Refusal::SourceNotFound) => {
            Some("`source` is the name of one of your sources, see /api/v1/usage/sources")
        }
        Refusal::Metering(metering::Refusal::RoleMissing) => Some("give the member the role `meter` first"),
        Refusal::Genesis(_)
        | Refusal::Ledger(_)
        | Refusal::Params(_)
        | Refusal::Membership(_)
        | Refusal::Catalog(_)
        | Refusal::Settlement(_)
        | Refusal::Metering(_) => None,
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let (code, seconds) = match unavailable {
            Unavailable::Overloaded => ("node.overloaded", 1),
            Unavailable::ClockJumped => ("node.clock_jumped", 60),
            Unavailable::Stopped => ("node.stopped", 10),
        };
        let problem = Self::unavailable(code, unavailable.to_string()).retry_after(seconds);
        match unavailable {
            Unavailable::Overloaded | Unavailable::ClockJumped => {
                problem.hint("nothing has happened; send it again")
            }
            Unavailable::Stopped => problem.detail("it may have happened, if it was on its way to the disk"),
        }
    }
}

impl From<sycee_node::Error> for Problem {
    fn from(error: sycee_node::Error) -> Self {
        Self::internal("the log could not be read", &error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, body, retry_after_seconds, replayed } = self;
        let body = *body;
        let mut response = (status, Json(ErrorBody { error: body.clone() })).into_response();
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(position) = replayed {
            Done { position, repeated: true }.write_to(response.headers_mut());
        }
        response.extensions_mut().insert(body);
        response
    }
}
