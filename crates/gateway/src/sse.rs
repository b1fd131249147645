//! Server-sent events: an incremental reader and a writer (WHATWG HTML, section 9.2).
//!
//! The reader takes bytes in whatever pieces the network gives and yields the same events for every way of cutting them.
//! Lines may end in LF, CR or CRLF, data may span several lines, comments and unknown fields are skipped, a byte order mark at
//! the start is dropped. One event may hold at most [`EVENT_BYTES_MAX`]; after the first error the reader yields nothing more.
//!
//! The standard drops an event that the stream ends in. [`Reader::finish`] returns it if all its lines are complete, because
//! servers exist that forget the last empty line; a line that was cut is dropped.
use crate::error::{Error, ErrorKind};

#[cfg(test)]
mod tests;

/// Largest event that is buffered: a whole answer in one event still fits, an endless line does not.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// The frame that ends a stream of OpenAI's kind.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What its `event` field said, if it had one.
    pub name: Option<String>,
    /// Its data lines, joined by line feeds.
    pub data: String,
}

/// The incremental reader.
#[derive(Debug)]
pub struct Reader {
    event_bytes_max: usize,
    line: Vec<u8>,
    name: Option<String>,
    data: Option<String>,
    is_first_line: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    failed: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Reader {
    /// A reader that refuses events above so many bytes.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            line: Vec::new(),
            name: None,
            data: None,
            is_first_line: true,
            after_cr: false,
            failed: false,
        }
    }

    /// Takes the next bytes and appends the events that they complete. Events before an error are appended too.
    pub fn push(&mut self, mut bytes: &[u8], events: &mut Vec<Event>) -> Result<(), Error> {
        if self.failed {
            return Err(Error::new(ErrorKind::Upstream, "read an event stream after it failed"));
        }
        let outcome = loop {
            if self.after_cr && !bytes.is_empty() {
                self.after_cr = false;
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            if let Err(error) = self.extend_line(&bytes[..end.unwrap_or(bytes.len())]) {
                break Err(error);
            }
            let Some(end) = end else { break Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            match self.end_line() {
                Ok(event) => events.extend(event),
                Err(error) => break Err(error),
            }
        };
        self.failed = outcome.is_err();
        outcome
    }

    /// What is left when the stream ends: an event whose lines are complete but whose empty line is missing.
    pub fn finish(mut self) -> Option<Event> {
        if self.failed { None } else { self.dispatch() }
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let held = self.data.as_ref().map_or(0, String::len) + self.name.as_ref().map_or(0, String::len);
        if held + self.line.len() + bytes.len() > self.event_bytes_max {
            let context =
                format!("read an event stream: an event is larger than {} bytes", self.event_bytes_max);
            return Err(Error::new(ErrorKind::Upstream, context));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, Error> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_first_line) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let line = String::from_utf8(line).map_err(|error| {
            Error::new(ErrorKind::Upstream, "read an event stream as UTF-8").because(error)
        })?;
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "event" => self.name = Some(value.to_owned()),
            // Comments have an empty field name; ids, retry times and unknown fields mean nothing to a proxy.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = self.name.take();
        self.data.take().map(|data| Event { name, data })
    }
}

/// Appends one unnamed event. Data with line ends becomes several data lines, so that it arrives as it was up to the kind of
/// its line ends.
pub fn write_data(data: &str, out: &mut Vec<u8>) {
    out.reserve(data.len() + 8);
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}
