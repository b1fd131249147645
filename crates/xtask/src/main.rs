//! check, tidy, codegen, golden
fn main() {}
