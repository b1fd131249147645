//! The console's files, embedded in the binary; every path that is none of them is the page itself, which routes by itself.
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

const CSP: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
                   frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

#[cfg(feature = "console")]
#[derive(rust_embed::Embed)]
#[folder = "../../console/dist"]
struct Files;

#[cfg(feature = "console")]
fn file(path: &str) -> Option<(std::borrow::Cow<'static, [u8]>, &'static str)> {
    Files::get(path).map(|file| (file.data, content_type(path)))
}

#[cfg(not(feature = "console"))]
fn file(path: &str) -> Option<(std::borrow::Cow<'static, [u8]>, &'static str)> {
    const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sycee</title>\
        <p>This binary was built without the console. <code>make demo</code> builds one with it. The API is at \
        <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p></html>";
    (path == "index.html").then(|| (PAGE.as_bytes().into(), content_type(path)))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// A file of the console, or its page.
pub(crate) async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some((bytes, kind)) = file(path) {
        // Built files carry a hash in their name; the page itself must be asked for again.
        let cache =
            if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return with_headers(
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], bytes).into_response(),
        );
    }
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    match file("index.html").filter(|_| !is_file) {
        Some((page, _)) => {
            with_headers(([(header::CACHE_CONTROL, "no-cache")], Html(page.into_owned())).into_response())
        }
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

fn with_headers(mut response: Response) -> Response {
    let headers = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
