//! What counts for an offer: its tokenizer and template, and the prompt of one request as they see it.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Map, Value};
use sycee_core::catalog::OfferTerms;
use sycee_core::ids::{Hash, OfferId};
use sycee_core::settlement::Endpoint;

use crate::count::{Counted, Obstacle, Prompt, Tokenizer, Vocabulary, inputs_count};
use crate::template::Template;

/// Loaded tokenizers and templates by hash. The embedded vocabularies are always there.
#[derive(Debug)]
pub struct Registry {
    tokenizers: BTreeMap<Hash, Arc<Tokenizer>>,
    templates: BTreeMap<Hash, Arc<Template>>,
    /// Offers that were found to pin what is not here.
    missed: Mutex<BTreeSet<OfferId>>,
}

/// Watches answers that nothing verified counts, so that their marks have a number.
static ESTIMATOR: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::embedded(Vocabulary::O200kBase));

impl Default for Registry {
    fn default() -> Self {
        let (tokenizers, templates) = (BTreeMap::new(), BTreeMap::new());
        let mut registry = Self { tokenizers, templates, missed: Mutex::default() };
        for vocabulary in [Vocabulary::O200kBase, Vocabulary::Cl100kBase] {
            registry.add_tokenizer(Tokenizer::embedded(vocabulary));
        }
        registry
    }
}

impl Registry {
    pub fn add_tokenizer(&mut self, tokenizer: Tokenizer) -> Hash {
        let hash = Hash(tokenizer.hash());
        self.tokenizers.insert(hash, Arc::new(tokenizer));
        hash
    }

    pub fn add_template(&mut self, template: Template) -> Hash {
        let hash = Hash(template.hash());
        self.templates.insert(hash, Arc::new(template));
        hash
    }

    /// What counts for an offer; `None` if it pins something that is not loaded here, so that nothing could be verified.
    pub fn counter(&self, terms: &OfferTerms) -> Option<Counter> {
        let tokenizer = match terms.tokenizer {
            Some(hash) => Some(Arc::clone(self.tokenizers.get(&hash)?)),
            None => None,
        };
        let template = match terms.chat_template {
            Some(hash) => Some(Arc::clone(self.templates.get(&hash)?)),
            None => None,
        };
        Some(Counter { tokenizer, template })
    }

    /// Says that an offer pins what is not loaded here: once until something else is loaded, and not for each request.
    pub(crate) fn warn_of(&self, offer: OfferId) {
        if self.missed.lock().expect("nothing panics while it holds the offers").insert(offer) {
            tracing::warn!(%offer, "the tokenizer or template that the offer pins is not loaded");
        }
    }
}

/// What counts for one offer.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    tokenizer: Option<Arc<Tokenizer>>,
    template: Option<Arc<Template>>,
}

impl Counter {
    /// What the offer pins.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_deref()
    }

    /// What the offer pins, or a common vocabulary for estimates.
    pub fn tokenizer_or_estimator(&self) -> &Tokenizer {
        self.tokenizer().unwrap_or(&ESTIMATOR)
    }

    /// Whether both count alike.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_tokenizer =
            self.tokenizer.as_deref().map(Tokenizer::hash) == other.tokenizer.as_deref().map(Tokenizer::hash);
        same_tokenizer
            && self.template.as_deref().map(Template::hash) == other.template.as_deref().map(Template::hash)
    }
}

/// The prompt of one request as one counter sees it.
#[derive(Debug)]
pub struct Sent {
    pub counter: Counter,
    source: Source,
    /// Bytes of everything in the request that may become prompt.
    bytes: u64,
}

#[derive(Debug)]
enum Source {
    Chat(Prompt),
    Inputs(Vec<String>),
    /// The client sent tokens itself.
    Tokens(u64),
}

impl Sent {
    /// Renders what `body` asks as `counter` sees it.
    pub fn new(counter: Counter, endpoint: Endpoint, body: &Map<String, Value>) -> Self {
        let source = match endpoint {
            Endpoint::Chat => {
                let messages = body.get("messages").unwrap_or(&Value::Null);
                Source::Chat(Prompt::new(counter.template.as_deref(), messages, obstacle(body)))
            }
            Endpoint::Embeddings => source_of_inputs(body.get("input").unwrap_or(&Value::Null)),
        };
        let parts = ["messages", "input", "tools", "functions", "response_format", "documents"];
        let bytes =
            parts.iter().filter_map(|part| body.get(*part)).map(|part| part.to_string().len()).sum::<usize>();
        Self { counter, source, bytes: bytes as u64 }
    }

    /// Whether it counts like another.
    pub fn counts_as(&self, other: &Self) -> bool {
        self.counter.is_same(&other.counter)
    }

    /// Whether the count will be exact, as far as one can tell before counting.
    pub fn is_countable(&self) -> bool {
        let unhindered = match &self.source {
            Source::Chat(prompt) => prompt.obstacle().is_none(),
            Source::Inputs(_) | Source::Tokens(_) => true,
        };
        unhindered && self.counter.tokenizer.is_some()
    }

    /// No prompt of this request has more tokens: proved for what can be counted; else every byte of the request counts as a
    /// token, with room for the markup of a template. The context window bounds it in any case.
    pub fn bound(&self) -> u64 {
        const MARKUP: u64 = 64;
        let tokenizer = self.counter.tokenizer();
        let proved = match &self.source {
            Source::Chat(prompt) => prompt.bound(tokenizer),
            Source::Inputs(inputs) => {
                inputs.iter().map(|input| tokenizer?.bound(input.len())).sum::<Option<u64>>()
            }
            Source::Tokens(tokens) => Some(*tokens),
        };
        proved.unwrap_or_else(|| self.bytes.saturating_add(MARKUP))
    }

    /// Bytes to count.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// The count.
    pub fn count(&self) -> Counted {
        let tokenizer = self.counter.tokenizer();
        match &self.source {
            Source::Chat(prompt) => prompt.count(tokenizer),
            Source::Inputs(inputs) => {
                inputs_count(tokenizer, &inputs.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Source::Tokens(tokens) => Counted::exact(*tokens),
        }
    }
}

/// What in the request keeps its messages from being the whole prompt.
fn obstacle(body: &Map<String, Value>) -> Option<Obstacle> {
    let given = |name: &str| {
        body.get(name).is_some_and(|value| !value.is_null() && value != &Value::Array(Vec::new()))
    };
    if given("tools") || given("functions") {
        return Some(Obstacle::Tools);
    }
    let template_arguments = [
        "chat_template",
        "chat_template_kwargs",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "reasoning_effort",
        "response_format",
    ];
    template_arguments.iter().any(|name| given(name)).then_some(Obstacle::TemplateArguments)
}

fn source_of_inputs(input: &Value) -> Source {
    match input {
        Value::String(text) => Source::Inputs(vec![text.clone()]),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Source::Inputs(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Value::Array(items) => {
            let tokens: usize = items.iter().map(|item| item.as_array().map_or(1, Vec::len)).sum();
            Source::Tokens(tokens as u64)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Source::Inputs(Vec::new()),
    }
}
