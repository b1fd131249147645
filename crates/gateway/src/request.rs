//! Requests as clients write them: read for what decides their price, and otherwise passed on untouched.
use serde_json::{Map, Value};
use sycee_core::settlement::Endpoint;

use crate::problem::Problem;

/// What was understood of a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) choices: u32,
    pub(crate) output_asked: Option<u64>,
    pub(crate) has_stops: bool,
    pub(crate) body: Map<String, Value>,
}

impl Parsed {
    pub(crate) fn read(endpoint: Endpoint, bytes: &[u8], choices_max: u32) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Problem::bad_request("", format!("The request is not JSON: {error}.")))?;
        let Value::Object(body) = value else {
            return Err(Problem::bad_request("", "The request is not a JSON object."));
        };
        let model = match body.get("model").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => return Err(Problem::bad_request("model", "Name the `model`.")),
        };
        match endpoint {
            Endpoint::Chat => Self::chat(model, body, choices_max),
            Endpoint::Embeddings => Self::embeddings(model, body),
        }
    }

    fn chat(model: String, body: Map<String, Value>, choices_max: u32) -> Result<Self, Problem> {
        let messages = body.get("messages").and_then(Value::as_array);
        if !messages.is_some_and(|messages| !messages.is_empty() && messages.iter().all(Value::is_object)) {
            return Err(Problem::bad_request(
                "messages",
                "`messages` must be a list of at least one message.",
            ));
        }
        let stream = flag(&body, "stream")?;
        let options = body.get("stream_options").filter(|options| !options.is_null());
        let include_usage = match options {
            None => false,
            Some(Value::Object(options)) => flag(options, "include_usage")?,
            Some(_) => {
                return Err(Problem::bad_request("stream_options", "`stream_options` must be an object."));
            }
        };
        let choices = number(&body, "n", 1, u64::from(choices_max))?.unwrap_or(1);
        let limits = [
            number(&body, "max_tokens", 1, sycee_core::limits::TOKENS_MAX)?,
            number(&body, "max_completion_tokens", 1, sycee_core::limits::TOKENS_MAX)?,
        ];
        let has_stops = match body.get("stop") {
            None | Some(Value::Null) => false,
            Some(Value::Array(stops)) => !stops.is_empty(),
            Some(_) => true,
        };
        Ok(Self {
            model,
            stream,
            include_usage: include_usage && stream,
            choices: u32::try_from(choices).expect("it is at most what 32 bits hold"),
            output_asked: limits.into_iter().flatten().min(),
            has_stops,
            body,
        })
    }

    fn embeddings(model: String, body: Map<String, Value>) -> Result<Self, Problem> {
        let sound = match body.get("input") {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            _ => false,
        };
        if !sound {
            let message = "`input` must be a text, or a list of at least one text.";
            return Err(Problem::bad_request("input", message));
        }
        Ok(Self {
            model,
            stream: false,
            include_usage: false,
            choices: 1,
            output_asked: None,
            has_stops: false,
            body,
        })
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Problem> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Problem::bad_request(name, format!("`{name}` must be true or false."))),
    }
}

fn number(fields: &Map<String, Value>, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
    let Some(value) = fields.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    match value.as_u64().filter(|value| (least..=most).contains(value)) {
        Some(value) => Ok(Some(value)),
        None => {
            let message = format!("`{name}` must be a whole number from {least} to {most}.");
            Err(Problem::bad_request(name, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: Endpoint, body: &str) -> Result<Parsed, Problem> {
        Parsed::read(endpoint, body.as_bytes(), 16)
    }

    /// A bad chat request is refused and the field to blame named.
    fn check(body: &str, param: Option<&str>) {
        let problem = read(Endpoint::Chat, body).unwrap_err();
        assert_eq!((problem.status, problem.param.as_deref()), (400, param), "{body}");
    }

    #[test]
    fn bad_requests_name_their_field() {
        check("{", None);
        check("[]", None);
        check(r#"{"messages": [{}]}"#, Some("model"));
        check(r#"{"model": "", "messages": [{}]}"#, Some("model"));
        check(r#"{"model": "m"}"#, Some("messages"));
        check(r#"{"model": "m", "messages": []}"#, Some("messages"));
        check(r#"{"model": "m", "messages": ["hi"]}"#, Some("messages"));
        for field in ["max_tokens", "max_completion_tokens", "n"] {
            for value in ["0", "-1", "1.5", "\"7\"", "1e30", "99999999999999999999"] {
                check(&format!(r#"{{"model": "m", "messages": [{{}}], "{field}": {value}}}"#), Some(field));
            }
        }
        check(r#"{"model": "m", "messages": [{}], "n": 17}"#, Some("n"));
        check(r#"{"model": "m", "messages": [{}], "stream": "yes"}"#, Some("stream"));
        check(r#"{"model": "m", "messages": [{}], "stream_options": 1}"#, Some("stream_options"));
        let input = |body| read(Endpoint::Embeddings, body).unwrap_err().param;
        assert_eq!(input(r#"{"model": "m"}"#).as_deref(), Some("input"));
        assert_eq!(input(r#"{"model": "m", "input": []}"#).as_deref(), Some("input"));
    }

    #[test]
    fn what_decides_the_price_is_understood() {
        let body = r#"{"model": "m", "messages": [{}], "max_tokens": 30, "max_completion_tokens": 20, "n": 2, "stop": ["x"],
            "stream": true, "stream_options": {"include_usage": true}, "unknown": {"exact": 0.1}}"#;
        let parsed = read(Endpoint::Chat, body).unwrap();
        assert_eq!((parsed.output_asked, parsed.choices, parsed.has_stops), (Some(20), 2, true));
        assert!(parsed.stream && parsed.include_usage);
        assert_eq!(parsed.body["unknown"].to_string(), r#"{"exact":0.1}"#);
        let least =
            read(Endpoint::Chat, r#"{"model": "m", "messages": [{}], "max_tokens": null, "stop": []}"#)
                .unwrap();
        assert_eq!((least.output_asked, least.choices, least.has_stops), (None, 1, false));
    }
}
