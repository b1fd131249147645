//! What a client may ask, as far as a simulated provider cares. Unknown fields are let through, as the protocol wants.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::answer::Problem;

#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    pub(crate) messages: Vec<Value>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    stop: Option<OneOrMore>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    pub(crate) seed: Option<i64>,
    #[serde(default)]
    tools: Vec<Value>,
    tool_choice: Option<Value>,
    /// Not of the protocol, but engines have it: go on to `max_tokens` exactly.
    ignore_eos: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct EmbeddingsRequest {
    pub(crate) model: String,
    input: EmbeddingInput,
    #[serde(default)]
    pub(crate) encoding_format: EncodingFormat,
    pub(crate) dimensions: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum EmbeddingInput {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

/// One text to embed: its bytes, and its tokens if the client counted them itself.
#[derive(Debug)]
pub(crate) struct EmbeddingText {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tokens: u64,
}

const CHOICES_MAX: usize = 16;
const STOPS_MAX: usize = 16;
const EMBEDDINGS_MAX: usize = 2048;

impl ChatRequest {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let request: Self = read_json(body)?;
        let wrong = if request.messages.is_empty() {
            ("messages", "messages must not be empty")
        } else if request.messages.iter().any(|message| !message["role"].is_string()) {
            ("messages", "each message needs a role")
        } else if !(1..=CHOICES_MAX).contains(&request.choices()) {
            ("n", "n must be between 1 and 16")
        } else if request.max_tokens() == Some(0) {
            ("max_tokens", "max_tokens must be at least 1")
        } else if request.stops().len() > STOPS_MAX || request.stops().iter().any(String::is_empty) {
            ("stop", "stop takes up to 16 strings that are not empty")
        } else if request.stream_options.is_some() && !request.is_stream() {
            ("stream_options", "stream_options is only allowed when stream is true")
        } else {
            return Ok(request);
        };
        Err(Problem::invalid(wrong.1).about(wrong.0))
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.stream == Some(true)
    }

    pub(crate) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage == Some(true))
    }

    pub(crate) fn choices(&self) -> usize {
        self.n.unwrap_or(1)
    }

    pub(crate) fn max_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(crate) fn ignores_end(&self) -> bool {
        self.ignore_eos == Some(true)
    }

    pub(crate) fn stops(&self) -> &[String] {
        match &self.stop {
            None => &[],
            Some(OneOrMore::One(stop)) => std::slice::from_ref(stop),
            Some(OneOrMore::More(stops)) => stops,
        }
    }

    /// The tool that the reply must call, if the request insists on one.
    pub(crate) fn demanded_tool(&self) -> Option<&str> {
        match self.tool_choice.as_ref()? {
            Value::String(choice) if choice == "required" => Some(self.first_tool()),
            choice => choice["function"]["name"].as_str(),
        }
    }

    pub(crate) fn first_tool(&self) -> &str {
        self.tools.first().and_then(|tool| tool["function"]["name"].as_str()).unwrap_or("look_up")
    }

    /// The text of the last message of a person, its parts joined.
    pub(crate) fn question(&self) -> String {
        let last = self.messages.iter().rev().find(|message| message["role"] == "user");
        match last.map(|message| &message["content"]) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => String::new(),
        }
    }
}

impl EmbeddingsRequest {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        read_json(body)
    }

    pub(crate) fn texts(&self) -> Result<Vec<EmbeddingText>, Problem> {
        let text = |text: &String| EmbeddingText {
            bytes: text.as_bytes().to_vec(),
            tokens: super::tokens::count(text),
        };
        let tokens = |tokens: &Vec<u32>| EmbeddingText {
            bytes: tokens.iter().flat_map(|token| token.to_le_bytes()).collect(),
            tokens: tokens.len() as u64,
        };
        let texts: Vec<_> = match &self.input {
            EmbeddingInput::Text(one) => vec![text(one)],
            EmbeddingInput::Texts(many) => many.iter().map(text).collect(),
            EmbeddingInput::Tokens(one) => vec![tokens(one)],
            EmbeddingInput::TokenLists(many) => many.iter().map(tokens).collect(),
        };
        if texts.is_empty() || texts.len() > EMBEDDINGS_MAX || texts.iter().any(|text| text.bytes.is_empty())
        {
            let message = "input takes 1 to 2048 texts that are not empty";
            return Err(Problem::invalid(message).about("input"));
        }
        Ok(texts)
    }
}

pub(crate) fn read_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "invalid_request_error", error.to_string()))
}
