//! Answers that are not replies: problems in the protocol's own shape, and the connection that just closes.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error as a client of the protocol expects it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

/// Put among a response's extensions, it makes the server close the connection and send nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseWithoutAnswer;

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    pub(crate) fn about(self, param: &'static str) -> Self {
        Self { param: Some(param), ..self }
    }

    pub(crate) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn no_model(model: &str) -> Self {
        let message = format!("the simulated provider has no model {model:?} at this endpoint");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
            .about("model")
            .coded("model_not_found")
    }

    /// The failure that a behaviour asks for.
    pub(crate) fn simulated(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        Self::new(status, kind, format!("simulated failure with status {}", status.as_u16()))
    }

    pub(crate) fn over_capacity() -> Self {
        let message = "the simulated provider answers as many requests as it can";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message).coded("rate_limit_exceeded")
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn body(&self) -> Value {
        let Self { status: _, kind, code, param, message } = self;
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
    }
}

/// A body that cannot be read, most often because it is too large.
impl From<BytesRejection> for Problem {
    fn from(rejected: BytesRejection) -> Self {
        Self::new(rejected.status(), "invalid_request_error", rejected.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(crate) fn close_without_answer() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(CloseWithoutAnswer);
    response
}
