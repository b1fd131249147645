//! Submitting: a member's command on its way to the node, once however often it is sent.
use crate::caller::Caller;
use crate::error::Problem;
use crate::request::POSITION;
use crate::state::Api;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponseParts, ResponseParts};
use sha2::{Digest as _, Sha256};
use sycee_core::Outcome;
use sycee_core::entry::{Command, Submission};
use sycee_core::ids::CommandId;
use sycee_core::permission::Actor;
use sycee_node::Unavailable;

const HEADER: &str = "idempotency-key";
/// On the answer to a command that was sent before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Everything of an id but the bits that say when it was drawn, its version and its variant.
const FREE_BITS: u128 = 0x0000_0000_0000_0fff_3fff_ffff_ffff_ffff;

/// The request's idempotency key, if it has one, and the ids that follow from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Once {
    id: Option<u128>,
}

impl FromRequestParts<Api> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self { id: None }) };
        let id = value.to_str().ok().and_then(parse_uuid_v7);
        let id = id.ok_or_else(|| {
            Problem::bad_request("idempotency.malformed", "the Idempotency-Key is not a UUIDv7").hint(
                "draw one per request, such as 01930b2e-7c1a-7f3e-9d0c-5a4b3c2d1e0f; a retry repeats it",
            )
        })?;
        Ok(Self { id: Some(id) })
    }
}

fn parse_uuid_v7(text: &str) -> Option<u128> {
    let digits: String = text.chars().filter(|char| *char != '-').collect();
    let canonical = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = canonical.then(|| u128::from_str_radix(&digits, 16).ok()).flatten()?;
    let (version, variant) = (id >> 76 & 0xf, id >> 62 & 0b11);
    (version == 7 && variant == 0b10).then_some(id)
}

impl Once {
    /// The id of what this request makes. Sent again with the same key, it names the same thing.
    pub(crate) fn new_id(self, api: &Api, purpose: &str) -> Result<u128, Problem> {
        let Some(key) = self.id else { return Ok(api.node.new_id()?) };
        let digest: [u8; 32] =
            Sha256::new().chain_update(key.to_be_bytes()).chain_update(purpose).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Ok(key & !FREE_BITS | u128::from_be_bytes(bytes) & FREE_BITS)
    }

    /// Sends a command in the caller's name.
    pub(crate) async fn submit(
        self,
        api: &Api,
        caller: &Caller,
        reason: &str,
        command: impl Into<Command>,
    ) -> Result<Done, Problem> {
        let submission = Submission {
            actor: Actor::Member(caller.id),
            id: self.id.map(CommandId),
            reason: Some(reason.to_owned()),
            command: command.into(),
        };
        let outcome = api.node.submit(submission).await.map_err(|unavailable| self.undecided(unavailable))?;
        match outcome {
            Outcome::Applied { position, events: _ } => Ok(Done { position, repeated: false }),
            Outcome::Repeated { position, refusal: None } => Ok(Done { position, repeated: true }),
            Outcome::Repeated { position, refusal: Some(refusal) } => {
                Err(Problem::from(refusal).replayed(position))
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Only with a key can something that may have happened be sent again and happen once.
    fn undecided(self, unavailable: Unavailable) -> Problem {
        let problem = Problem::from(unavailable);
        match (unavailable, self.id) {
            (Unavailable::Overloaded | Unavailable::ClockJumped, _) => problem,
            (Unavailable::Stopped, Some(_)) => {
                problem.hint("send it again with the same Idempotency-Key: it then happens once")
            }
            (Unavailable::Stopped, None) => problem.hint(
                "look whether it happened before you send it again; with an Idempotency-Key it would happen once",
            ),
        }
    }

    /// For a step before the last of a request that takes several commands: an id of its own, as repeatable as the whole.
    pub(crate) fn part(self, api: &Api, purpose: &str) -> Result<Self, Problem> {
        let id = self.id.map(|_| self.new_id(api, &format!("command {purpose}"))).transpose()?;
        Ok(Self { id })
    }
}

/// A command that happened, now or when it was first sent. The answer's headers say where and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) position: u64,
    pub(crate) repeated: bool,
}

impl Done {
    pub(crate) fn write_to(self, headers: &mut HeaderMap) {
        headers.insert(POSITION, HeaderValue::from(self.position));
        if self.repeated {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
    }
}

impl IntoResponseParts for Done {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.write_to(parts.headers_mut());
        Ok(parts)
    }
}
