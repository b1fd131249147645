//! Counting what is sent: chat messages through a template, and inputs as they are.
use serde_json::{Value, json};

use super::{Counted, Obstacle, Tokenizer, Vocabulary};
use crate::template::Template;

/// Tokens of markup that an unknown template may add per message, and once per request. Only for estimates.
const MARKUP_PER_MESSAGE: u64 = 8;
const MARKUP_ONCE: u64 = 16;

/// A chat prompt, rendered but not yet counted. Rendering costs microseconds; counting may not.
#[derive(Debug)]
pub struct Prompt {
    /// The rendered prompt, or the plain texts where it could not be rendered.
    text: String,
    messages: u64,
    obstacle: Option<Obstacle>,
}

impl Prompt {
    /// Renders messages. `obstacle` is what the rest of the request already put in the way (tools, template arguments).
    pub fn new(template: Option<&Template>, messages: &Value, obstacle: Option<Obstacle>) -> Self {
        let rendered = match (obstacle, template) {
            (Some(obstacle), _) => Err(obstacle),
            (None, None) => Err(Obstacle::NoTemplate),
            (None, Some(template)) => render(template, messages),
        };
        let count = messages.as_array().map_or(0, Vec::len) as u64;
        match rendered {
            Ok(text) => Self { text, messages: count, obstacle: None },
            Err(obstacle) => {
                let mut text = String::new();
                append_texts(messages, &mut text);
                Self { text, messages: count, obstacle: Some(obstacle) }
            }
        }
    }

    /// Why the count will only be an estimate, if so.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.obstacle
    }

    /// An upper bound of the tokens from the bytes alone. It is proved where the prompt was rendered and the tokenizer allows;
    /// `None` means that the caller must count, or bound the prompt by the context window.
    pub fn bound(&self, tokenizer: Option<&Tokenizer>) -> Option<u64> {
        if self.obstacle.is_some() {
            return None;
        }
        tokenizer?.bound(self.text.len())
    }

    /// Counts the prompt. An estimate uses the embedded default vocabulary where the offer pins nothing.
    pub fn count(&self, tokenizer: Option<&Tokenizer>) -> Counted {
        let counted = tokenizer.map(|tokenizer| tokenizer.count_prompt(&self.text));
        let markup = MARKUP_ONCE + MARKUP_PER_MESSAGE * self.messages;
        match (self.obstacle, counted) {
            (None, Some(Ok(tokens))) => Counted::exact(tokens),
            (Some(obstacle), Some(Ok(tokens))) => Counted::estimate(tokens + markup, obstacle),
            (obstacle, Some(Err(_))) => Counted::estimate(
                default_count(&self.text) + markup,
                obstacle.unwrap_or(Obstacle::TokenizerFailed),
            ),
            (obstacle, None) => Counted::estimate(
                default_count(&self.text) + markup,
                obstacle.unwrap_or(Obstacle::NoTokenizer),
            ),
        }
    }
}

/// Counts texts that go to the model as they are, with the markers that the model adds to each.
pub fn inputs_count(tokenizer: Option<&Tokenizer>, inputs: &[&str]) -> Counted {
    let Some(tokenizer) = tokenizer else {
        return Counted::estimate(
            inputs.iter().map(|input| default_count(input)).sum(),
            Obstacle::NoTokenizer,
        );
    };
    match inputs.iter().map(|input| tokenizer.count_input(input)).sum() {
        Ok(tokens) => Counted::exact(tokens),
        Err(_) => Counted::estimate(
            inputs.iter().map(|input| default_count(input)).sum(),
            Obstacle::TokenizerFailed,
        ),
    }
}

fn default_count(text: &str) -> u64 {
    Vocabulary::O200kBase.count(text)
}

/// Renders the messages if every engine would render the same.
fn render(template: &Template, messages: &Value) -> Result<String, Obstacle> {
    let list = messages.as_array().ok_or(Obstacle::Message)?;
    let plain: Vec<Value> = list.iter().map(plain).collect::<Result<_, _>>()?;
    if list.last().is_some_and(|message| message["role"] == "assistant") {
        return Err(Obstacle::Prefill);
    }
    let rendered = template.render(&Value::Array(plain.clone())).map_err(|_| Obstacle::TemplateFailed)?;
    if list.iter().any(has_more_than_plain) {
        // Names and the like matter only if this template looks at them.
        let whole: Vec<Value> =
            list.iter().zip(&plain).map(|(message, plain)| with_content_of(message, plain)).collect();
        let other = template.render(&Value::Array(whole)).map_err(|_| Obstacle::TemplateFailed)?;
        if other != rendered {
            return Err(Obstacle::Message);
        }
    }
    if template.is_dated() { Err(Obstacle::TemplateDated) } else { Ok(rendered) }
}

/// The role and the text of a message, or what keeps it from being only that.
fn plain(message: &Value) -> Result<Value, Obstacle> {
    let role = message["role"].as_str().ok_or(Obstacle::Message)?;
    if ["tool_calls", "function_call", "tool_call_id"].iter().any(|field| !message[*field].is_null()) {
        return Err(Obstacle::Tools);
    }
    match role {
        "system" | "user" | "assistant" => {}
        "tool" | "function" => return Err(Obstacle::Tools),
        _ => return Err(Obstacle::Message),
    }
    if !message["audio"].is_null() {
        return Err(Obstacle::Media);
    }
    Ok(json!({"role": role, "content": text_of(&message["content"])?}))
}

/// Engines agree on a text and on one text part; how several parts are joined depends on the engine.
fn text_of(content: &Value) -> Result<&str, Obstacle> {
    match content {
        Value::String(text) => Ok(text),
        Value::Array(parts) => {
            if parts.iter().any(|part| part["type"] != "text") {
                return Err(Obstacle::Media);
            }
            match parts.as_slice() {
                [part] => part["text"].as_str().ok_or(Obstacle::Message),
                _ => Err(Obstacle::Message),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(Obstacle::Message),
    }
}

fn has_more_than_plain(message: &Value) -> bool {
    message.as_object().is_some_and(|fields| fields.keys().any(|name| name != "role" && name != "content"))
}

fn with_content_of(message: &Value, plain: &Value) -> Value {
    let mut message = message.clone();
    message["content"] = plain["content"].clone();
    message
}

/// Every text of messages that could not be rendered, one per line.
fn append_texts(value: &Value, text: &mut String) {
    match value {
        Value::String(part) => {
            text.push_str(part);
            text.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| append_texts(item, text)),
        Value::Object(fields) => {
            let named = [
                "role",
                "content",
                "text",
                "reasoning_content",
                "tool_calls",
                "function",
                "name",
                "arguments",
            ];
            named.iter().filter_map(|name| fields.get(*name)).for_each(|field| append_texts(field, text));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
