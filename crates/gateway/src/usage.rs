//! Usage: what a provider says a request used, normalised once into the ten disjoint buckets.
//!
//! Every protocol reports overlapping numbers in its own way: caches inside or outside the prompt, reasoning inside or
//! outside the completion, cumulative or repeated in a stream. [`normalise`] turns one object, and [`normalise_sequence`]
//! the objects of a whole stream, into a [`Report`] whose buckets are disjoint, so that each token is priced once. The raw
//! object is dropped then; nothing else in Sycee reads provider usage.
//!
//! A number that is negative, fractional, not a number, or above the context window is refused with a [`Flaw`]; its whole
//! side of the report is then worth nothing and the provider is marked. [`resolve()`] settles what is billed: on a side that the
//! gateway counted itself the bill is that count, whatever the report says.
//!
//! | protocol | caches | reasoning | stream |
//! |---|---|---|---|
//! | `openai` and kin | inside the prompt | inside the completion, unless the total shows otherwise | last object wins |
//! | `anthropic` and kin | outside `input_tokens` | inside `output_tokens` | fields are cumulative: overwrite each |
//! | `gemini` | inside `promptTokenCount` | outside `candidatesTokenCount`, unless the total shows otherwise | last object wins |
//! | `xai` | inside the prompt | outside, unless total = prompt + completion | last object wins |
use serde_json::Value;
use sycee_core::buckets::Buckets;

mod anthropic;
pub mod calc;
mod gemini;
mod openai;
mod read;
pub mod resolve;
#[cfg(test)]
mod tests;

pub use calc::calc_usage;
pub use resolve::{Basis, Bill, Dispute, Own, Trust, resolve};

/// How a provider words its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    OpenAi,
    OpenAiStream,
    OpenAiResponses,
    OpenAiEmbeddings,
    Anthropic,
    AnthropicStream,
    Gemini,
    Xai,
}

impl Protocol {
    /// All protocols, in the order of the table above.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::OpenAiStream,
        Self::OpenAiResponses,
        Self::OpenAiEmbeddings,
        Self::Anthropic,
        Self::AnthropicStream,
        Self::Gemini,
        Self::Xai,
    ];

    /// The name in configuration and in cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiStream => "openai stream",
            Self::OpenAiResponses => "openai responses",
            Self::OpenAiEmbeddings => "openai embeddings",
            Self::Anthropic => "anthropic",
            Self::AnthropicStream => "anthropic stream",
            Self::Gemini => "gemini",
            Self::Xai => "xai",
        }
    }

    /// The protocol of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }
}

/// Context window assumed where an offer or a case names none.
pub const CONTEXT_WINDOW_DEFAULT: u64 = 1_048_576;

/// The most tokens that a report may claim on each side; more is absurd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    pub input: u64,
    pub output: u64,
}

impl Ceiling {
    /// One prompt and one answer in a context window. A request with several inputs or choices multiplies its sides.
    pub fn window(tokens: u64) -> Self {
        Self { input: tokens, output: tokens }
    }
}

/// Why a reported number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Negative,
    Fractional,
    NotANumber,
    Overflow,
    AboveWindow,
}

impl Reason {
    /// The stable name in receipts and in the output of `calc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Fractional => "fractional",
            Self::NotANumber => "not_a_number",
            Self::Overflow => "overflow",
            Self::AboveWindow => "above_window",
        }
    }
}

/// A refused number: where it stood, as a JSON pointer into the usage object, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub field: &'static str,
    pub reason: Reason,
}

/// What a report says about its input or its output side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing: no usage, or not the field this side needs.
    Absent,
    /// Believable numbers; they are in the buckets.
    Stated,
    /// A number that cannot be; the side's buckets are zero.
    Refused(Flaw),
}

/// A normalised report: disjoint buckets, and what each side of them is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub buckets: Buckets,
    pub input: Side,
    pub output: Side,
}

impl Report {
    /// The report of a provider that said nothing.
    pub const ABSENT: Self = Self { buckets: Buckets([0; 10]), input: Side::Absent, output: Side::Absent };

