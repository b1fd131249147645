//! Chunks: what a provider's answer says, whole or in the pieces of a stream, and how it is passed on.
//!
//! An answer is parsed once, read for what is billed and where it ends, and written again with the names that this platform
//! uses. Fields that nobody here knows pass through untouched.
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind};
use crate::usage;

/// Which kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Visible,
    Reasoning,
    /// Names and arguments of tool calls.
    Tool,
}

/// Text of one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub choice: u32,
    pub part: Part,
    pub text: String,
}

/// A chunk of a stream, or a whole plain answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    value: Map<String, Value>,
    pub pieces: Vec<Piece>,
    /// Finish reasons by choice.
    pub finishes: Vec<(u32, String)>,
    /// What the provider says it used.
    pub usage: Option<Value>,
}

/// What stands in every chunk of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub id: Value,
    pub created: Value,
    pub model: String,
}

impl Chunk {
    /// Reads one chunk or answer. An object with a top-level `error` is an error whatever its status was.
    pub fn read(data: &[u8]) -> Result<Self, Error> {
        let mut value: Map<String, Value> = serde_json::from_slice(data)
            .map_err(|error| Error::new(ErrorKind::Upstream, "read an answer as JSON").because(error))?;
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            let text = error_text(error).unwrap_or_else(|| "unnamed".to_owned());
            return Err(Error::new(
                ErrorKind::Upstream,
                format!("get an answer: the provider says {text:?}"),
            ));
        }
        let whole = Value::Object(value);
        let usage = usage::find(&whole).cloned();
        let (pieces, finishes) = read_choices(&whole);
        value = match whole {
            Value::Object(value) => value,
            _ => unreachable!("it was made from an object"),
        };
        Ok(Self { value, pieces, finishes, usage })
    }

    /// Whether it carries anything that a model made.
    pub fn has_content(&self) -> bool {
        self.pieces.iter().any(|piece| !piece.text.is_empty())
    }

    /// Whether there is a list of that name, as every sound answer has.
    pub fn has_list(&self, name: &str) -> bool {
        self.value.get(name).is_some_and(Value::is_array)
    }

    /// Whether there is anything but usage in it.
    pub fn has_choices(&self) -> bool {
        self.value.get("choices").and_then(Value::as_array).is_some_and(|choices| !choices.is_empty())
    }

    /// The names to use for the whole stream, taken from this chunk where it has them.
    pub fn names(&self, request: &str, created_s: u64, model: &str) -> Names {
        let id = self.value.get("id").filter(|id| id.as_str().is_some_and(|id| !id.is_empty()));
        let created = self.value.get("created").filter(|created| created.is_u64());
        Names {
            id: id.cloned().unwrap_or_else(|| json!(format!("chatcmpl-{request}"))),
            created: created.cloned().unwrap_or_else(|| json!(created_s)),
            model: model.to_owned(),
        }
    }

    /// Removes usage wherever it stands; with `null_usage` says `null` instead, as chunks before the last must when the
    /// client asked for usage.
    #[must_use]
    pub fn without_usage(mut self, null_usage: bool) -> Self {
        self.value.remove("usage");
        if let Some(choices) = self.value.get_mut("choices").and_then(Value::as_array_mut) {
            for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                choice.remove("usage");
            }
        }
        if null_usage {
            self.value.insert("usage".to_owned(), Value::Null);
        }
        self
    }

    /// Puts the names of the stream in, whatever the provider called them.
    #[must_use]
    pub fn named(mut self, names: &Names) -> Self {
        self.value.insert("id".to_owned(), names.id.clone());
        self.value.entry("object").or_insert_with(|| json!("chat.completion.chunk"));
        self.value.insert("created".to_owned(), names.created.clone());
        self.value.insert("model".to_owned(), json!(names.model));
        self
    }

    /// Says the role in a choice's first delta if the provider forgot to.
    pub fn introduce(&mut self, introduced: &mut Vec<u32>) {
        let Some(choices) = self.value.get_mut("choices").and_then(Value::as_array_mut) else {
            return;
        };
        for (place, choice) in (0u32..).zip(choices) {
            let index = index_of(choice, place);
            if introduced.contains(&index) {
                continue;
            }
            introduced.push(index);
            if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
                let role = delta.get("role").filter(|role| role.is_string()).cloned();
                delta.insert("role".to_owned(), role.unwrap_or_else(|| json!("assistant")));
            }
        }
    }

    /// The same in parts of at most so many bytes of text, where its text is one field of one delta; else as it is.
    pub fn split(self, bytes_max: usize) -> Vec<Self> {
        let Some((field, text)) = self.only_text().map(|(field, text)| (field, text.to_owned())) else {
            return vec![self];
        };
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = if rest.len() <= bytes_max { rest.len() } else { rest.floor_char_boundary(bytes_max) };
            let (text, after) = rest.split_at(end.max(rest.ceil_char_boundary(1)));
            parts.push(self.part(field, text, parts.is_empty(), after.is_empty()));
            rest = after;
        }
        parts
    }

    /// The field of the only delta that all text stands in, if nothing else in the chunk belongs to the text.
    fn only_text(&self) -> Option<(&'static str, &str)> {
        let [choice] = self.value.get("choices")?.as_array()?.as_slice() else {
            return None;
        };
        let [piece] = self.pieces.as_slice() else {
            return None;
        };
        let delta = choice.get("delta")?.as_object()?;
        let fields = ["content", "refusal", "reasoning_content", "reasoning"];
        let mut said =
            fields.into_iter().filter(|field| delta.get(*field).is_some_and(|value| !value.is_null()));
        let field = said.next().filter(|_| said.next().is_none())?;
        let text = delta.get(field)?.as_str().filter(|text| *text == piece.text)?;
        choice.get("logprobs").is_none_or(Value::is_null).then_some((field, text))
    }

    fn part(&self, field: &str, text: &str, is_first: bool, is_last: bool) -> Self {
        let mut part = self.clone();
        for piece in &mut part.pieces {
            text.clone_into(&mut piece.text);
        }
        let choices = part.value.get_mut("choices").and_then(Value::as_array_mut);
        let choice = choices.and_then(|choices| choices.first_mut()?.as_object_mut());
        let choice = choice.expect("what has one text has one choice");
        let delta = choice.get_mut("delta").and_then(Value::as_object_mut).expect("it has a delta");
        delta.insert(field.to_owned(), json!(text));
        if !is_first {
            delta.remove("role");
        }
        if !is_last {
            choice.insert("finish_reason".to_owned(), Value::Null);
            part.finishes.clear();
        }
        part
    }

    /// A whole answer under our model's name, with the usage that is billed.
    pub fn answered(mut self, model: &str, usage: Option<Value>) -> Value {
        self.value.insert("model".to_owned(), json!(model));
        if let Some(usage) = usage {
            self = self.without_usage(false);
            self.value.insert("usage".to_owned(), usage);
        }
        Value::Object(self.value)
    }

    /// The value as it stands.
    pub fn value(&self) -> &Map<String, Value> {
        &self.value
    }

    /// The same, to be changed.
    pub fn value_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.value
    }
}

