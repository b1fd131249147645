//! Doors: how the benchmark hands a report to the node, straight or over HTTP.
//!
//! Over HTTP it is the real API on a port of this machine and a client that keeps its connections; both are in this process, so
//! the processor time of both counts.
use crate::bench::generator::Report;
use crate::bench::market;
use crate::cli::HttpForm;
use crate::platform::tokio_runtime;
use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::time::Duration;
use sycee_core::metering::{Batch, Command};
use sycee_core::permission::Actor;
use sycee_core::{Event, Outcome, Submission};
use sycee_node::{Handle, Unavailable};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Where reports go in.
#[derive(Clone)]
pub(super) enum Door {
    Node(Handle),
    Http { client: Client<HttpConnector, Full<Bytes>>, form: HttpForm, url: String },
}

/// The API, for as long as this is there.
pub(super) struct Server(Option<Runtime>);

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The door to a node, and what has to stay open behind it.
pub(super) fn open(handle: Handle, form: Option<HttpForm>) -> Result<(Door, Server)> {
    let Some(form) = form else { return Ok((Door::Node(handle), Server(None))) };
    let runtime = tokio_runtime()?;
    let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    let url = format!("http://{}/api/v1/usage", listener.local_addr()?);
    let app = sycee_api::router(handle, sycee_api::Options::default());
    runtime.spawn(async move { axum::serve(listener, app).await });
    let client = Client::builder(TokioExecutor::new()).build_http();
    Ok((Door::Http { client, form, url }, Server(Some(runtime))))
}

impl Door {
    /// Sends a report and waits until it is durable; how many of its lines were refused.
    pub(super) async fn send(&self, report: Report) -> Result<u64> {
        match self {
            Self::Node(handle) => submit(handle, &Batch::decode_exact(&report.bytes)?).await,
            Self::Http { client, form, url } => post(client, *form, url, report).await,
        }
    }
}

/// Before it is tried again where more was waiting than there is room for.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn submit(handle: &Handle, batch: &Batch) -> Result<u64> {
    loop {
        let command = Command::Record { batch: batch.clone() };
        match handle.submit(Submission::internal(Actor::Member(market::METER), command)).await {
            Ok(Outcome::Applied { position: _, events }) => {
                let recorded = events.iter().map(|event| match event {
                    Event::Metering(event) => {
                        event.recorded().map_or(0, |(_, counted)| counted.refused.len() as u64)
                    }
                    _ => 0,
                });
                return Ok(recorded.sum());
            }
            Ok(Outcome::Repeated { .. }) => bail!("a batch has no id"),
            Ok(Outcome::Refused(refusal)) => bail!("a batch was refused: {}", refusal.code()),
            Err(Unavailable::Overloaded) => pause().await,
            Err(unavailable) => bail!("the node does not answer: {unavailable}"),
        }
    }
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    form: HttpForm,
    url: &str,
    report: Report,
) -> Result<u64> {
    let body = Bytes::from(report.bytes);
    loop {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(AUTHORIZATION, format!("Bearer {}", market::METER_KEY))
            .header(CONTENT_TYPE, form.media_type())
            .body(Full::from(body.clone()))?;
        let answer = client.request(request).await.context("failed to reach the API")?;
        let status = answer.status();
        let answer = answer.into_body().collect().await?.to_bytes();
        if status == StatusCode::TOO_MANY_REQUESTS {
            pause().await;
            continue;
        }
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        if status != StatusCode::OK {
            bail!("a report was refused: {status}: {answer}");
        }
        return Ok(answer["refused"].as_array().map_or(0, |refused| refused.len() as u64));
    }
}