    /// Joins what was read of the two sides.
    fn of(input: read::SideRead, output: read::SideRead) -> Self {
        let mut report = Self::ABSENT;
        report.take(true, input);
        report.take(false, output);
        report
    }

    fn take(&mut self, is_input: bool, read: read::SideRead) {
        let side = match read {
            Ok(None) => Side::Absent,
            Err(flaw) => Side::Refused(flaw),
            Ok(Some(parts)) => {
                for (bucket, tokens) in parts.iter().filter(|(bucket, _)| bucket.is_input() == is_input) {
                    self.buckets.set(bucket, tokens);
                }
                Side::Stated
            }
        };
        *(if is_input { &mut self.input } else { &mut self.output }) = side;
    }

    /// Fills the sides that this report lacks from an earlier one of the same stream.
    fn or_earlier(mut self, earlier: &Self) -> Self {
        for is_input in [true, false] {
            let (mine, theirs) =
                if is_input { (&mut self.input, earlier.input) } else { (&mut self.output, earlier.output) };
            if *mine != Side::Absent {
                continue;
            }
            *mine = theirs;
            for (bucket, tokens) in earlier.buckets.iter().filter(|(bucket, _)| bucket.is_input() == is_input)
            {
                self.buckets.set(bucket, tokens);
            }
        }
        self
    }
}

/// Normalises one usage object. `null` and anything that is not an object say nothing.
pub fn normalise(protocol: Protocol, usage: &Value, ceiling: Ceiling) -> Report {
    if !usage.is_object() {
        return Report::ABSENT;
    }
    match protocol {
        Protocol::OpenAi | Protocol::OpenAiStream | Protocol::OpenAiResponses => {
            openai::report(usage, ceiling, openai::Reasoning::Inside)
        }
        Protocol::Xai => openai::report(usage, ceiling, openai::Reasoning::Outside),
        Protocol::OpenAiEmbeddings => openai::embeddings(usage, ceiling),
        Protocol::Anthropic | Protocol::AnthropicStream => anthropic::report(usage, ceiling),
        Protocol::Gemini => gemini::report(usage, ceiling),
    }
}

/// Normalises the usage objects of one stream, in order of arrival. Nothing is ever added up: Anthropic's fields are
/// cumulative, so each overwrites its predecessor; elsewhere the last object that states a side holds for that side.
pub fn normalise_sequence(protocol: Protocol, usages: &[Value], ceiling: Ceiling) -> Report {
    match protocol {
        Protocol::Anthropic | Protocol::AnthropicStream => {
            let mut merged = Value::Null;
            for usage in usages {
                overwrite(&mut merged, usage);
            }
            normalise(protocol, &merged, ceiling)
        }
        Protocol::OpenAi
        | Protocol::OpenAiStream
        | Protocol::OpenAiResponses
        | Protocol::OpenAiEmbeddings
        | Protocol::Gemini
        | Protocol::Xai => usages
            .iter()
            .rev()
            .map(|usage| normalise(protocol, usage, ceiling))
            .fold(Report::ABSENT, |latest, earlier| latest.or_earlier(&earlier)),
    }
}

/// Overwrites field by field, deep; a `null` overwrites nothing.
fn overwrite(into: &mut Value, from: &Value) {
    match (&mut *into, from) {
        (_, Value::Null) => {}
        (Value::Object(fields), Value::Object(newer)) => {
            for (name, value) in newer {
                overwrite(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (slot, value) => *slot = value.clone(),
    }
}

/// Finds the usage object in a whole answer, chunk or event, wherever providers put it: at the top, under the first
/// choice (Kimi), inside `message` (Anthropic's first event) or `response` (Responses API), or as `usageMetadata` (Gemini).
pub fn find(body: &Value) -> Option<&Value> {
    const PLACES: [&str; 6] = [
        "/usage",
        "/choices/0/usage",
        "/message/usage",
        "/response/usage",
        "/usageMetadata",
        "/usage_metadata",
    ];
    PLACES.iter().find_map(|place| body.pointer(place).filter(|usage| usage.is_object()))
}