/// What an error object says, wherever its text stands.
pub fn error_text(error: &Value) -> Option<String> {
    let text = error.as_str().or_else(|| error.get("message")?.as_str())?;
    Some(text.chars().take(500).collect())
}

fn index_of(choice: &Value, place: u32) -> u32 {
    choice.get("index").and_then(Value::as_u64).and_then(|index| u32::try_from(index).ok()).unwrap_or(place)
}

type Choices = (Vec<Piece>, Vec<(u32, String)>);

fn read_choices(whole: &Value) -> Choices {
    let (mut pieces, mut finishes) = (Vec::new(), Vec::new());
    let choices = whole.get("choices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (place, choice) in (0u32..).zip(choices) {
        let index = index_of(choice, place);
        if let Some(message) = choice.get("delta").or_else(|| choice.get("message")) {
            read_message(index, message, &mut pieces);
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            finishes.push((index, reason.to_owned()));
        }
    }
    (pieces, finishes)
}

fn read_message(choice: u32, message: &Value, pieces: &mut Vec<Piece>) {
    let mut push = |part, text: String| {
        if !text.is_empty() {
            pieces.push(Piece { choice, part, text });
        }
    };
    let text = |field: &str| message.get(field).map_or_else(String::new, text_of);
    push(Part::Visible, text("content"));
    push(Part::Visible, text("refusal"));
    // Some providers repeat the reasoning under both names.
    let reasoning = text("reasoning_content");
    push(Part::Reasoning, if reasoning.is_empty() { text("reasoning") } else { reasoning });
    let calls = message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let functions = calls.iter().filter_map(|call| call.get("function")).chain(message.get("function_call"));
    for function in functions {
        for field in ["name", "arguments"] {
            push(Part::Tool, function.get(field).map_or_else(String::new, text_of));
        }
    }
}

