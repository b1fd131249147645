//! The OpenAPI document: committed, so that a change of the API is seen as one.
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let current = crate::openapi() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &current).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(
        committed == current,
        "crates/api/openapi.json is not what this build serves; `UPDATE=1 cargo test -p sycee-api document` writes it"
    );
}
