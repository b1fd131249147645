//! Routing: which offers may serve a request, the cheapest healthy one first.
//!
//! An offer qualifies if the catalogue sells it now in the account's asset, its site is configured here, and what it pins to count
//! by is loaded. Offers that rest or are full come last rather than not at all: money is decided before capacity, and when nothing
//! else is left, trying beats refusing.
//!
//! Two steps: [`survey`] reads what the ledger knows and is quick, since the ledger waits for it; [`choose`] renders the prompt and
//! ranks, and nobody waits for that but the request itself.
use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Map, Value};
use sycee_core::State;
use sycee_core::arithmetic::price;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{Kind, Model, OfferTerms};
use sycee_core::ids::{AccountId, Amount, Asset, ModelId, OfferId, Time};
use sycee_core::ledger::Account;
use sycee_core::limits::CANDIDATES_MAX;
use sycee_core::membership::Standing;
use sycee_core::settlement::Endpoint;

use crate::flow::Candidate;
use crate::health::Health;
use crate::options::Options;
use crate::problem::Problem;
use crate::registry::Sent;

/// What has to be known to choose.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) model: &'a str,
    pub(crate) endpoint: Endpoint,
    pub(crate) account: AccountId,
    pub(crate) output_asked: Option<u64>,
    pub(crate) choices: u32,
    pub(crate) body: &'a Map<String, Value>,
}

/// What the ledger knows of a model and of who asks for it.
#[derive(Debug)]
pub(crate) struct Survey {
    model: ModelId,
    context: u64,
    sold: Vec<Sold>,
    /// What the account could spend when last seen. The ledger may know better; nothing is granted on this.
    available: Amount,
}

/// An offer that is sold now.
#[derive(Debug)]
struct Sold {
    id: OfferId,
    site_name: String,
    terms: OfferTerms,
    prices: Buckets,
}

/// Where a request may go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) model: ModelId,
    pub(crate) context: u64,
    pub(crate) input_bound: u64,
    /// See [`crate::flow::Order::count_first`].
    pub(crate) count_first: bool,
    pub(crate) candidates: Vec<Candidate>,
}

pub(crate) fn survey(state: &State, wanted: &Wanted<'_>, now: Time) -> Result<Survey, Problem> {
    let no_such_model = || Problem::no_such_model(wanted.model);
    let (model_id, model) = state.catalog.model_by_name(wanted.model).ok_or_else(no_such_model)?;
    if model.standing != Standing::Active {
        return Err(no_such_model());
    }
    check_kind(model, wanted)?;
    let asset = state.ledger.account(wanted.account).map(|account| account.asset);
    let asset = asset.ok_or_else(Problem::key_without_account)?;
    let sold = offers_sold(state, model_id, asset, now);
    if sold.is_empty() {
        return Err(no_such_model());
    }
    let available = state.ledger.balance(Account::Member(wanted.account)).map_or(0, |it| it.available());
    Ok(Survey { model: model_id, context: model.context, sold, available })
}

fn check_kind(model: &Model, wanted: &Wanted<'_>) -> Result<(), Problem> {
    let fits = match model.kind {
        Kind::Chat => wanted.endpoint == Endpoint::Chat,
        Kind::Embedding => wanted.endpoint == Endpoint::Embeddings,
    };
    if fits {
        return Ok(());
    }
    let message = format!("`{}` is a model for {}; ask another one.", model.name, model.kind.name());
    Err(Problem::bad_request("model", message))
}

fn offers_sold(state: &State, model: ModelId, asset: Asset, now: Time) -> Vec<Sold> {
    let catalog = &state.catalog;
    let mut sold = Vec::new();
    for (id, offer) in catalog.offers().iter().filter(|(_, offer)| offer.model == model) {
        let Some((_, schedule)) = catalog.schedule_at(*id, now) else {
            continue;
        };
        let Some(site) = catalog.sites().get(&offer.site) else {
            continue;
        };
        if catalog.is_open(*id) && schedule.asset == asset {
            let (site_name, terms) = (site.name.clone(), offer.terms.clone());
            sold.push(Sold { id: *id, site_name, terms, prices: schedule.prices });
        }
    }
    sold
}

/// A candidate with its rank and its prices.
struct Ranked {
    rank: Rank,
    prices: Buckets,
    candidate: Candidate,
}

/// Smaller is better: healthy, with a free place, cheap, countable, quick.
type Rank = (bool, bool, Amount, Reverse<bool>, u64, OfferId);

