//! Snapshots of the views: what a start goes on from, so that it need not fold a whole log.
//!
//! A snapshot proves nothing, and the log has everything. So one that is damaged, of another log, or not spelled as this build
//! would spell it is passed over, and the views are folded from an older one or from the first entry.
use crate::error::Result;
use crate::views::Views;
use std::path::Path;
use sycee_core::exact;
use sycee_log::{Disk, FrameSource, Head, Snapshot, snapshot};

/// What the fields of [`Views`] mean. It is raised when the same entries would lead to other views of the same shape; a changed
/// shape is noticed without it.
const MEANING: u32 = 1;
const MEANING_BYTES: usize = 4;

/// The views as bytes.
pub(crate) fn encode(views: &Views) -> Vec<u8> {
    let mut bytes = MEANING.to_le_bytes().to_vec();
    minicbor::encode(views, &mut bytes).expect("encoding into memory does not fail");
    bytes
}

/// The views that this build, and no other, would write as these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<Views> {
    let (meaning, views) = bytes.split_first_chunk::<MEANING_BYTES>()?;
    let known = u32::from_le_bytes(*meaning) == MEANING;
    known.then(|| exact::decode(views).ok()).flatten()
}

pub(crate) fn store(disk: &dyn Disk, directory: &Path, head: Head, bytes: Vec<u8>) -> Result<()> {
    Ok(snapshot::store(disk, directory, &Snapshot { head, bytes })?)
}

/// The views of the newest snapshot that belongs to this log, and the number of the frame to go on from.
pub(crate) fn load(disk: &dyn Disk, directory: &Path, source: &FrameSource) -> Result<(Views, u64)> {
    let (newest, skipped) = snapshot::load_newest(disk, directory, source)?;
    for skipped in skipped {
        tracing::warn!("passed over {skipped}");
    }
    let Some(Snapshot { head, bytes }) = newest else { return Ok((Views::default(), 0)) };
    match decode(&bytes) {
        Some(views) if (views.state.position, views.tree.0.size()) == (head.position, head.position) => {
            Ok((views, head.number))
        }
        Some(_) | None => {
            tracing::warn!("the snapshot at position {} is of another build; folding anew", head.position);
            Ok((Views::default(), 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MEANING, decode, encode};
    use crate::views::Views;

    #[test]
    fn bytes_of_another_build_are_not_views() {
        let bytes = encode(&Views::default());
        assert_eq!(decode(&bytes).map(|views| encode(&views)), Some(bytes.clone()));
        let mut other = bytes.clone();
        other[..4].copy_from_slice(&(MEANING + 1).to_le_bytes());
        assert!(decode(&other).is_none(), "another meaning");
        // One field more, which a decoder would skip, and one field less.
        assert_eq!(bytes[4], 0x89, "nine fields");
        let mut more = [&bytes[..], &[0xf6]].concat();
        more[4] += 1;
        assert!(minicbor::decode::<Views>(&more[4..]).is_ok() && decode(&more).is_none());
        let mut less = bytes.clone();
        less[4] -= 1;
        assert!(decode(&less).is_none());
        assert!(decode(&bytes[..3]).is_none());
        assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
    }
}
