//! Bodies, queries and paths: read strictly, refused with the reason.
use crate::error::Problem;
use crate::state::Api;
use crate::time;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;
use sycee_core::ids::Time;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let Json(body) =
            Json::<T>::from_request(request, api).await.map_err(|rejection| unread(&rejection))?;
        Ok(Self(body))
    }
}

fn unread(rejection: &JsonRejection) -> Problem {
    Problem::new(rejection.status(), "api.bad_body", rejection.body_text()).hint("see /api/v1/openapi.json")
}

/// A query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, api).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection| Problem::bad_request("api.bad_query", rejection.body_text()))
    }
}

/// The name or id in the path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: FromStr<Err: Display>> FromRequestParts<Api> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        let Path(text) =
            path.map_err(|rejection| Problem::bad_request("api.bad_path", rejection.body_text()))?;
        text.parse().map(Self).map_err(|error| bad_id(&error))
    }
}

/// Text that should be an id and is none.
pub(crate) fn bad_id(error: &impl Display) -> Problem {
    Problem::bad_request("api.bad_id", error.to_string())
}

/// A moment of a query, or another if it names none.
pub(crate) fn moment(text: Option<&str>, otherwise: Time) -> Result<Time, Problem> {
    let Some(text) = text else { return Ok(otherwise) };
    time::parse(text).ok_or_else(|| {
        Problem::bad_request("api.bad_query", format!("`{text}` is not a time"))
            .hint("RFC 3339, such as 2026-12-01T00:00:00Z")
    })
}