pub(crate) fn choose(
    survey: &Survey,
    wanted: &Wanted<'_>,
    options: &Options,
    health: &Health,
    now: Time,
) -> Result<Route, Problem> {
    let mut ranked: Vec<Ranked> = Vec::new();
    for sold in &survey.sold {
        if let Some(candidate) = candidate(sold, wanted, options, &ranked) {
            let rank = rank(sold, &candidate, survey.context, wanted, health, now);
            ranked.push(Ranked { rank, prices: sold.prices, candidate });
        }
    }
    if ranked.is_empty() {
        return Err(Problem::no_provider(wanted.model));
    }
    ranked.sort_by_key(|it| it.rank);
    ranked.truncate(CANDIDATES_MAX);
    let input_bound = ranked.iter().map(|it| it.candidate.sent.bound()).max().unwrap_or(0);
    let count_first = worth_counting(survey, wanted, input_bound, &ranked);
    let candidates = ranked.into_iter().map(|it| it.candidate).collect();
    Ok(Route { model: survey.model, context: survey.context, input_bound, count_first, candidates })
}

/// The offer with the prompt as it counts it; none if its site is not configured or its counter is not loaded. Offers that
/// count alike share one rendered prompt.
fn candidate(sold: &Sold, wanted: &Wanted<'_>, options: &Options, others: &[Ranked]) -> Option<Candidate> {
    options.upstreams.get(&sold.site_name)?;
    let Some(counter) = options.registry.counter(&sold.terms) else {
        options.registry.warn_of(sold.id);
        return None;
    };
    let known = others.iter().map(|other| &other.candidate.sent).find(|sent| sent.counter.is_same(&counter));
    let sent = match known {
        Some(sent) => Arc::clone(sent),
        None => Arc::new(Sent::new(counter, wanted.endpoint, wanted.body)),
    };
    Some(Candidate {
        offer: sold.id,
        site_name: sold.site_name.clone(),
        upstream_model: sold.terms.upstream_model.clone(),
        output_max: sold.terms.output_max,
        concurrency_max: sold.terms.concurrency_max,
        sent,
    })
}

fn rank(
    sold: &Sold,
    candidate: &Candidate,
    context: u64,
    wanted: &Wanted<'_>,
    health: &Health,
    now: Time,
) -> Rank {
    let record = health.of(sold.id);
    let full = record.in_flight >= candidate.concurrency_max;
    let usage = Buckets::default()
        .with(Bucket::InputUncached, candidate.sent.bound())
        .with(Bucket::OutputVisible, output_total(candidate, context, wanted));
    let cost = price::total(&usage, &sold.prices).unwrap_or(Amount::MAX);
    let countable = Reverse(candidate.sent.is_countable());
    (!record.is_healthy(now), full, cost, countable, record.first_token_ms.unwrap_or(0), sold.id)
}

/// The most output tokens that all choices together may have.
fn output_total(candidate: &Candidate, context: u64, wanted: &Wanted<'_>) -> u64 {
    if wanted.endpoint == Endpoint::Embeddings {
        return 0;
    }
    let possible = candidate.output_max.min(context);
    let each = wanted.output_asked.map_or(possible, |asked| asked.min(possible));
    each.saturating_mul(wanted.choices.into())
}

