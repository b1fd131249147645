//! Upstream: requests to sites, over connections that are kept.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sycee_core::ids::RequestId;
use sycee_core::settlement::Endpoint;

use crate::flow::{Failure, UpstreamHead};
use crate::options::Upstream;

/// How long an unused connection is kept: shorter than servers usually do, so that few are found closed.
const KEEP: Duration = Duration::from_secs(25);
/// Unused connections kept per site.
const KEEP_MAX: usize = 1_024;
/// Most energy that one request is believed to have taken: a megajoule.
const MICROJOULES_MAX: u64 = 1_000_000_000_000;
const JOULES: &str = "x-sycee-joules";

/// The client that all requests share.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    refusing: Refusing,
}

/// Sites that refuse us rather than the request: an operator has to hear of it, and clients cannot be told.
#[derive(Clone, Debug, Default)]
struct Refusing(Arc<Mutex<BTreeSet<(String, StatusCode)>>>);

impl Refusing {
    /// Whether this answer has to be said: a refusal that was not said since the site last served.
    fn is_news(&self, url: &str, status: StatusCode) -> bool {
        let mut said = self.0.lock().expect("nothing panics while it holds the sites");
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                said.insert((url.to_owned(), status))
            }
            StatusCode::OK => {
                said.retain(|(other, _)| other != url);
                false
            }
            _ => false,
        }
    }
}

impl Upstreams {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(KEEP_MAX)
            .build(connector);
        Self { client, refusing: Refusing::default() }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        upstream: Upstream,
        endpoint: Endpoint,
        request: RequestId,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let outgoing = outgoing(&upstream, endpoint, request, body).ok_or(Failure::Unreachable)?;
        let host = outgoing.uri().host().unwrap_or_default().to_owned();
        let response = self.client.request(outgoing).await.map_err(|error| {
            tracing::debug!(%request, %error, "a site could not be asked");
            if error.is_connect() { Failure::Unreachable } else { Failure::Broken }
        })?;
        let status = response.status();
        if self.refusing.is_news(&upstream.url, status) {
            tracing::warn!(host, %status, "a site refuses us: look at its url and key in sycee.toml and at the offer's upstream_model");
        }
        Ok(response)
    }
}

fn outgoing(
    upstream: &Upstream,
    endpoint: Endpoint,
    request: RequestId,
    body: Bytes,
) -> Option<Request<Full<Bytes>>> {
    let path = match endpoint {
        Endpoint::Chat => "chat/completions",
        Endpoint::Embeddings => "embeddings",
    };
    let uri: Uri = format!("{}/{path}", upstream.url.trim_end_matches('/')).parse().ok()?;
    let mut outgoing = Request::new(Full::new(body));
    *outgoing.method_mut() = Method::POST;
    *outgoing.uri_mut() = uri;
    let headers = outgoing.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers
        .insert(header::USER_AGENT, HeaderValue::from_static(concat!("sycee/", env!("CARGO_PKG_VERSION"))));
    headers.insert("x-request-id", HeaderValue::from_str(&request.to_string()).ok()?);
    if let Some(secret) = &upstream.secret {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.0)).ok()?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Some(outgoing)
}

/// What a flow wants to know of the head of an answer.
pub(crate) fn head_of(response: &Response<Incoming>) -> UpstreamHead {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    UpstreamHead {
        status: response.status().as_u16(),
        is_event_stream: kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream")),
        microjoules: microjoules(headers),
    }
}

/// Joules in decimal notation, as microjoules, if they can be believed.
fn microjoules(headers: &HeaderMap) -> Option<u64> {
    let joules = headers.get(JOULES)?.to_str().ok()?.trim();
    let (whole, fraction) = joules.split_once('.').unwrap_or((joules, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let micro: u64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    let all = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micro)?;
    (all <= MICROJOULES_MAX).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_once_until_the_site_serves_again() {
        let refusing = Refusing::default();
        let (one, other) = ("https://one.example/v1", "https://other.example/v1");
        let news = |url, status: u16| refusing.is_news(url, StatusCode::from_u16(status).unwrap());
        assert!(news(one, 401) && !news(one, 401));
        assert!(news(one, 404) && news(other, 401));
        assert!(!news(one, 503) && !news(one, 429) && !news(one, 400));
        assert!(!news(one, 200));
        assert!(news(one, 401) && !news(other, 401));
    }

    fn check(joules: &str, expect: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(JOULES, HeaderValue::from_str(joules).unwrap());
        assert_eq!(microjoules(&headers), expect, "{joules:?}");
    }

    #[test]
    fn energy_is_believed_within_reason() {
        check("12", Some(12_000_000));
        check("0.689", Some(689_000));
        check("1.23456789", Some(1_234_567));
        check(" 3.5 ", Some(3_500_000));
        check("1000000", Some(1_000_000_000_000));
        check("1000000.1", None);
        check("99999999999999999999", None);
        for nonsense in ["", "-1", "1e3", "NaN", ".5", "5.", "0x10", "1,5"] {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_request_goes_to_the_sites_own_place_with_its_own_key() {
        let secret = Some(crate::options::Secret("sk-site".to_owned()));
        let upstream = Upstream { url: "http://127.0.0.1:9/v1/".to_owned(), secret };
        let outgoing = outgoing(&upstream, Endpoint::Embeddings, RequestId(7), Bytes::new()).unwrap();
        assert_eq!(outgoing.uri(), "http://127.0.0.1:9/v1/embeddings");
        assert_eq!(outgoing.headers()["authorization"], "Bearer sk-site");
        assert_eq!(outgoing.headers()["x-request-id"], "req_00000000000000000000000000000007");
        assert!(!format!("{upstream:?}").contains("sk-site"), "secrets are never shown");
    }
}
