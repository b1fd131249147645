//! What a simulated provider is at its start. All of it has a default that serves a demo.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use crate::error::{Error, ErrorKind};

/// Configuration of one simulated provider; unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// Shown in `owned_by`, followed by "(simulated)".
    pub name: String,
    /// Port 0 takes a free one. Listen on loopback only: `/sim/…` asks for no key.
    pub listen: SocketAddr,
    /// Two providers with one seed give the same answers.
    pub seed: u64,
    /// When set, `/v1/…` wants it as a bearer token and answers 401 otherwise.
    pub api_key: Option<String>,
    pub models: Vec<ModelConfig>,
    /// Energy of one prompt token in joules, published as `x-sycee-joules`.
    pub joules_per_input_token: f64,
    /// Energy of one completion token in joules.
    pub joules_per_output_token: f64,
    pub energy_header: EnergyHeader,
    /// How many of the last requests `/sim/requests` remembers.
    pub requests_remembered: usize,
    /// Larger bodies get 413.
    pub body_bytes_max: usize,
    /// How it behaves until told otherwise; `DELETE /sim/behaviour` returns to this.
    pub behaviour: Behaviour,
}

/// One model that a simulated provider claims to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    pub id: String,
    pub kind: ModelKind,
    /// Prompt and completion together; a longer prompt is refused with 400.
    pub context_tokens: u64,
    /// Length of an embedding vector; a chat model has none.
    #[serde(default)]
    pub dimensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    Chat,
    Embedding,
}

/// On which replies the header `x-sycee-joules` is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyHeader {
    Never,
    /// Only where the length is settled before the head is sent. The honest choice: a stream may still be cancelled.
    Plain,
    /// On streams as well, with the figure for the whole reply, which a simulated provider knows in advance.
    All,
}

pub(crate) const MODELS_MAX: usize = 64;
pub(crate) const DIMENSIONS_MAX: usize = 4096;

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            name: "sycee-docs".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            api_key: None,
            models: vec![ModelConfig::chat("sycee-docs-1"), ModelConfig::embedding("sycee-embed-1")],
            // Published for a node of eight H800 at 10.2 kW, by DeepSeek's figures of 27–28 February 2025.
            joules_per_input_token: 0.138,
            joules_per_output_token: 0.689,
            energy_header: EnergyHeader::Plain,
            requests_remembered: 4096,
            body_bytes_max: 16 << 20,
            behaviour: Behaviour::default(),
        }
    }
}

impl ModelConfig {
    pub fn chat(id: &str) -> Self {
        Self { id: id.to_owned(), kind: ModelKind::Chat, context_tokens: 32_768, dimensions: 0 }
    }

    pub fn embedding(id: &str) -> Self {
        Self { id: id.to_owned(), kind: ModelKind::Embedding, context_tokens: 32_768, dimensions: 256 }
    }
}

impl ProviderConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| {
            let context =
                format!("accept the configuration of the simulated provider {:?}: {what}", self.name);
            Err(Error::new(ErrorKind::Configuration, context))
        };
        if self.models.is_empty() || self.models.len() > MODELS_MAX {
            return refuse(format!("it needs 1 to {MODELS_MAX} models"));
        }
        for (index, model) in self.models.iter().enumerate() {
            if self.models[..index].iter().any(|other| other.id == model.id) {
                return refuse(format!("model {:?} is listed twice", model.id));
            }
            if model.kind == ModelKind::Embedding && !(1..=DIMENSIONS_MAX).contains(&model.dimensions) {
                return refuse(format!("model {:?} needs 1 to {DIMENSIONS_MAX} dimensions", model.id));
            }
        }
        for joules in [self.joules_per_input_token, self.joules_per_output_token] {
            if !joules.is_finite() || joules < 0.0 {
                return refuse("joules per token must be a number of at least 0".to_owned());
            }
        }
        if self.requests_remembered == 0 {
            return refuse("requests_remembered must be at least 1".to_owned());
        }
        self.behaviour.check()
    }
}
