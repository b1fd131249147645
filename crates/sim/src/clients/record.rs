//! What a client writes down: one line of JSON for each request, when it is over.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinError;

use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Chat,
    Embeddings,
}

/// All that one client knows of one request. Times are milliseconds of Unix time by the client's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub client: String,
    /// From 1, in the order of sending; lines are in the order of ending.
    pub number: u64,
    /// The `x-request-id` that the client sent.
    pub request_id: String,
    /// The header `x-sycee-receipt` of the answer.
    pub receipt: Option<String>,
    /// The header `x-sycee-schedule` of the answer: at which prices it is billed.
    pub schedule: Option<String>,
    pub endpoint: Endpoint,
    pub model: String,
    pub stream: bool,
    pub asked_usage: bool,
    pub max_tokens: Option<usize>,
    /// Without one there was no answer.
    pub status: Option<u16>,
    /// The code of a refusal, or why the answer ended early.
    pub error: Option<String>,
    pub finish: Option<String>,
    /// The client left before the end.
    pub cancelled: bool,
    /// Bytes of the visible text received.
    pub text_bytes: usize,
    /// Chunks with visible text.
    pub chunks: u64,
    /// The client's own count of its prompt: the messages by the public chat template, or the text to embed.
    pub counted_prompt_tokens: u64,
    /// The client's own count of the text received, and one for end-of-sequence after a finish of `stop`.
    pub counted_completion_tokens: u64,
    /// As the gateway told it, where it did.
    pub usage: Option<Value>,
    pub started_at_ms: u64,
    pub first_chunk_at_ms: Option<u64>,
    pub ended_at_ms: u64,
}

/// One client's log file. Each line is written at once, so that others may read along up to the last end of a line.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    written: u64,
}

impl Journal {
    pub(super) fn open(folder: &Path, client: &str) -> Result<Self, Error> {
        let path = folder.join(format!("{client}.jsonl"));
        let open = || {
            create_dir_all(folder)?;
            OpenOptions::new().create(true).append(true).open(&path)
        };
        let file = open().map_err(|error| failed(&path).because(error))?;
        Ok(Self { file, path, written: 0 })
    }

    pub(super) fn write(&mut self, record: Result<Record, JoinError>) -> Result<(), Error> {
        let record = record.map_err(|error| failed(&self.path).because(error))?;
        let mut line = serde_json::to_vec(&record).map_err(|error| failed(&self.path).because(error))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| failed(&self.path).because(error))?;
        self.written += 1;
        Ok(())
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }
}

fn failed(path: &Path) -> Error {
    Error::new(ErrorKind::Log, format!("write the simulated client's log {}", path.display()))
}