/// Text, or the texts of a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &Value, pieces: &[(u32, Part, &str)], finishes: &[(u32, &str)]) {
        let chunk = Chunk::read(data.to_string().as_bytes()).unwrap();
        let got: Vec<_> = chunk.pieces.iter().map(|it| (it.choice, it.part, it.text.as_str())).collect();
        assert_eq!(got, pieces, "{data}");
        let got: Vec<_> = chunk.finishes.iter().map(|(choice, reason)| (*choice, reason.as_str())).collect();
        assert_eq!(got, finishes, "{data}");
    }

    #[test]
    fn texts_and_finishes() {
        check(&json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}), &[], &[]);
        check(
            &json!({"choices": [{"index": 2, "delta": {"content": "词元"}, "finish_reason": "stop"}]}),
            &[(2, Part::Visible, "词元")],
            &[(2, "stop")],
        );
        check(
            &json!({"choices": [{"delta": {"reasoning_content": "hm", "reasoning": "hm"}}, {"delta": {"reasoning": "so"}}]}),
            &[(0, Part::Reasoning, "hm"), (1, Part::Reasoning, "so")],
            &[],
        );
        check(
            &json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}]}),
            &[(0, Part::Visible, "ab"), (0, Part::Tool, "f"), (0, Part::Tool, "{}")],
            &[(0, "tool_calls")],
        );
        check(&json!({"choices": [], "usage": {"prompt_tokens": 1}}), &[], &[]);
        check(&json!({"data": [{"embedding": [1.0]}]}), &[], &[]);
    }

    #[test]
    fn an_error_object_is_no_answer() {
        for data in [r#"{"error": {"message": "boom"}}"#, r#"{"error": "boom"}"#, "[]", "not json", ""] {
            assert!(Chunk::read(data.as_bytes()).is_err(), "{data}");
        }
        let sound = Chunk::read(br#"{"error": null, "choices": []}"#).unwrap();
        assert!(sound.has_list("choices") && !sound.has_choices());
    }

    #[test]
    fn a_large_piece_is_split_between_characters() {
        let data = json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "词元 token"}, "finish_reason": "stop"}]});
        let parts = Chunk::read(data.to_string().as_bytes()).unwrap().split(5);
        let texts: Vec<_> = parts.iter().map(|part| part.pieces[0].text.as_str()).collect();
        assert_eq!(texts, ["词", "元 t", "oken"]);
        let shown: Vec<_> = parts.iter().map(|part| part.value["choices"][0].to_string()).collect();
        assert_eq!(
            shown[0],
            r#"{"index":0,"delta":{"role":"assistant","content":"词"},"finish_reason":null}"#
        );
        assert_eq!(shown[2], r#"{"index":0,"delta":{"content":"oken"},"finish_reason":"stop"}"#);
        assert_eq!(parts.iter().map(|part| part.finishes.len()).sum::<usize>(), 1);
        for whole in [
            json!({"choices": [{"delta": {"content": "long enough", "reasoning": "to split"}}]}),
            json!({"choices": [{"delta": {"content": "long enough"}, "logprobs": {"content": []}}]}),
            json!({"choices": [{"delta": {"content": "long"}}, {"delta": {"content": "enough"}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "long enough"}}]}}]}),
        ] {
            let chunk = Chunk::read(whole.to_string().as_bytes()).unwrap();
            assert_eq!(chunk.clone().split(5), [chunk], "{whole}");
        }
    }

    #[test]
    fn passed_on_under_our_names_without_usage() {
        let data = json!({"id": "x", "model": "site's own", "choices": [{"index": 0, "delta": {"content": "a"}, "usage": {"prompt_tokens": 1}}],
            "usage": {"prompt_tokens": 1}, "timings": {"odd": 0.1}});
        let mut chunk = Chunk::read(data.to_string().as_bytes()).unwrap();
        assert_eq!(chunk.usage, Some(json!({"prompt_tokens": 1})));
        let names = chunk.names("7", 5, "docs-1");
        chunk.introduce(&mut Vec::new());
        let plain = Value::Object(chunk.without_usage(true).named(&names).value);
        let expect = json!({"id": "x", "model": "docs-1", "choices": [{"index": 0, "delta": {"content": "a", "role": "assistant"}}],
            "usage": null, "timings": {"odd": 0.1}, "object": "chat.completion.chunk", "created": 5});
        assert_eq!(plain, expect);
    }
}
