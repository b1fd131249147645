//! Configuration: what is local to one machine. Whatever has a price is in the catalogue, by commands.
//!
//! ```toml
//! listen = "127.0.0.1:7720"
//!
//! [metering]
//! tokenizers = ["o200k_base", "models/tiny.gguf"]
//! chat_templates = ["models/tiny.gguf"]
//!
//! [sites."Zhongwei 1"]
//! url = "https://zhongwei-1.example/v1"
//! key_env = "ZHONGWEI_1_KEY"
//! ```
use crate::counting;
use crate::located::{Mistake, Source};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use sycee_gateway::options::{Limits, Options, Secret, Timeouts, Upstream};
use sycee_gateway::registry::Registry;

/// `sycee.toml` as written. An unknown key is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where gateway, API and console listen.
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    #[serde(default)]
    metering: Metering,
    /// How each site is reached, by its name in the catalogue.
    #[serde(default)]
    sites: BTreeMap<String, Site>,
    #[serde(default)]
    timeouts: FileTimeouts,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metering {
    #[serde(default)]
    tokenizers: Vec<String>,
    #[serde(default)]
    chat_templates: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    url: String,
    /// Environment variable with the key.
    key_env: Option<String>,
    /// File with the key.
    key_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "people write these names, and the unit belongs to them")]
struct FileTimeouts {
    connect_seconds: Option<u64>,
    first_token_seconds: Option<u64>,
    idle_seconds: Option<u64>,
    total_seconds: Option<u64>,
    drain_seconds: Option<u64>,
    keep_alive_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "people write these names, and each says that it is a most")]
struct FileLimits {
    requests_max: Option<usize>,
    connections_max: Option<usize>,
    connections_per_address_max: Option<usize>,
    body_bytes_max: Option<usize>,
}

/// What a platform is started with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) gateway: Options,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7720))
}

impl Config {
    /// Reads and checks everything, so that a mistake is found before anything runs.
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        let source = Source::read(path)?;
        let file: File = source.parse()?;
        let mut registry = Registry::default();
        for (index, name) in file.metering.tokenizers.iter().enumerate() {
            registry.add_tokenizer(counting::tokenizer(
                &source,
                &format!("metering.tokenizers.{index}"),
                name,
            )?);
        }
        for (index, name) in file.metering.chat_templates.iter().enumerate() {
            registry.add_template(counting::template(
                &source,
                &format!("metering.chat_templates.{index}"),
                name,
            )?);
        }
        let mut upstreams = BTreeMap::new();
        for (name, site) in file.sites {
            let upstream = upstream(&source, &name, site)?;
            upstreams.insert(name, upstream);
        }
        let gateway = Options {
            upstreams,
            registry,
            timeouts: file.timeouts.over_default(),
            limits: file.limits.over_default(),
        };
        Ok(Self { listen: file.listen, gateway })
    }
}

fn upstream(source: &Source, name: &str, site: Site) -> Result<Upstream, Mistake> {
    let field = |field: &str| format!("sites.{name}.{field}");
    let is_http = ["http://", "https://"].iter().any(|scheme| site.url.starts_with(scheme));
    if !is_http || site.url.parse::<hyper::Uri>().is_err() {
        let hint = "where the protocol starts, such as https://site.example/v1".to_owned();
        return Err(source.mistake_in(&field("url"), &format!("`{}` is no address", site.url), Some(hint)));
    }
    let secret = match (site.key_env, site.key_file) {
        (None, None) => None,
        (Some(variable), None) => Some(secret_from_environment(&variable).ok_or_else(|| {
            let message = format!("the environment has no variable {variable}");
            source.mistake_in(
                &field("key_env"),
                &message,
                Some(format!("export {variable}=… before starting")),
            )
        })?),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(source.resolve(&file)).map_err(|error| {
                source.mistake_in(&field("key_file"), &format!("`{file}` cannot be read: {error}"), None)
            })?;
            Some(Secret(text.trim().to_owned()))
        }
        (Some(_), Some(_)) => {
            return Err(source.mistake_in(&field("key_env"), "give key_env or key_file, not both", None));
        }
    };
    Ok(Upstream { url: site.url.trim_end_matches('/').to_owned(), secret })
}

/// A secret by the name of its environment variable: the one place where the environment is read.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn secret_from_environment(variable: &str) -> Option<Secret> {
    std::env::var(variable).ok().filter(|value| !value.is_empty()).map(Secret)
}

impl FileTimeouts {
    fn over_default(&self) -> Timeouts {
        let usual = Timeouts::default();
        let or = |seconds: Option<u64>, usual: Duration| seconds.map_or(usual, Duration::from_secs);
        Timeouts {
            connect: or(self.connect_seconds, usual.connect),
            first_token: or(self.first_token_seconds, usual.first_token),
            idle: or(self.idle_seconds, usual.idle),
            total: or(self.total_seconds, usual.total),
            drain: or(self.drain_seconds, usual.drain),
            keep_alive: or(self.keep_alive_seconds, usual.keep_alive),
            ..usual
        }
    }
}

impl FileLimits {
    fn over_default(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            requests_max: self.requests_max.unwrap_or(usual.requests_max),
            connections_max: self.connections_max.unwrap_or(usual.connections_max),
            connections_per_address_max: self
                .connections_per_address_max
                .unwrap_or(usual.connections_per_address_max),
            body_bytes_max: self.body_bytes_max.unwrap_or(usual.body_bytes_max),
            ..usual
        }
    }
}
