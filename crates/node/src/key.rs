//! The signing key: a file beside the log that only its owner may read.
use crate::error::{Error, ErrorKind, Result};
use ed25519_dalek::SigningKey;
use std::path::Path;
use sycee_core::ids::Hash;
use sycee_log::{Disk, SyncPoint, whole};

/// The file with the signing key, in the log's directory: 64 hexadecimal digits.
pub(crate) const FILE: &str = "signing.key";

/// Writes the key of a new log, which has none yet.
pub(crate) fn write(disk: &dyn Disk, directory: &Path, key: &SigningKey) -> Result<()> {
    let path = directory.join(FILE);
    let new = directory.join(format!("{FILE}.new"));
    let written = (|| {
        // What an attempt that did not finish has left.
        if disk.exists(&new)? {
            disk.remove(&new)?;
        }
        let file = disk.create_private(&new)?;
        file.write_at(Hash(key.to_bytes()).to_string().as_bytes(), 0)?;
        file.sync(SyncPoint::KeyFile)?;
        disk.rename(&new, &path)?;
        disk.sync_directory(directory, SyncPoint::KeyDirectory)
    })();
    written.map_err(|error| failed("write", &path, error))
}

/// The key in a directory, unless others could have read it.
pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<SigningKey> {
    let path = directory.join(FILE);
    let private = disk.is_private(&path).map_err(|error| failed("read", &path, error))?;
    if !private {
        return Err(Error::new(ErrorKind::Key, format!("trust {}, which others can read", path.display())));
    }
    let bytes = whole::read(disk, &path).map_err(|error| failed("read", &path, error))?;
    let key = parse(&bytes);
    let key = key.ok_or_else(|| Error::new(ErrorKind::Key, format!("read a key in {}", path.display())))?;
    Ok(SigningKey::from_bytes(&key))
}

/// Whether there is one.
pub(crate) fn exists(disk: &dyn Disk, directory: &Path) -> Result<bool> {
    let path = directory.join(FILE);
    disk.exists(&path).map_err(|error| failed("look for", &path, error))
}

/// 64 hexadecimal digits, and perhaps a newline that an editor has left.
fn parse(bytes: &[u8]) -> Option<[u8; 32]> {
    let Hash(key) = std::str::from_utf8(bytes).ok()?.trim_end().parse().ok()?;
    Some(key)
}

fn failed(verb: &str, path: &Path, error: std::io::Error) -> Error {
    Error::because(ErrorKind::Key, format!("{verb} {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_key_is_64_digits() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        let key = parse(digits.as_bytes()).unwrap();
        assert_eq!(key[..8], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        assert_eq!(parse(format!("{digits}\n").as_bytes()), Some(key));
        for wrong in ["", &digits[1..], &format!("{digits}0"), &digits.replace('0', "+"), &"é".repeat(32)] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
