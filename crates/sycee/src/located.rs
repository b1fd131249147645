//! Located: mistakes in a file, with the line they are on and what would help.
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A mistake in a file that a person wrote.
#[derive(Debug)]
pub(crate) struct Mistake {
    path: PathBuf,
    line: Option<usize>,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        write!(f, "{}{line}: {}", self.path.display(), self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

/// A file that a person wrote, with its text.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    text: String,
}

impl Source {
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { path: path.to_owned(), text }),
            Err(error) => Err(Mistake {
                path: path.to_owned(),
                line: None,
                message: format!("it cannot be read: {error}"),
                hint: Some("name a file that is there; --help says how".to_owned()),
            }),
        }
    }

    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Mistake> {
        toml::from_str(&self.text).map_err(|error| {
            let unknown = error.message().contains("unknown field");
            let hint = unknown
                .then(|| "a key that nobody reads would be ignored in silence, so it is refused".to_owned());
            self.mistake(error.span(), error.message(), hint)
        })
    }

    pub(crate) fn mistake(&self, span: Option<Range<usize>>, message: &str, hint: Option<String>) -> Mistake {
        let line = span.map(|span| self.line_of(span.start));
        Mistake { path: self.path.clone(), line, message: message.to_owned(), hint }
    }

    /// A mistake in the field that a dotted path names, such as `offer.2.prices`; where the path ends early, its parent.
    pub(crate) fn mistake_in(&self, field: &str, message: &str, hint: Option<String>) -> Mistake {
        let span = DeTable::parse(&self.text).ok().and_then(|table| {
            let root = DeValue::Table(table.into_inner());
            find(&root, &field.split('.').collect::<Vec<_>>())
        });
        self.mistake(span, message, hint)
    }

    fn line_of(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// A path in the file, relative to where the file is.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or_else(|| Path::new(".")).join(path)
    }
}

fn find(value: &DeValue<'_>, path: &[&str]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let child = match value {
        DeValue::Table(table) => table.iter().find(|(key, _)| key.get_ref() == first).map(|(_, child)| child),
        DeValue::Array(items) => first.parse::<usize>().ok().and_then(|index| items.get(index)),
        _ => None,
    }?;
    Some(find(child.get_ref(), rest).unwrap_or_else(|| child.span()))
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn source(text: &str) -> Source {
        Source { path: "catalog.toml".into(), text: text.to_owned() }
    }

    #[test]
    fn a_field_is_found_on_its_line_and_a_missing_one_at_its_parent() {
        let source =
            source("[[offer]]\nsite = \"a\"\n[[offer]]\nsite = \"b\"\n[offer.prices]\ninput = \"x\"\n");
        for (field, line) in
            [("offer.1.site", ":4"), ("offer.1.prices.input", ":6"), ("offer.1.prices.output", ":5")]
        {
            let text = source.mistake_in(field, "wrong", None).to_string();
            assert!(text.starts_with(&format!("catalog.toml{line}: wrong")), "{field}: {text}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_hint() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            #[expect(dead_code, reason = "only parsed")]
            listen: String,
        }
        let text = source("listen = \"a\"\nlisten_on = \"b\"\n").parse::<Known>().unwrap_err().to_string();
        assert!(
            text.starts_with("catalog.toml:2: ") && text.contains("listen_on") && text.contains("hint:"),
            "{text}"
        );
    }
}
