//! Signed notes (c2sp.org/signed-note): text, an empty line, signature lines.
//!
//! A signature line is `— <name> <base64 of key id and signature>`. The key id is the first four bytes of
//! SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), 0x01 standing for Ed25519. Signatures by keys that the reader does not
//! know are ignored; a bad one by a key it knows spoils the note.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

const ED25519: u8 = 1;

/// A name and the key that signs under it.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: SigningKey,
}

/// A name and the key that its signatures are checked with. As text: `<name>+<key id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteError {
    /// A name is empty or holds a space or a plus sign.
    Name,
    /// A public key is no point of the curve, or its text is not a verifier's.
    Key,
    /// The text is not that of a note.
    Malformed,
    /// No line is signed by this key.
    NotSigned,
    /// A line claims to be signed by this key and is not.
    BadSignature,
}

impl Signer {
    /// `seed` is the secret key of RFC 8032.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note with this text, which has to end with a newline.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let line = BASE64.encode([&self.verifier().key_id()[..], &signature].concat());
        Ok(format!("{text}\n— {} {line}\n", self.name))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of logs and panics.
        write!(formatter, "Signer({})", self.verifier())
    }
}

impl Verifier {
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| NoteError::Key)?;
        Ok(Self { name: name.to_owned(), key })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The text of a note that this key has signed.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, signatures) = (&note[..=split], &note[split + 2..]);
        check_text(text)?;
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
        let mut signed = false;
        for line in lines.split('\n') {
            let (name, id, signature) = parse_line(line).ok_or(NoteError::Malformed)?;
            if name == self.name && id == self.key_id() {
                let signature = Signature::from_slice(&signature).map_err(|_| NoteError::BadSignature)?;
                let valid = self.key.verify_strict(text.as_bytes(), &signature);
                valid.map_err(|_| NoteError::BadSignature)?;
                signed = true;
            }
        }
        if signed { Ok(text) } else { Err(NoteError::NotSigned) }
    }

    fn key_id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize();
        crate::block::array(&digest, 0)
    }
}

/// Splits a signature line into name, key id and signature.
fn parse_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = BASE64.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (!signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}

impl fmt::Display for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.key_id());
        let key = BASE64.encode([&[ED25519], &self.key.as_bytes()[..]].concat());
        write!(formatter, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::Key)?;
        let (_, key) = rest.split_once('+').ok_or(NoteError::Key)?;
        let bytes = BASE64.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519, key)) = bytes.split_first() else { return Err(NoteError::Key) };
        let verifier = Self::new(name, key.try_into().map_err(|_| NoteError::Key)?)?;
        // There is one text for a key, so this also checks the key id.
        if verifier.to_string() == text { Ok(verifier) } else { Err(NoteError::Key) }
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = name.is_empty()
        || name.contains(|sign: char| sign == '+' || sign.is_whitespace() || sign.is_control());
    if bad { Err(NoteError::Name) } else { Ok(()) }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let whole = text.len() > 1 && text.ends_with('\n') && !text.contains("\n\n");
    let plain = !text.contains(|sign: char| sign.is_ascii_control() && sign != '\n');
    if whole && plain { Ok(()) } else { Err(NoteError::Malformed) }
}

impl fmt::Display for NoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Name => "the name is empty or holds a space or a plus sign",
            Self::Key => "the verifier key is malformed",
            Self::Malformed => "this is not a signed note",
            Self::NotSigned => "the note is not signed by this key",
            Self::BadSignature => "the signature is wrong",
        })
    }
}

impl std::error::Error for NoteError {}
