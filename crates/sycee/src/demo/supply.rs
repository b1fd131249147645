//! The demo's supply: three simulated sites, or the visitor's own endpoint.
use crate::apply;
use crate::config::secret_from_environment;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use sycee_api::catalog::Document;
use sycee_api::catalog::document::{Model, Offer, Site};
use sycee_api::decimal;
use sycee_core::ids::Hash;
use sycee_gateway::count::{Tokenizer, Vocabulary};
use sycee_gateway::registry::Registry;
use sycee_gateway::template::Template;
use sycee_gateway::{Options, Secret, Upstream};
use sycee_sim::provider::{CHAT_TEMPLATE, Provider};
use sycee_sim::sites::SITES;

/// The dearer of the demo's chat models.
pub(super) const PRO_MODEL: &str = "sycee-docs-1-pro";
const CHAT_MODEL: &str = "sycee-docs-1";
const EMBEDDING_MODEL: &str = "sycee-embed-1";
const CATALOG: &str = include_str!("catalog.toml");
/// Where a visitor's endpoint stands, as far as the demo knows.
const VISITOR_SITE: &str = "Your endpoint";
const VISITOR_PROVIDER: &str = "Coast Cloud";
const VISITOR_CONTEXT: u64 = 32_768;
const VISITOR_OUTPUT_MAX: u64 = 4_096;

/// Who serves, what is offered, and how it is reached.
pub(super) struct Supply {
    pub(super) document: Document,
    pub(super) gateway: Options,
    pub(super) sites: Vec<Provider>,
    pub(super) chat: String,
    pub(super) embedding: String,
}

impl Supply {
    pub(super) async fn simulated(seed: u64) -> Result<Self> {
        let mut document = document()?;
        let (mut sites, mut upstreams) = (Vec::new(), BTreeMap::new());
        for (index, site) in (0..).zip(&SITES) {
            let provider = Provider::bind(site.provider(seed.wrapping_add(index))).await?;
            let url = provider.base_url();
            upstreams.insert(site.name.to_owned(), Upstream { url, secret: None });
            document.sites.push(simulated_site(site));
            sites.push(provider);
        }
        let gateway = Options { upstreams, registry: registry()?, ..Options::default() };
        let (chat, embedding) = (CHAT_MODEL.to_owned(), EMBEDDING_MODEL.to_owned());
        Ok(Self { document, gateway, sites, chat, embedding })
    }

    /// The visitor's own endpoint at one site. Nothing is known of its tokenizer, so its report is billed within bounds.
    pub(super) async fn of_visitor(url: &str, key_env: Option<&str>) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let secret = match key_env {
            None => None,
            Some(name) => Some(secret_from_environment(name).with_context(|| {
                format!(
                    "failed to find the endpoint's key in {name}\n  hint: export {name}=… before starting"
                )
            })?),
        };
        let known = model_names(&url, secret.as_ref()).await?;
        let is_embedding = |name: &&String| name.contains("embed");
        let Some(chat_upstream) = known.iter().find(|name| !is_embedding(name)).or_else(|| known.first())
        else {
            bail!("{url} lists no models");
        };
        let embedding_upstream = known.iter().find(is_embedding).unwrap_or(chat_upstream);
        let chat = chat_upstream.clone();
        let embedding = if embedding_upstream == chat_upstream {
            format!("{chat}-embedding")
        } else {
            embedding_upstream.clone()
        };

        let mut document = document()?;
        document.sites.push(visitor_site());
        document.models = vec![visitor_model(&chat, "chat"), visitor_model(&embedding, "embedding")];
        document.offers =
            vec![visitor_offer(&chat, chat_upstream), visitor_offer(&embedding, embedding_upstream)];
        let upstreams = BTreeMap::from([(VISITOR_SITE.to_owned(), Upstream { url, secret })]);
        let gateway = Options { upstreams, registry: registry()?, ..Options::default() };
        Ok(Self { document, gateway, sites: Vec::new(), chat, embedding })
    }
}

