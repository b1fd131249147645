//! Counting: tokenizers and chat templates by the names that files give them.
//!
//! A tokenizer is `o200k_base`, `cl100k_base`, the path of a `tokenizer.json`, or the path of a GGUF file. A chat template is the
//! path of a Jinja file, or of a GGUF file that carries one. Offers pin both by hash.
use crate::located::{Mistake, Source};
use sycee_core::ids::Hash;
use sycee_gateway::count::{Tokenizer, Vocabulary};
use sycee_gateway::template::Template;

/// Loads the tokenizer that a field of a file names.
pub(crate) fn tokenizer(source: &Source, field: &str, name: &str) -> Result<Tokenizer, Mistake> {
    match name {
        "o200k_base" => return Ok(Tokenizer::embedded(Vocabulary::O200kBase)),
        "cl100k_base" => return Ok(Tokenizer::embedded(Vocabulary::Cl100kBase)),
        _ => {}
    }
    let bytes = read(source, field, "tokenizer", name)?;
    let loaded = if is_gguf(&bytes) {
        Tokenizer::from_gguf(&bytes).map(|(it, _)| it)
    } else {
        Tokenizer::from_json(&bytes)
    };
    loaded.map_err(|error| source.mistake_in(field, &format!("`{name}` is no tokenizer: {error}"), None))
}

/// Loads the chat template that a field of a file names.
pub(crate) fn template(source: &Source, field: &str, name: &str) -> Result<Template, Mistake> {
    let bytes = read(source, field, "chat template", name)?;
    let wrong =
        |message: String| source.mistake_in(field, &format!("`{name}` is no chat template: {message}"), None);
    if is_gguf(&bytes) {
        let (_, facts) = Tokenizer::from_gguf(&bytes).map_err(|error| wrong(error.to_string()))?;
        let text = facts.chat_template.ok_or_else(|| wrong("the file carries none".to_owned()))?;
        return Template::new(&text, &facts.bos_token, &facts.eos_token)
            .map_err(|error| wrong(error.to_string()));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    Template::new(&text, "", "").map_err(|error| wrong(error.to_string()))
}

/// The hash that an offer pins: given as such, or of what the name stands for.
pub(crate) fn pin(name: &str, load: impl FnOnce() -> Result<[u8; 32], Mistake>) -> Result<String, Mistake> {
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { Ok(name.to_ascii_lowercase()) } else { Ok(Hash(load()?).to_string()) }
}

fn read(source: &Source, field: &str, what: &str, name: &str) -> Result<Vec<u8>, Mistake> {
    let path = source.resolve(name);
    std::fs::read(&path).map_err(|error| {
        let message = format!("the {what} `{name}` cannot be read: {error}");
        let hint = format!("looked for {}; paths are relative to the file that names them", path.display());
        source.mistake_in(field, &message, Some(hint))
    })
}

fn is_gguf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GGUF")
}
