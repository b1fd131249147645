//! Problems: what a client is told when it gets no answer. This is the one file that maps refusals to HTTP.
//!
//! The shape is OpenAI's: `{"error": {"message", "type", "param", "code"}}`. Official clients try 408, 409, 429 and 5xx again
//! and never 402; `x-should-retry` overrides, so a refusal says by itself whether asking again can help.
use axum::http::StatusCode;
use serde_json::{Value, json};
use sycee_core::Refusal;
use sycee_core::settlement;
use sycee_node::Unavailable;

/// An answer that is not the one asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    /// OpenAI's class of error.
    pub kind: &'static str,
    pub code: &'static str,
    pub message: String,
    /// The field of the request that is to blame.
    pub param: Option<String>,
    pub retry_after_s: Option<u32>,
    /// Overrides what clients make of the status.
    pub should_retry: Option<bool>,
}

const INVALID: &str = "invalid_request_error";
const QUOTA: &str = "insufficient_quota";
const SERVER: &str = "server_error";

impl Problem {
    fn new(status: u16, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, kind, code, message, param: None, retry_after_s: None, should_retry: None }
    }

    fn after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The request cannot be served as written; `param` names the field.
    pub fn bad_request(param: &str, message: impl Into<String>) -> Self {
        let param = (!param.is_empty()).then(|| param.to_owned());
        Self { param, ..Self::new(400, INVALID, "invalid_request", message) }
    }

    pub fn no_key() -> Self {
        let message = "Send your API key as `Authorization: Bearer sk-sycee-…` or as `x-api-key`.";
        Self::new(401, INVALID, "invalid_api_key", message)
    }

    pub fn wrong_key() -> Self {
        Self::new(401, INVALID, "invalid_api_key", "This API key is not known, or has been revoked.")
    }

    pub fn key_without_account() -> Self {
        let message = "This API key reads only: no account is attached to it that could pay.";
        Self { should_retry: Some(false), ..Self::new(402, QUOTA, "insufficient_quota", message) }
    }

    pub fn no_such_path(path: &str) -> Self {
        let message = format!(
            "There is no {path} here. Served are /v1/models, /v1/chat/completions and /v1/embeddings."
        );
        Self::new(404, INVALID, "not_found", message)
    }

    pub fn wrong_method() -> Self {
        Self::new(405, INVALID, "method_not_allowed", "This path is not served with this method.")
    }

    pub fn no_such_model(name: &str) -> Self {
        let message = format!("The model `{name}` does not exist, or nobody offers it at a price now.");
        Self { param: Some("model".to_owned()), ..Self::new(404, INVALID, "model_not_found", message) }
    }

    /// The request did not come in time.
    pub fn too_slow() -> Self {
        Self::new(408, INVALID, "request_timeout", "The request did not arrive in time; send it again.")
    }

    pub fn too_large(bytes_max: usize) -> Self {
        let message = format!("The request is larger than {bytes_max} bytes.");
        Self::new(413, INVALID, "request_too_large", message)
    }

    pub fn not_json() -> Self {
        Self::new(415, INVALID, "unsupported_media_type", "Send the request as `application/json`.")
    }

    /// The same idempotency key came with another request.
    pub fn key_reused() -> Self {
        let message = "This Idempotency-Key was used with another request.";
        let problem = Self::new(409, INVALID, "idempotency_key_reused", message);
        Self { should_retry: Some(false), ..problem }
    }

    /// The answer asked for again is too large to have been kept.
    pub fn not_kept() -> Self {
        let message =
            "The request with this Idempotency-Key was served, but its answer was too large to keep.";
        let problem = Self::new(409, INVALID, "idempotent_answer_not_kept", message);
        Self { should_retry: Some(false), ..problem }
    }

    /// As many requests run as may.
    pub fn overloaded() -> Self {
        Self::new(503, SERVER, "overloaded", "More requests are running than this gateway takes.").after(1)
    }

    /// The same caller was refused again and again.
    pub fn too_many_refusals(seconds: u32) -> Self {
        let message = "Too many requests were refused lately; wait, and send what can be served.";
        Self::new(429, "rate_limit_error", "too_many_refusals", message).after(seconds)
    }

    /// As many connections are open as may be.
    pub fn too_many_connections() -> Self {
        Self::new(503, SERVER, "too_many_connections", "More connections are open than this gateway takes.")
            .after(1)
    }

    /// The gateway is about to stop.
    pub fn stopping() -> Self {
        Self::new(503, SERVER, "stopping", "This gateway is stopping; another one will answer.").after(2)
    }

    /// No offer of the model can take the request now.
    pub fn no_provider(model: &str) -> Self {
        let message = format!("No provider can serve `{model}` at the moment.");
        Self::new(503, SERVER, "no_provider_available", message).after(2)
    }

    /// Every provider that was tried failed.
    pub fn providers_failed(tried: usize) -> Self {
        let message = format!("{tried} attempts failed; nothing was charged.");
        Self::new(503, SERVER, "providers_failed", message).after(2)
    }

    /// Every provider that was tried was too slow.
    pub fn timed_out() -> Self {
        Self::new(504, SERVER, "timed_out", "The providers took too long to answer; nothing was charged.")
    }

    /// The provider says that the request itself is wrong.
    pub fn provider_refused(status: u16, message: String, param: Option<String>) -> Self {
        Self { param, ..Self::new(status, INVALID, "invalid_request", message) }
    }

    /// The provider broke off in the middle of an answer.
    pub fn broke_off() -> Self {
        let message = "The provider broke off; what was delivered until here is what is charged.";
        Self::new(502, SERVER, "provider_broke_off", message)
    }

    /// Something in the gateway that never should has broken.
    pub fn fault() -> Self {
        let message = "The gateway broke off; what was delivered until here is the most that is charged.";
        Self::new(500, SERVER, "internal_error", message)
    }

    /// The books could not be brought up to date.
    pub fn not_settled() -> Self {
        let message = "The request could not be settled; it will be when the gateway is well again.";
        Self::new(500, SERVER, "not_settled", message)
    }

    pub fn too_long(input: u64, context: u64) -> Self {
        let message = format!("The prompt has {input} tokens; the model takes {context} at most.");
        let problem = Self::new(400, INVALID, "context_length_exceeded", message);
        Self { param: Some("messages".to_owned()), ..problem }
    }

    /// A node that did not decide.
    pub fn undecided(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Overloaded => {
                Self::new(503, SERVER, "overloaded", "The ledger has more to do than it takes in.").after(1)
            }
            Unavailable::ClockJumped => {
                let message = "The clock jumped; the ledger waits for an operator to accept it.";
                Self::new(503, SERVER, "clock_jumped", message).after(30)
            }
            Unavailable::Stopped => Self::new(503, SERVER, "stopped", "The ledger has stopped.").after(30),
        }
    }

    /// A decided no.
    pub fn refused(refusal: Refusal, model: &str) -> Self {
        match refusal {
            Refusal::Settlement(refusal) => Self::not_admitted(refusal, model),
            Refusal::Permission(_)
            | Refusal::Genesis(_)
            | Refusal::Ledger(_)
            | Refusal::Idempotency(_)
            | Refusal::Params(_)
            | Refusal::Membership(_)
            | Refusal::Catalog(_)
            | Refusal::Metering(_) => {
                let message = format!("The ledger refused: {}.", refusal.code());
                Self::new(500, SERVER, refusal.code(), message)
            }
        }
    }

    fn not_admitted(refusal: settlement::Refusal, model: &str) -> Self {
        use settlement::Refusal as No;
        match refusal {
            No::KeyNotFitting => Self::wrong_key(),
            No::NoOffer => Self::no_such_model(model),
            No::OutOfRange => {
                let message = "The request asks for more tokens than any request may.";
                Self { param: Some("max_tokens".to_owned()), ..Self::bad_request("max_tokens", message) }
            }
            No::InsufficientQuota => {
                let message = "Your account has no money left; deposit some and ask again.";
                Self { should_retry: Some(false), ..Self::new(402, QUOTA, "insufficient_quota", message) }
            }
            No::RequestTooLarge { output_fits } => Self::above_balance(output_fits),
            No::InFlightBudget => {
                let message =
                    "Your balance is held by requests that are still running; ask again when one is done.";
                Self::new(429, "rate_limit_error", "in_flight_budget", message).after(1)
            }
            No::Full => Self::new(503, SERVER, "settlement.full", "Too many requests are open.").after(2),
            No::RequestExpired | No::RequestExists | No::RequestNotFound | No::OfferNotHeld => {
                let message = format!("The ledger refused: {}.", refusal.code());
                Self::new(500, SERVER, refusal.code(), message)
            }
        }
    }

    fn above_balance(output_fits: u64) -> Self {
        let message = if output_fits == 0 {
            "Your whole balance does not pay for the prompt alone.".to_owned()
        } else {
            format!("This request may cost more than your whole balance; max_tokens {output_fits} would fit.")
        };
        let problem = Self::new(402, QUOTA, "insufficient_quota", message);
        Self { param: Some("max_tokens".to_owned()), should_retry: Some(false), ..problem }
    }

    /// The whole answer as bytes, for who cannot wait until it has asked.
    pub(crate) fn response(&self) -> Vec<u8> {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let (status, reason, body) = (self.status, reason.unwrap_or(""), self.body().to_string());
        let retry_after =
            self.retry_after_s.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             {retry_after}connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// The JSON that clients read.
    pub fn body(&self) -> Value {
        let Self { status: _, kind, code, message, param, retry_after_s: _, should_retry: _ } = self;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refusal: settlement::Refusal, status: u16, code: &str, retry: &str) {
        let problem = Problem::refused(refusal.into(), "docs-1");
        assert_eq!((problem.status, problem.code), (status, code), "{refusal:?}");
        let shown = match (problem.should_retry, problem.retry_after_s) {
            (Some(false), None) => "never",
            (None, Some(_)) => "later",
            (None, None) => "by status",
            (Some(_), _) => "unclear",
        };
        assert_eq!(shown, retry, "{refusal:?}");
        assert_eq!(problem.body()["error"]["code"], code);
        assert_eq!(problem.body()["error"]["message"], problem.message);
    }

    #[test]
    fn refusals_by_status_and_code() {
        use settlement::Refusal as No;
        check(No::KeyNotFitting, 401, "invalid_api_key", "by status");
        check(No::NoOffer, 404, "model_not_found", "by status");
        check(No::OutOfRange, 400, "invalid_request", "by status");
        check(No::InsufficientQuota, 402, "insufficient_quota", "never");
        check(No::RequestTooLarge { output_fits: 812 }, 402, "insufficient_quota", "never");
        check(No::InFlightBudget, 429, "in_flight_budget", "later");
        check(No::Full, 503, "settlement.full", "later");
        check(No::RequestExists, 500, "settlement.request_exists", "by status");
    }

    #[test]
    fn what_would_fit_is_named() {
        let fits = |output_fits| {
            Problem::refused(settlement::Refusal::RequestTooLarge { output_fits }.into(), "docs-1").message
        };
        assert!(fits(812).contains("max_tokens 812 would fit"));
        assert!(fits(0).contains("the prompt alone"));
    }
}
