//! The control plane: members, accounts, catalogue, receipts and the overview over HTTP, and the console that shows them.
//!
//! A handler reads views or sends one command; it decides nothing. What a caller may do is the core's to say, what they may see
//! is said in `caller`, and `error` alone turns outcomes into statuses.
#![expect(
    unused_qualifications,
    reason = "utoipa's path macro writes the types of queries with their full path"
)]

mod accounts;
mod attempts;
mod body;
mod caller;
pub mod catalog;
mod console;
pub mod decimal;
mod document;
mod error;
mod lines;
mod members;
mod money;
mod overview;
mod page;
mod receipts;
mod request;
pub mod secret;
mod session;
mod signin;
mod state;
mod statements;
mod submit;
mod system;
pub mod time;
mod usage;
mod vocabulary;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use state::Api;
use std::sync::Arc;
use sycee_node::Handle;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use state::{Look, MetricsText, Options, Sight, SignIn};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 256 * 1024;

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(document::Base::openapi())
        .routes(routes!(signin::create, signin::get, signin::delete))
        .routes(routes!(system::health))
        .routes(routes!(system::log))
        .routes(routes!(members::list, members::create))
        .routes(routes!(members::get))
        .routes(routes!(members::set_standing))
        .routes(routes!(members::list_keys, members::create_key))
        .routes(routes!(members::revoke_key))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::get))
        .routes(routes!(statements::get))
        .routes(routes!(accounts::deposit))
        .routes(routes!(accounts::payout))
        .routes(routes!(accounts::correct))
        .routes(routes!(catalog::get))
        .routes(routes!(catalog::sites))
        .routes(routes!(catalog::models))
        .routes(routes!(catalog::offers))
        .routes(routes!(catalog::post_apply))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::get))
        .routes(routes!(usage::record::record))
        .routes(routes!(usage::handles::get))
        .routes(routes!(usage::hours::list))
        .routes(routes!(usage::sources::list, usage::sources::create))
        .routes(routes!(overview::get))
        .routes(routes!(overview::follow))
}

/// The OpenAPI document of everything under `/api/v1`, as JSON.
pub fn openapi() -> String {
    let (_, document) = routes().split_for_parts();
    document::text(&document::complete(&document))
}

/// Everything but the gateway: `/api/v1`, `/metrics`, `/signin/…`, and the console for all other paths.
pub fn router(node: Handle, options: Options) -> Router {
    let api = Api::new(node, options);
    let (routes, document) = routes().split_for_parts();
    let document: Arc<str> = document::text(&document::complete(&document)).into();
    let openapi = get(move || async move {
        ([(axum::http::header::CONTENT_TYPE, "application/json")], document.to_string())
    });
    let v1 = routes
        .route("/openapi.json", openapi)
        .fallback(request::no_such_endpoint)
        .method_not_allowed_fallback(request::no_such_method);
    Router::new()
        .nest("/api/v1", v1)
        .route("/metrics", get(system::metrics))
        .route("/signin/{token}", get(signin::by_link))
        .fallback_service(get(console::serve))
        .layer(from_fn_with_state(api.clone(), request::frame))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

#[cfg(test)]
mod tests;
