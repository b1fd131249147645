//! Says what is missing when the console is to be embedded and has not been built.
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CONSOLE").is_none() {
        return;
    }
    let console = concat!(env!("CARGO_MANIFEST_DIR"), "/../../console/dist");
    // Names of built files carry a hash, so another build is another list of files.
    println!("cargo::rerun-if-changed={console}");
    println!("cargo::rerun-if-changed={console}/assets");
    if !Path::new(console).join("index.html").exists() {
        println!(
            "cargo::error=console/dist/index.html is missing: run `make console` first, or build without the feature `console`"
        );
    }
}
