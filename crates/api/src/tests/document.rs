//! The OpenAPI document: committed, so that a change of the API is seen as one, and sound in itself.
use super::world::{World, get};
use serde_json::Value;
use std::collections::BTreeSet;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let current = crate::openapi();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &current).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == current,
        "crates/api/openapi.json is not what this build serves; `UPDATE=1 cargo nextest run -p sycee-api document` writes it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_to_anybody() {
    let world = World::new().await;
    let answer = world.send(get("/openapi.json")).await;
    assert_eq!(answer.text, crate::openapi());
    assert_eq!(answer.header("content-type"), "application/json");
}

fn document() -> Value {
    serde_json::from_str(&crate::openapi()).unwrap()
}

/// All references in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn references_lead_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

/// A schema of an answer has all members required, one of a request only those that a client must send.
#[test]
fn nothing_is_both_sent_and_answered() {
    let document = document();
    let reach = |part: &str| {
        let mut open = BTreeSet::new();
        for operations in document["paths"].as_object().unwrap().values() {
            operations.as_object().unwrap().values().for_each(|it| references(&it[part], &mut open));
        }
        let mut seen = BTreeSet::new();
        while let Some(reference) = open.pop_first() {
            if seen.insert(reference.clone()) {
                references(document.pointer(&reference[1..]).unwrap(), &mut open);
            }
            open.retain(|it| !seen.contains(it));
        }
        seen
    };
    let has_members =
        |reference: &&String| !document.pointer(&reference[1..]).unwrap()["properties"].is_null();
    let (sent, answered) = (reach("requestBody"), reach("responses"));
    let both: Vec<&String> = sent.intersection(&answered).filter(has_members).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn operations_are_named_and_say_what_goes_wrong() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} names two operations");
            let (resource, verb) = name.split_once('_').expect("resource_verb");
            assert!(!resource.is_empty() && !verb.is_empty(), "{name}");
            assert!(!operation["summary"].as_str().unwrap_or("").is_empty(), "{method} {path} says nothing");
            assert!(operation["responses"]["default"].is_object(), "{name} knows no error");
            let public = operation["security"] == serde_json::json!([{}]);
            assert_eq!(operation["responses"]["401"].is_null(), public && name != "session_create", "{name}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let said =
                    response["$ref"].is_string() || !response["description"].as_str().unwrap().is_empty();
                assert!(said, "{name} {status}");
            }
        }
    }
}

/// Two types of one name would be one schema, and one of them wrong.
#[test]
fn the_catalogue_as_written_and_as_shown_are_two_things() {
    let schemas = &document()["components"]["schemas"];
    assert!(schemas["DocumentOffer"]["properties"]["prices"].is_object());
    assert!(schemas["Offer"]["properties"]["schedules"].is_object());
    assert!(schemas["DocumentSite"]["properties"]["basis"].is_object());
    assert!(schemas["Site"]["properties"]["badge"].is_object());
    assert!(schemas["BucketLine"]["properties"]["count"].is_object());
    assert!(schemas["StatementLine"]["properties"]["balance"].is_object());
}

/// What can only be one of a few words says which, in answers and in requests.
#[test]
fn closed_vocabularies_are_enums() {
    let document = document();
    let members = [
        ("Account", "standing"),
        ("Attempt", "outcome"),
        ("BucketLine", "bucket"),
        ("CorrectionDraft", "against"),
        ("DocumentMember", "roles"),
        ("DocumentModel", "kind"),
        ("DocumentShare", "role"),
        ("DocumentSite", "basis"),
        ("Health", "status"),
        ("Member", "roles"),
        ("Model", "kind"),
        ("OverviewReceipt", "finish"),
        ("Receipt", "basis"),
        ("Receipt", "endpoint"),
        ("Receipt", "finish"),
        ("Receipt", "joules_badge"),
        ("Site", "badge"),
        ("SplitLine", "role"),
        ("StandingDraft", "standing"),
        ("StatementLine", "kind"),
        ("StatementLine", "role"),
    ];
    for (schema, member) in members {
        let value = &document["components"]["schemas"][schema]["properties"][member];
        assert!(words(&document, value).is_some_and(|words| words.len() > 1), "{schema}.{member}: {value}");
    }
    let query = document["paths"]["/accounts/{id}/statement"]["get"]["parameters"].as_array().unwrap();
    let format = query.iter().find(|it| it["name"] == "format").unwrap();
    assert_eq!(words(&document, &format["schema"]).unwrap(), ["json", "csv"]);
}

/// The words of an enum, of a list of them, or of one that may be null.
fn words(document: &Value, schema: &Value) -> Option<Vec<String>> {
    let schema = super::schema::resolved(document, schema);
    let parts = schema["oneOf"].as_array().into_iter().flatten().chain([&schema["items"]]);
    match schema["enum"].as_array() {
        Some(words) => Some(words.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        None => parts.filter(|part| !part.is_null()).find_map(|part| words(document, part)),
    }
}

#[test]
fn bodies_have_examples_that_fit_them() {
    let document = document();
    let mut open = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            references(&operation["requestBody"], &mut open);
        }
    }
    assert!(open.len() > 5, "bodies were found");
    for reference in open {
        let schema = document.pointer(&reference[1..]).unwrap();
        let example = &schema["example"];
        assert!(!example.is_null(), "{reference} has no example");
        let found = super::schema::misfits(&document, schema, example);
        assert!(found.is_empty(), "{reference}: {found:?}");
    }
}
