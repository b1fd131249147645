//! The OpenAPI document: what the handlers say of themselves, and what all of them have in common, said once here.
use crate::request;
use crate::session;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sycee control API",
        description = "Members, accounts, catalogue, receipts and the overview.\n\nMoney is a decimal string with all decimals \
                       of its asset; times are RFC 3339 in UTC; a position names an entry of the log, counted from zero. Reads \
                       say in `x-sycee-position` what they show, wait for `?at_least=POSITION`, and page by `cursor`. A write \
                       that was sent with an `Idempotency-Key` can be sent again and happens once; without one it may happen twice.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    tags(
        (name = "session", description = "Signing in and out: a key exchanged for a cookie."),
        (name = "system", description = "How the platform and its log are doing."),
        (name = "members", description = "Who takes part, and with which keys."),
        (name = "accounts", description = "Money: what is there, and how it came and went."),
        (name = "catalog", description = "What is offered, where, at what price."),
        (name = "receipts", description = "What was bought, at what price, and who was paid."),
        (name = "usage", description = "What was measured elsewhere: who reports it, lines of it in bulk, and what it came to."),
        (name = "overview", description = "Everything at one look, once or live."),
    ),
    modifiers(&Schemes),
    security(("key" = []), ("session" = [])),
)]
pub(crate) struct Base;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(utoipa::openapi::Components::new);
        components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(session::COOKIE)));
        components.add_security_scheme("session", cookie);
    }
}

/// The document with what is common to all operations.
pub(crate) fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("a document is JSON");
    for (path, operations) in entries(&mut document["paths"]) {
        for (method, operation) in entries(operations) {
            complete_operation(path, method, operation);
        }
    }
    name_items_of_pages(&mut document["components"]["schemas"]);
    require_what_is_answered(&mut document);
    let components = &mut document["components"];
    components["responses"] = json!({
        "Problem": {
            "description": "Not what was asked for: why, and what would help.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
        "Undecided": {
            "description": "Not now. After `node.stopped` it may have happened: send it again with the same Idempotency-Key, or look first. \
                            After anything else nothing has happened.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    });
    components["headers"] = json!({
        "position": {
            "description": "Everything up to the entry at this position is in the answer; of a write, the position it was written at.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
        },
        "replayed": {
            "description": "There, and `true`, if this was sent before with the same Idempotency-Key: nothing was done again.",
            "schema": {"type": "string", "const": "true"},
        },
    });
    components["parameters"] = json!({
        "at_least": {
            "name": "at_least", "in": "query", "required": false,
            "description": "Wait, at most five seconds, until the answer shows the entry at this position.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
        },
        "idempotency_key": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A UUIDv7 drawn for this request; a retry repeats it and happens once. With another body it is refused. \
                            Send one with whatever moves money.",
            "schema": {"type": "string", "format": "uuid"},
        },
    });
    document
}

fn entries(object: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    object.as_object_mut().into_iter().flatten()
}

/// Whether an operation sends one command, which may carry a key: signing in writes nothing, and a catalogue applied again finds
/// nothing to change. Lines of usage have numbers of their own, and asking for handles changes nothing.
fn takes_idempotency_key(path: &str, method: &str) -> bool {
    method != "get" && !["/session", "/catalog/apply", "/usage", "/usage/handles"].contains(&path)
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    let public = operation["security"] == json!([{}]);
    let writes = takes_idempotency_key(path, method);
    let operation = operation.as_object_mut().expect("an operation is an object");
    let mut common = Vec::new();
    if method == "get" && !public {
        common.push(json!({"$ref": "#/components/parameters/at_least"}));
    }
    if writes {
        common.push(json!({"$ref": "#/components/parameters/idempotency_key"}));
    }
    if !common.is_empty() {
        let parameters = operation.entry("parameters").or_insert(json!([]));
        parameters.as_array_mut().expect("parameters are a list").extend(common);
    }
    let responses =
        operation.get_mut("responses").and_then(Value::as_object_mut).expect("it answers something");
    for (status, response) in responses.iter_mut() {
        if response["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Problem" {
            describe(status, response);
        } else {
            say_position(response, writes);
        }
    }
    if writes {
        responses.insert("503".to_owned(), json!({"$ref": "#/components/responses/Undecided"}));
    }
    if !public {
        responses.insert("401".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
}

fn describe(status: &str, response: &mut Value) {
    let said = response["description"].as_str().is_some_and(|text| !text.is_empty());
    let text = match status {
        _ if said => return,
        "403" => "Not the caller's to see or to do.",
        "404" => "There is no such thing.",
        "409" => "It is there already, or the Idempotency-Key stands for another request.",
        "422" => "Refused: the rules do not allow it.",
        "429" => "Too often; `retry-after` says when again.",
        "503" => "Not now.",
        _ => "Not what was asked for.",
    };
    response["description"] = text.into();
}

fn say_position(response: &mut Value, writes: bool) {
    response["headers"][request::POSITION.as_str()] = json!({"$ref": "#/components/headers/position"});
    if writes {
        response["headers"]["idempotency-replayed"] = json!({"$ref": "#/components/headers/replayed"});
    }
    if response["description"].as_str().is_none_or(str::is_empty) {
        response["description"] = "What was asked for.".into();
    }
}

/// A page of something is written out in full by the macro; its items have a name.
fn name_items_of_pages(schemas: &mut Value) {
    for (name, schema) in entries(schemas) {
        if let Some(item) = name.strip_prefix("Page_") {
            schema["properties"]["items"]["items"] = json!({"$ref": format!("#/components/schemas/{item}")});
        }
    }
}

/// A member of an answer is always there, null or not, and clients may rely on it.
fn require_what_is_answered(document: &mut Value) {
    let mut open: Vec<String> = Vec::new();
    for (_, operations) in entries(&mut document["paths"]) {
        for (_, operation) in entries(operations) {
            references(&operation["responses"], &mut open);
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        let schema = &mut document["components"]["schemas"][&name];
        if seen.insert(name) {
            require(schema);
            references(schema, &mut open);
        }
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str);
            found.extend(name.and_then(|name| name.strip_prefix("#/components/schemas/")).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn require(schema: &mut Value) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        schema["required"] = properties.keys().cloned().map(Value::String).collect();
    }
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require(part);
    }
}

/// Text of the document, as it is served and committed.
pub(crate) fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a document is JSON");
    text.push('\n');
    text
}
