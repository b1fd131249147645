//! `sycee demo`: the whole platform on one machine, with simulated sites and clients, keys and money to try it with.
use crate::books;
use crate::cli;
use crate::platform::{Platform, bind, tokio_runtime};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use sycee_api::secret;
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::KeyId;
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Handle};
use sycee_sim::clients::{Consumer, Population, PopulationConfig};
use sycee_sim::provider::Provider;

mod keys;
mod people;
mod ready;
mod receipts;
mod supply;
use keys::Keys;
use people::People;
use ready::{Models, Ready, ReadyKeys};
use supply::Supply;

/// Segments of a demo are small: most demos are.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Requests a second of all simulated clients together.
const REQUESTS_PER_SECOND: f64 = 2.5;
const SITES_GRACE: Duration = Duration::from_secs(2);

pub(crate) fn run(arguments: &cli::Demo) -> Result<ExitCode> {
    tokio_runtime()?.block_on(demo(arguments))
}

async fn demo(arguments: &cli::Demo) -> Result<ExitCode> {
    let clock = clock(arguments.clock.as_deref())?;
    let listener = bind(([127, 0, 0, 1], arguments.port).into()).await?;
    let root = format!("http://{}", listener.local_addr()?);
    let data = data_folder(arguments)?;
    let keys = Keys::load_or_draw(&data, &people::MEMBERS)?;
    found(&data, &clock, &keys)?;
    let node = sycee_node::start(sycee_node::Options {
        clock,
        segment_bytes: SEGMENT_BYTES,
        ..sycee_node::Options::new(&data)
    })
    .map_err(|error| anyhow::Error::new(error).context(format!("the log in {}", data.display())))?;
    let handle = node.handle();

    let supply = match &arguments.upstream {
        Some(url) => Supply::of_visitor(url, arguments.key_env.as_deref()).await?,
        None => Supply::simulated(arguments.seed).await?,
    };
    let people = People::settle_in(&handle, &keys, &supply.document).await?;
    let token = secret::random_text().context("failed to draw the link that signs in")?;
    let api = sycee_api::Options {
        signin: Some(sycee_api::SignIn { token: token.clone(), key: operator_key(&handle, &keys)? }),
        ..sycee_api::Options::default()
    };
    let platform = Platform::start(node, listener, supply.gateway, api).await?;

    let ready = Ready {
        base_url: format!("{root}/v1"),
        console_url: format!("{root}/signin/{token}"),
        api_url: format!("{root}/api/v1"),
        data_dir: data.canonicalize().with_context(|| format!("failed to resolve {}", data.display()))?,
        models: Models { chat: supply.chat.clone(), embedding: supply.embedding.clone() },
        keys: ReadyKeys {
            consumer: keys.of(people::VISITOR)?,
            operator: keys.operator.clone(),
            provider: keys.of(people::PROVIDER)?,
            auditor: keys.of(people::AUDITOR)?,
        },
        sites: supply.sites.iter().map(Provider::base_url).collect(),
    };
    if let Some(path) = &arguments.ready_file {
        ready.write(path)?;
    }
    welcome(&root, &ready, &data, arguments);
    receipts::announce(&handle, people.visitor_account, &root);
    let clients = clients(arguments, &ready, &keys, &data)?;
    platform.run(|_| {}).await?;
    if let Some(clients) = clients {
        clients.stop().await?;
    }
    for site in supply.sites {
        site.stop(SITES_GRACE).await;
    }
    say!("stopped; the log is in {}", data.display());
    Ok(ExitCode::SUCCESS)
}

fn clock(text: Option<&str>) -> Result<Clock> {
    let Some(text) = text else { return Ok(Clock::system()) };
    match sycee_api::time::parse(text) {
        Some(time) => Ok(Clock::starting_at(time)),
        None => bail!("`{text}` is not a time\n  hint: RFC 3339, such as --clock 2026-12-01T08:00:00Z"),
    }
}

fn data_folder(arguments: &cli::Demo) -> Result<PathBuf> {
    let data = arguments
        .data
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("sycee-demo-{}", arguments.port)));
    std::fs::create_dir_all(&data).with_context(|| format!("failed to make {}", data.display()))?;
    Ok(data)
}

/// Founds the log unless it is there.
fn found(data: &Path, clock: &Clock, keys: &Keys) -> Result<()> {
    if keys::holds_a_log(data) {
        return Ok(());
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let founding = Founding {
        origin: "demo.localhost/sycee".to_owned(),
        assets: vec![AssetDefinition { code: people::ASSET.to_owned(), decimals: books::CREDIT_DECIMALS }],
        operator_name: people::OPERATOR.to_owned(),
        operator_key_hash: secret::hash(&keys.operator),
        segment_bytes: SEGMENT_BYTES,
    };
    sycee_node::init(&disk, data, clock, founding)?;
    Ok(())
}

fn operator_key(handle: &Handle, keys: &Keys) -> Result<KeyId> {
    let views = handle.views();
    let found = views.state.membership.authenticate(secret::hash(&keys.operator));
    found
        .map(|(id, _)| id)
        .context("failed to find the operator's key in the log\n  hint: give --data another directory")
}

/// Simulated clients, unless the visitor wants quiet or pays a real endpoint.
fn clients(arguments: &cli::Demo, ready: &Ready, keys: &Keys, data: &Path) -> Result<Option<Population>> {
    if arguments.quiet || arguments.upstream.is_some() {
        return Ok(None);
    }
    let consumers = people::SIMULATED_CLIENTS
        .iter()
        .map(|(member, file)| Ok(Consumer { name: (*file).to_owned(), key: keys.of(member)? }));
    let models = vec![ready.models.chat.clone(), supply::PRO_MODEL.to_owned()];
    let mut config = PopulationConfig::new(
        ready.base_url.clone(),
        consumers.collect::<Result<_>>()?,
        models,
        data.join("clients"),
    );
    config.embedding_models = vec![ready.models.embedding.clone()];
    config.seed = arguments.seed;
    config.requests_per_second = REQUESTS_PER_SECOND;
    Ok(Some(Population::start(config)?))
}

fn welcome(root: &str, ready: &Ready, data: &Path, arguments: &cli::Demo) {
    let question = r#"{"model":"MODEL","messages":[{"role":"user","content":"What is on a receipt?"}],"max_tokens":120}"#;
    let body = question.replace("MODEL", &ready.models.chat);
    say!("ready {root}");
    say!("");
    say!("  console  {}", ready.console_url);
    say!("  key      {}", ready.keys.consumer);
    say!("  log      {}", data.display());
    if let Some(upstream) = &arguments.upstream {
        say!("  serving  {upstream}");
    } else {
        say!("  serving  simulated sites; they quote Sycee's own documentation");
    }
    say!("");
    say!(
        "  curl {}/chat/completions -H 'authorization: Bearer {}' -H 'content-type: application/json' -d '{body}'",
        ready.base_url,
        ready.keys.consumer
    );
    say!("");
}
