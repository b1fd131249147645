//! Reading what a GGUF file says about its tokenizer: the header and key-value part of the format, nothing of the weights.
//!
//! Source: the GGUF specification of the ggml project, versions 2 and 3, little-endian. The file comes from outside, so every length
//! is checked against what is left before anything is allocated, and everything has a limit.
use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};

/// Key-value pairs a file may hold.
const PAIRS_MAX: u64 = 65_536;
/// Elements an array may hold.
const ELEMENTS_MAX: u64 = 4 << 20;
/// Longest text, in bytes.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// A metadata value, as far as a tokenizer needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// The metadata of a file, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// Reads the metadata at the start of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor { bytes };
        if cursor.take(4)? != b"GGUF" {
            return Err(damaged("it does not start with GGUF"));
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            return Err(damaged(format!("its version is {version}, not 2 or 3")));
        }
        let _tensors = cursor.u64()?;
        let pairs = cursor.u64()?;
        if pairs > PAIRS_MAX {
            return Err(damaged(format!("it claims {pairs} keys")));
        }
        let mut metadata = Self::default();
        for _ in 0..pairs {
            let key = cursor.text()?;
            let kind = cursor.u32()?;
            if let Some(value) = cursor.value(kind)?
                && metadata.0.insert(key.clone(), value).is_some()
            {
                return Err(damaged(format!("key {key} stands twice")));
            }
        }
        Ok(metadata)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        self.typed(
            key,
            "text",
            |value| if let Value::Text(text) = value { Some(text.as_str()) } else { None },
        )
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(
            key,
            "true or false",
            |value| if let Value::Bool(flag) = value { Some(*flag) } else { None },
        )
    }

    pub(super) fn index(&self, key: &str) -> Result<Option<u64>, Error> {
        self.typed(key, "a whole number", |value| match value {
            Value::Unsigned(number) => Some(*number),
            Value::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        })
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<&[String]>, Error> {
        self.typed(key, "a list of texts", |value| {
            if let Value::Texts(list) = value { Some(list.as_slice()) } else { None }
        })
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<&[f32]>, Error> {
        self.typed(key, "a list of floats", |value| {
            if let Value::Floats(list) = value { Some(list.as_slice()) } else { None }
        })
    }

    pub(super) fn integers(&self, key: &str) -> Result<Option<&[i64]>, Error> {
        self.typed(key, "a list of integers", |value| {
            if let Value::Integers(list) = value { Some(list.as_slice()) } else { None }
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        what: &str,
        get: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.0.get(key) {
            None => Ok(None),
            Some(value) => get(value).map(Some).ok_or_else(|| damaged(format!("{key} is not {what}"))),
        }
    }
}

/// What of the file is still unread.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| damaged("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked"))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, Error> {
        let length = self.u64()?;
        if length > TEXT_BYTES_MAX {
            return Err(damaged(format!("it claims a text of {length} bytes")));
        }
        let length = usize::try_from(length).map_err(|_| damaged("a text does not fit in memory"))?;
        let bytes = self.take(length)?;
        // Vocabularies of other kinds hold pieces that are no text; they are read, and refused where they matter.
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn signed(&mut self, kind: u32) -> Result<Option<i64>, Error> {
        Ok(Some(match kind {
            0 => i64::from(self.array::<1>()?[0]),
            1 => i64::from(i8::from_le_bytes(self.array()?)),
            2 => i64::from(u16::from_le_bytes(self.array()?)),
            3 => i64::from(i16::from_le_bytes(self.array()?)),
            4 => i64::from(self.u32()?),
            5 => i64::from(i32::from_le_bytes(self.array()?)),
            11 => i64::from_le_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, kind: u32) -> Result<Option<Value>, Error> {
        if let Some(number) = self.signed(kind)? {
            return Ok(Some(Value::Signed(number)));
        }
        Ok(Some(match kind {
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.bool()?),
            8 => Value::Text(self.text()?),
            9 => return self.list(),
            10 => Value::Unsigned(self.u64()?),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(damaged(format!("a value has the unknown type {other}"))),
        }))
    }

    fn bool(&mut self) -> Result<bool, Error> {
        match self.array::<1>()?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(damaged(format!("a truth value is {other}"))),
        }
    }

    /// Lists of texts, floats and integers are kept; lists of other kinds are read over.
    fn list(&mut self) -> Result<Option<Value>, Error> {
        let kind = self.u32()?;
        let length = self.u64()?;
        if length > ELEMENTS_MAX {
            return Err(damaged(format!("it claims a list of {length} elements")));
        }
        let mut texts = Vec::new();
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        for _ in 0..length {
            match kind {
                8 => texts.push(self.text()?),
                6 => floats.push(f32::from_le_bytes(self.array()?)),
                7 => drop(self.bool()?),
                10 => drop(self.u64()?),
                12 => drop(self.array::<8>()?),
                _ => match self.signed(kind)? {
                    Some(number) => integers.push(number),
                    None => return Err(damaged(format!("a list has the unsupported element type {kind}"))),
                },
            }
        }
        Ok(match kind {
            8 => Some(Value::Texts(texts)),
            6 => Some(Value::Floats(floats)),
            7 | 10 | 12 => None,
            _ => Some(Value::Integers(integers)),
        })
    }
}

pub(super) fn damaged(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Tokenizer, format!("read the GGUF file: {why}"))
}
