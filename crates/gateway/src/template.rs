//! Chat templates: what an engine turns messages into before it tokenises them.
//!
//! Templates are the Jinja dialect that model repositories ship, rendered the way their reference implementation does: block
//! lines leave no blank lines, Python's methods and its `None` and `True` are known, `raise_exception` refuses messages the model
//! does not accept. The clock is fixed, because a count must not depend on the day; a template that asks for the date renders, but
//! its prompt counts as unverified. Rendering is bounded in steps, depth and size.
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Environment, ErrorKind as Jinja, Output, State};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};

#[cfg(test)]
mod tests;

/// Steps a rendering may take.
const STEPS_MAX: u64 = 10_000_000;
/// How deep macros may nest; the engine counts about ten per call.
const DEPTH_MAX: usize = 500;
/// Longest template source, in bytes.
const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Longest rendered prompt, in bytes.
pub const RENDERED_BYTES_MAX: usize = 64 << 20;
/// What `strftime_now` is told: the day does not matter, only that it is always the same.
const FIXED_DATE: &str = "2024-07-26";

const NAME: &str = "chat";

/// A compiled chat template, pinned by the SHA-256 of its source.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
    hash: [u8; 32],
    is_dated: bool,
}

impl Template {
    /// Compiles a template. The tokens are what its model calls the beginning and the end of a sequence.
    pub fn new(source: &str, bos_token: &str, eos_token: &str) -> Result<Self, Error> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Template,
                format!("compile a template above {SOURCE_BYTES_MAX} bytes"),
            ));
        }
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()
                .expect("the default delimiters differ from each other"),
        );
        environment.set_fuel(Some(STEPS_MAX));
        environment.set_recursion_limit(DEPTH_MAX);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(write_as_python);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(Jinja::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |_format: String| FIXED_DATE);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| Error::new(ErrorKind::Template, "compile the chat template").because(error))?;
        Ok(Self {
            environment,
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
            hash: Sha256::digest(source).into(),
            is_dated: source.contains("strftime_now"),
        })
    }

    /// SHA-256 of the source.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Whether the prompt depends on the day.
    pub fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// Renders messages up to where the model's answer begins.
    pub fn render(&self, messages: &serde_json::Value) -> Result<String, Error> {
        let template = self.environment.get_template(NAME).expect("compiled with the environment");
        let context = minijinja::context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => true,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
            tools => (),
            documents => (),
        };
        let mut rendered = Bounded(Vec::new());
        template
            .render_captured_to(context, &mut rendered)
            .map_err(|error| Error::new(ErrorKind::Template, "render the chat template").because(error))?;
        Ok(String::from_utf8(rendered.0).expect("a template writes text"))
    }
}

/// A buffer that refuses to grow past [`RENDERED_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::Error::other("the rendered prompt is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Python prints its constants with a capital letter.
fn write_as_python(
    output: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::None => output.write_str("None")?,
        ValueKind::Bool => output.write_str(if value.is_true() { "True" } else { "False" })?,
        ValueKind::Undefined => {}
        _ => write!(output, "{value}")?,
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "filters get their options by value")]
/// Python's `json.dumps`: a space after `:` and `,` unless indented, text as it is.
fn to_json(value: &Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let indent = indent.map(|width| " ".repeat(width.min(16)));
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(
        &mut text,
        PythonFormatter { indent, depth: 0, is_empty: true },
    );
    value.serialize(&mut serializer).map_err(|error| {
        minijinja::Error::new(Jinja::BadSerialization, "cannot write as JSON").with_source(error)
    })?;
    Ok(Value::from(String::from_utf8(text).expect("JSON is text")))
}

struct PythonFormatter {
    indent: Option<String>,
    depth: usize,
    /// Nothing was written since the last opening bracket.
    is_empty: bool,
}

impl PythonFormatter {
    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_empty = false;
        match &self.indent {
            Some(indent) => {
                writer.write_all(if first { b"\n" } else { b",\n" })?;
                writer.write_all(indent.repeat(self.depth).as_bytes())
            }
            None if first => Ok(()),
            None => writer.write_all(b", "),
        }
    }

    fn open<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        let was_empty = std::mem::take(&mut self.is_empty);
        if let Some(indent) = &self.indent
            && !was_empty
        {
            writer.write_all(b"\n")?;
            writer.write_all(indent.repeat(self.depth).as_bytes())?;
        }
        writer.write_all(bracket)
    }
}

impl serde_json::ser::Formatter for PythonFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
