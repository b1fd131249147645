//! `sycee apply`: a catalogue file, checked here, sent to a running platform, and shown as the difference it makes.
use crate::cli;
use crate::config::secret_from_environment;
use crate::counting;
use crate::located::{Mistake, Source};
use crate::platform::tokio_runtime;
use anyhow::{Context as _, Result, anyhow, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::process::ExitCode;
use sycee_api::catalog::{Applied, ChangeKind, Document};

pub(crate) fn run(arguments: &cli::Apply) -> Result<ExitCode> {
    let source = Source::read(&arguments.file)?;
    let document = read(&source)?;
    let key = secret_from_environment(&arguments.key_env).with_context(|| {
        format!("failed to find an operator's key in {0}\n  hint: export {0}=sk-sycee-…, or name another with --key-env", arguments.key_env)
    })?;
    let reason = percent(&arguments.reason);
    let url = format!(
        "{}/api/v1/catalog/apply?dry_run={}&reason={reason}",
        arguments.url.trim_end_matches('/'),
        arguments.dry_run
    );
    let body = serde_json::to_vec(&document)?;
    let (status, answer) = tokio_runtime()?.block_on(post(&url, &key.0, body))?;
    if status != StatusCode::OK {
        return Err(refused(&source, status, &answer));
    }
    tell(&serde_json::from_slice(&answer).context("failed to read the answer")?, arguments.dry_run);
    Ok(ExitCode::SUCCESS)
}

/// The document in a file, with what offers pin by name replaced by its hash.
pub(crate) fn read(source: &Source) -> Result<Document, Mistake> {
    let mut document: Document = source.parse()?;
    for (index, offer) in document.offers.iter_mut().enumerate() {
        if let Some(name) = &mut offer.tokenizer {
            let field = format!("offer.{index}.tokenizer");
            *name = counting::pin(name, || Ok(counting::tokenizer(source, &field, name)?.hash()))?;
        }
        if let Some(name) = &mut offer.chat_template {
            let field = format!("offer.{index}.chat_template");
            *name = counting::pin(name, || Ok(counting::template(source, &field, name)?.hash()))?;
        }
    }
    Ok(document)
}

/// A client for plain and encrypted addresses.
fn client() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let tls = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(tls)
}

async fn post(url: &str, key: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes)> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    let response = client().request(request).await.with_context(|| {
        format!("failed to reach {url}\n  hint: is the platform running? name it with --url")
    })?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// A refusal that names a field is shown with its line.
fn refused(source: &Source, status: StatusCode, answer: &[u8]) -> anyhow::Error {
    let body: serde_json::Value = serde_json::from_slice(answer).unwrap_or(serde_json::Value::Null);
    let text = |name: &str| body["error"][name].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_else(|| format!("the platform answered {status}"));
    match (text("code").as_deref(), text("detail")) {
        (Some("catalog.unfit"), Some(field)) => source.mistake_in(&field, &message, text("hint")).into(),
        (_, detail) => {
            let detail = detail.map_or_else(String::new, |detail| format!(", {detail}"));
            let hint = text("hint").map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
            anyhow!("{message}{detail}{hint}")
        }
    }
}

fn tell(applied: &Applied, dry_run: bool) {
    for change in &applied.changes {
        let sign = match change.kind {
            ChangeKind::Add => '+',
            ChangeKind::Change => '~',
            ChangeKind::Suspend => '-',
            ChangeKind::Resume => '^',
        };
        say!("{sign} {} {}", change.what, change.name);
        if let Some(before) = &change.before {
            say!("    was {before}");
        }
        if let Some(after) = &change.after {
            say!("    is  {after}");
        }
    }
    match (applied.changes.len(), dry_run, applied.position) {
        (0, _, _) => say!("nothing to change"),
        (count, true, _) => say!("{count} changes; nothing was written"),
        (count, false, Some(position)) => say!("{count} changes made, the last at position {position}"),
        (count, false, None) => say!("{count} changes made"),
    }
}

/// A query's value, percent-encoded.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string");
        }
    }
    encoded
}

/// Fetches JSON from an address, with a key if there is one.
pub(crate) async fn get_json(url: &str, key: Option<&str>) -> Result<serde_json::Value> {
    let mut request = Request::builder().uri(url);
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    let response = client()
        .request(request.body(Full::default())?)
        .await
        .with_context(|| format!("failed to reach {url}"))?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != StatusCode::OK {
        bail!("failed to read {url}: it answered {status}");
    }
    serde_json::from_slice(&body).with_context(|| format!("failed to read {url}: it is not JSON"))
}
