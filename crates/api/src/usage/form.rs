//! Forms: how a report can be written, and how each is read.
use super::events::{Report, Unread};
use super::lookup;
use super::room::Held;
use crate::error::Problem;
use crate::state::Api;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use sycee_core::ids::MemberId;
use sycee_core::limits::BATCH_LINES_MAX;
use sycee_core::metering::{Batch, Refusal};

pub(super) const COLUMNS: &str = "application/vnd.sycee.usage+cbor";
/// A kibibyte for each line that a batch may have.
pub(super) const EVENTS_BYTES_MAX: usize = BATCH_LINES_MAX * 1_024;
/// A line has at most 26 bytes and its ten buckets 40; what is said for all of them has less than a hundred.
const COLUMNS_BYTES_MAX: usize = BATCH_LINES_MAX * 66 + 100;

/// How a report is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// An array of events.
    Events,
    Event,
    /// Columns, as the core keeps them.
    Columns,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let name = text(header::CONTENT_TYPE).unwrap_or("");
        let (name, rest) = name.split_once(';').unwrap_or((name, ""));
        let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
        match name.trim().to_ascii_lowercase().as_str() {
            _ if !encoding.eq_ignore_ascii_case("identity") => Err(Problem::unsupported_media_type(
                "a report is not compressed",
                "send it without `content-encoding`",
            )),
            "application/cloudevents-batch+json" => Ok(Self::Events),
            "application/cloudevents+json" => Ok(Self::Event),
            COLUMNS if is_version_1(rest) => Ok(Self::Columns),
            _ => Err(Problem::unsupported_media_type(
                "no report of usage is of this type",
                "send `content-type: application/cloudevents-batch+json`, or another of docs/reference/usage.md",
            )),
        }
    }

    pub(super) fn bytes_max(self) -> usize {
        match self {
            Self::Events => EVENTS_BYTES_MAX,
            Self::Event => crate::BODY_BYTES_MAX,
            Self::Columns => COLUMNS_BYTES_MAX,
        }
    }

    /// What `member` reports in it.
    pub(super) fn read(self, api: &Api, member: MemberId, body: &Held) -> Result<Batch, Problem> {
        match self {
            Self::Events => lookup::batch(api, member, &Report::of_many(&body.bytes)?),
            Self::Event => lookup::batch(api, member, &Report::of_one(&body.bytes)?),
            Self::Columns => columns(api, member, &body.bytes),
        }
    }
}

/// The parameter `version` is 1, or left out.
fn is_version_1(parameters: &str) -> bool {
    let pairs = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut versions = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("version"));
    versions.all(|(_, value)| value.trim().trim_matches('"') == "1")
}

fn columns(api: &Api, member: MemberId, bytes: &[u8]) -> Result<Batch, Problem> {
    let batch = Batch::decode_exact(bytes).map_err(|error| {
        Problem::bad_request("api.bad_body", "these columns cannot be read; no line was counted")
            .detail(error.to_string())
            .hint("see docs/reference/usage.md")
    })?;
    let views = api.node.views();
    let source = views.state.metering.sources().get(&batch.source);
    source.filter(|source| source.member == member).ok_or_else(Problem::no_such_source)?;
    Ok(batch)
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        let (index, is_json, why) = match unread {
            Unread::OutOfRange => return sycee_core::Refusal::from(Refusal::OutOfRange).into(),
            Unread::Event { index, is_json, why } => (index, is_json, why),
        };
        let status = if is_json { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        Self::new(status, "api.bad_body", "an event cannot be read; none was counted")
            .detail(format!("event {index}: {why}"))
            .hint("see /api/v1/openapi.json")
    }
}
