//! Embedding vectors: official clients ask for base64 when their caller asked for nothing, and not every provider knows it.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Puts every embedding of an answer into the encoding that was asked for. What is neither is left as it is.
pub(crate) fn encode(answer: &mut Map<String, Value>, base64: bool) {
    let items = answer.get_mut("data").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        let Some(embedding) = item.get_mut("embedding") else {
            continue;
        };
        let encoded = match embedding {
            Value::Array(numbers) if base64 => packed(numbers),
            Value::String(text) if !base64 => unpacked(text),
            _ => None,
        };
        if let Some(encoded) = encoded {
            *embedding = encoded;
        }
    }
}

/// Little-endian 32-bit floats in base64.
fn packed(numbers: &[Value]) -> Option<Value> {
    let mut bytes = Vec::with_capacity(numbers.len() * 4);
    for number in numbers {
        #[expect(clippy::cast_possible_truncation, reason = "the encoding has 32 bits for a number")]
        let number = number.as_f64()? as f32;
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Some(json!(STANDARD.encode(bytes)))
}

fn unpacked(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text).ok()?;
    let numbers = bytes.as_chunks::<4>();
    let floats = numbers.0.iter().map(|number| f64::from(f32::from_le_bytes(*number)));
    numbers.1.is_empty().then(|| json!(floats.collect::<Vec<f64>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(embedding: &Value, base64: bool, expect: &Value) {
        let answer = json!({"data": [{"index": 0, "embedding": embedding}]});
        let Value::Object(mut answer) = answer else { unreachable!("it is an object") };
        encode(&mut answer, base64);
        assert_eq!(&answer["data"][0]["embedding"], expect, "{embedding} as base64: {base64}");
    }

    #[test]
    fn either_encoding_becomes_the_other() {
        let (numbers, text) = (json!([1.0, 2.0]), json!("AACAPwAAAEA="));
        check(&numbers, true, &text);
        check(&text, false, &numbers);
        check(&numbers, false, &numbers);
        check(&text, true, &text);
        check(&json!("not base64!"), false, &json!("not base64!"));
        check(&json!(["x"]), true, &json!(["x"]));
    }
}