/// The embedded catalogue, its pins by name replaced by hashes.
fn document() -> Result<Document> {
    let mut document: Document =
        toml::from_str(CATALOG).context("failed to read the demo's own catalogue")?;
    for offer in &mut document.offers {
        offer.tokenizer =
            offer.tokenizer.as_ref().map(|_| pinned(Tokenizer::embedded(Vocabulary::O200kBase).hash()));
        if offer.chat_template.is_some() {
            offer.chat_template = Some(pinned(template()?.hash()));
        }
    }
    Ok(document)
}

fn pinned(hash: [u8; 32]) -> String {
    Hash(hash).to_string()
}

fn template() -> Result<Template> {
    Ok(Template::new(CHAT_TEMPLATE, "", "")?)
}

fn registry() -> Result<Registry> {
    let mut registry = Registry::default();
    registry.add_template(template()?);
    Ok(registry)
}

fn simulated_site(site: &sycee_sim::sites::Site) -> Site {
    let facts = site.facts();
    let provider = match site.key {
        "zhongwei" => super::people::PROVIDER,
        "qingyang" => "Qingyang Compute Hub",
        _ => VISITOR_PROVIDER,
    };
    Site {
        name: site.name.to_owned(),
        provider: provider.to_owned(),
        account: "earnings".to_owned(),
        region: facts.region,
        region_zh: Some(facts.region_zh),
        longitude: decimal::format(facts.longitude_millidegrees.into(), 3),
        power_price: decimal::format(facts.power_price.into(), 9),
        pue: decimal::format(facts.pue_ppm.into(), 6),
        joules_input: decimal::format(facts.microjoules_input.into(), 6),
        joules_output: decimal::format(facts.microjoules_output.into(), 6),
        basis: facts.basis.name().to_owned(),
        simulated: facts.simulated,
    }
}

fn visitor_site() -> Site {
    let text = str::to_owned;
    Site {
        name: text(VISITOR_SITE),
        provider: text(VISITOR_PROVIDER),
        account: text("earnings"),
        region: text("yours"),
        region_zh: Some(text("自有")),
        longitude: text("0"),
        power_price: text("0.63"),
        pue: text("1.42"),
        joules_input: text("0.138"),
        joules_output: text("0.689"),
        basis: text("assumed"),
        simulated: false,
    }
}

fn visitor_model(name: &str, kind: &str) -> Model {
    Model {
        name: name.to_owned(),
        kind: kind.to_owned(),
        author: "Loess Lab".to_owned(),
        account: "royalties".to_owned(),
        context: VISITOR_CONTEXT,
        bases: Vec::new(),
        shares: Vec::new(),
    }
}

fn visitor_offer(model: &str, upstream: &str) -> Offer {
    let price = |side: &str, price: &str| (side.to_owned(), price.to_owned());
    Offer {
        model: model.to_owned(),
        site: VISITOR_SITE.to_owned(),
        upstream_model: Some(upstream.to_owned()),
        output_max: VISITOR_OUTPUT_MAX,
        concurrency_max: 2_048,
        tokenizer: None,
        chat_template: None,
        asset: super::people::ASSET.to_owned(),
        prices: BTreeMap::from([price("input", "1.0"), price("output", "4.0")]),
        model_fee_ppm: 120_000,
        platform_fee_ppm: 30_000,
        from: None,
    }
}

async fn model_names(url: &str, secret: Option<&Secret>) -> Result<Vec<String>> {
    let list = apply::get_json(&format!("{url}/models"), secret.map(|secret| secret.0.as_str())).await.with_context(|| {
        format!("failed to list the models of {url}\n  hint: give the address where its protocol starts, such as http://127.0.0.1:8000/v1")
    })?;
    let models = list["data"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(models.iter().filter_map(|model| model["id"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{SITES, document, registry};

    #[test]
    fn the_embedded_catalogue_can_be_read_and_everything_it_pins_is_loaded() {
        let document = document().unwrap();
        assert!(document.offers.len() >= 5 && document.members.len() >= 10);
        assert!(
            document.offers.iter().all(|offer| offer.tokenizer.as_ref().is_some_and(|hash| hash.len() == 64))
        );
        let stands = |name: &String| SITES.iter().any(|site| site.name == name);
        assert!(
            document.offers.iter().all(|offer| stands(&offer.site)),
            "an offer of a site that is not there"
        );
        registry().unwrap();
    }
}