/// Whether the bound would probably be refused or clamped where the exact count might not. This only decides what is counted
/// when, never what is granted.
fn worth_counting(survey: &Survey, wanted: &Wanted<'_>, input_bound: u64, ranked: &[Ranked]) -> bool {
    let Some(first) = ranked.first().map(|it| &it.candidate.sent) else {
        return false;
    };
    let countable = first.is_countable() && ranked.iter().all(|it| it.candidate.sent.counts_as(first));
    let dearest = ranked.iter().filter_map(|it| {
        let output = output_total(&it.candidate, survey.context, wanted);
        price::bound(input_bound.min(survey.context), output, &it.prices)
    });
    // Without money nothing can be afforded, so nothing is worth counting.
    countable && survey.available > 0 && dearest.max().is_some_and(|amount| amount > survey.available)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::Vocabulary;
    use crate::health::Observation;
    use crate::market::{self, Books};
    use crate::options::Upstream;
    use crate::registry::Registry;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use sycee_core::catalog::{Command, Subject};
    use sycee_core::ids::Hash;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata};

    /// What the market is like when the request comes.
    struct Scene {
        books: Books,
        options: Options,
        health: Health,
    }

    impl Scene {
        fn new() -> Self {
            let mut options = Options::default();
            for site in market::SITES {
                options
                    .upstreams
                    .insert(site.to_owned(), Upstream { url: "http://site".to_owned(), secret: None });
            }
            Self { books: Books::new(market::CREDIT), options, health: Health::default() }
        }

        fn suspend(&mut self, subject: Subject) {
            self.books.apply(Command::SetStanding { subject, standing: Standing::Suspended });
        }

        /// The sites in the order in which they would be tried, or the status and code of the refusal.
        fn check(&self, model: &str, max: Option<u64>, expect: &str) -> Option<Route> {
            let body = json!({"messages": [{"role": "user", "content": "Hi"}], "input": "Hi"});
            let Value::Object(body) = body else { unreachable!("it is an object") };
            let account = self.books.consumer.account;
            let (endpoint, choices) = (Endpoint::Chat, 1);
            let wanted = Wanted { model, endpoint, account, output_asked: max, choices, body: &body };
            let now = self.books.now();
            let route = survey(&self.books.state, &wanted, now)
                .and_then(|survey| choose(&survey, &wanted, &self.options, &self.health, now));
            let seen = match &route {
                Ok(route) => {
                    route.candidates.iter().map(|it| it.site_name.clone()).collect::<Vec<_>>().join(" ")
                }
                Err(problem) => format!("{} {}", problem.status, problem.code),
            };
            assert_eq!(seen, expect);
            route.ok()
        }
    }

    #[test]
    fn the_cheapest_healthy_offer_comes_first() {
        let scene = Scene::new();
        let [cheap, dear] = [scene.books.market.offers[0], scene.books.market.offers[1]];
        scene.check(market::CHAT, None, "Cheap Dear");
        for _ in 0..3 {
            assert!(scene.health.enter(cheap, 9), "there is room");
            scene.health.leave(cheap, Observation::Failed, scene.books.now());
        }
        scene.check(market::CHAT, None, "Dear Cheap");
        for _ in 0..3 {
            assert!(scene.health.enter(dear, 9), "there is room");
            scene.health.leave(dear, Observation::Failed, scene.books.now());
        }
        scene.check(market::CHAT, None, "Cheap Dear");
    }

    #[test]
    fn a_full_offer_comes_last() {
        let scene = Scene::new();
        let cheap = scene.books.market.offers[0];
        (0..market::terms().concurrency_max).for_each(|_| assert!(scene.health.enter(cheap, u32::MAX)));
        scene.check(market::CHAT, None, "Dear Cheap");
    }

    #[test]
    fn what_is_not_sold_does_not_exist() {
        let mut scene = Scene::new();
        scene.check("nothing", None, "404 model_not_found");
        scene.check("DOCS-1", None, "404 model_not_found");
        scene.check(market::EMBEDDING, None, "400 invalid_request");
        scene.suspend(Subject::Offer(scene.books.market.offers[0]));
        scene.check(market::CHAT, None, "Dear");
        scene.suspend(Subject::Offer(scene.books.market.offers[1]));
        scene.check(market::CHAT, None, "404 model_not_found");
        let mut scene = Scene::new();
        scene.suspend(Subject::Model(scene.books.market.chat));
        scene.check(market::CHAT, None, "404 model_not_found");
    }

    #[test]
    fn what_is_sold_but_cannot_be_reached_or_counted_here_is_left_out() {
        let mut scene = Scene::new();
        scene.options.upstreams.remove(market::SITES[0]);
        scene.check(market::CHAT, None, "Dear");
        let offer = scene.books.market.offers[1];
        let terms = OfferTerms { tokenizer: Some(Hash([9; 32])), ..market::terms() };
        scene.books.apply(Command::ChangeOffer { offer, terms });
        scene.check(market::CHAT, None, "503 no_provider_available");
    }

    /// Counts what is logged at the level of a warning.
    #[derive(Clone, Default)]
    struct Warnings(Arc<AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.level() == &Level::WARN
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_an_offer_misses_is_said_once_until_something_else_is_loaded() {
        let mut scene = Scene::new();
        let offer = scene.books.market.offers[1];
        let terms = OfferTerms { tokenizer: Some(Hash([9; 32])), ..market::terms() };
        scene.books.apply(Command::ChangeOffer { offer, terms });
        let warnings = Warnings::default();
        let _capturing = tracing::subscriber::set_default(warnings.clone());
        for expect in [1, 2] {
            for _ in 0..3 {
                scene.check(market::CHAT, None, "Cheap");
            }
            assert_eq!(warnings.0.load(Ordering::Relaxed), expect);
            scene.options.registry = Registry::default();
        }
    }

    #[test]
    fn a_prompt_is_counted_first_only_where_that_can_change_something() {
        let scene = Scene::new();
        let first = |max| scene.check(market::CHAT, max, "Cheap Dear").unwrap().count_first;
        // One credit buys 125,000 tokens of the dearer site; without a template nothing can be counted exactly.
        assert!(!first(Some(1_000)) && !first(Some(150_000)));
        let mut scene = Scene::new();
        let source = "{% for message in messages %}{{ message.content }}{% endfor %}";
        let template = crate::template::Template::new(source, "", "").unwrap();
        let chat_template = Some(scene.options.registry.add_template(template));
        for offer in scene.books.market.offers.clone() {
            let tokenizer = Some(Hash(Vocabulary::O200kBase.hash()));
            let terms = OfferTerms { tokenizer, chat_template, ..market::terms() };
            scene.books.apply(Command::ChangeOffer { offer, terms });
        }
        let first = |max| scene.check(market::CHAT, max, "Cheap Dear").unwrap().count_first;
        assert!(!first(Some(1_000)) && first(Some(150_000)) && first(None));
    }
}
