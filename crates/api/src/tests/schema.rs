//! Whether JSON is what the document says: the part of JSON Schema that the document uses, and stricter in that an object has no
//! members but those named.
use serde_json::Value;

/// Where `value` is not what `schema` says.
pub(super) fn misfits(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "$", &mut found);
    found
}

/// What a reference leads to.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => resolved(document, document.pointer(&path[1..]).expect("a reference leads somewhere")),
        None => schema,
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolved(document, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        if !choices.iter().any(|choice| misfits(document, choice, value).is_empty()) {
            found.push(format!("{at} is none of {} choices", choices.len()));
        }
        return;
    }
    if !has_type(schema, value) {
        found.push(format!("{at} is {value}, not {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        found.push(format!("{at} is {value}, none of {}", schema["enum"]));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        found.push(format!("{at} is {number}, below {least}"));
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(document, &schema["items"], item, &format!("{at}[{index}]"), found);
            }
        }
        Value::Object(_) => check_object(document, schema, value, at, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_object(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let whole = vec![schema.clone()];
    let parts: Vec<&Value> =
        schema["allOf"].as_array().unwrap_or(&whole).iter().map(|part| resolved(document, part)).collect();
    let required = parts.iter().filter_map(|part| part["required"].as_array()).flatten();
    for name in required.filter_map(Value::as_str).filter(|name| value.get(name).is_none()) {
        found.push(format!("{at}.{name} is missing"));
    }
    for (name, member) in value.as_object().expect("an object was asked for") {
        let named = parts.iter().find_map(|part| part["properties"].get(name));
        let other =
            parts.iter().find_map(|part| part.get("additionalProperties").filter(|it| it.is_object()));
        match named.or(other) {
            Some(schema) => check(document, schema, member, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}.{name} is not in the document")),
        }
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => false,
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().any(is),
        Value::Null => true,
        name => is(name),
    }
}

#[test]
fn a_misfit_is_found_wherever_it_is() {
    let document = serde_json::json!({"components": {"schemas": {
        "Inner": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 0}}},
        "Outer": {"allOf": [{"$ref": "#/components/schemas/Inner"}, {"type": "object", "required": ["list"],
            "properties": {"list": {"type": "array", "items": {"type": ["string", "null"]}}}}]},
    }}});
    let outer = serde_json::json!({"$ref": "#/components/schemas/Outer"});
    let count = |value: Value| misfits(&document, &outer, &value).len();
    assert_eq!(count(serde_json::json!({"n": 1, "list": ["a", null]})), 0);
    assert_eq!(count(serde_json::json!({"n": -1, "list": []})), 1);
    assert_eq!(count(serde_json::json!({"n": 1.5, "list": [3]})), 2);
    assert_eq!(count(serde_json::json!({"n": 1})), 1);
    assert_eq!(count(serde_json::json!({"n": 1, "list": [], "more": 1})), 1);
}
