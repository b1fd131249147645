//! Writing a sealed segment.

use std::io;

use zstd::bulk::Compressor;

use crate::disk::DiskFile;
use crate::frame::{Frame, Head};

use super::index;
use super::{HEADER_BYTES, Header, Pack};

/// Packs frames, in order, into a file that nobody reads yet.
pub(crate) struct Packer<'a> {
    file: &'a dyn DiskFile,
    compressor: Compressor<'static>,
    /// A pack is closed before it would become longer, unless it has but one frame.
    pack_bytes: usize,
    start: Head,
    /// After the frames that were taken.
    pub(crate) head: Head,
    /// After the frames of closed packs.
    closed: Head,
    /// What the open pack has, and the counts of its frames.
    bytes: Vec<u8>,
    counts: Vec<u8>,
    index: Vec<u8>,
    offset: u64,
}

impl<'a> Packer<'a> {
    /// With packs of about this length, at a level of Zstandard.
    pub(crate) fn new(
        file: &'a dyn DiskFile,
        start: Head,
        pack_bytes: usize,
        level: i32,
    ) -> io::Result<Self> {
        Ok(Self {
            file,
            compressor: Compressor::new(level)?,
            pack_bytes,
            start,
            head: start,
            closed: start,
            bytes: Vec::with_capacity(pack_bytes),
            counts: Vec::new(),
            index: Vec::new(),
            offset: HEADER_BYTES as u64,
        })
    }

    /// Takes the frame that leads to `after`.
    pub(crate) fn push(&mut self, frame: &Frame, after: Head) -> io::Result<()> {
        if !self.bytes.is_empty() && self.bytes.len() + frame.packed_bytes() > self.pack_bytes {
            self.close()?;
        }
        frame.pack(&mut self.bytes);
        index::write_number(&mut self.counts, frame.count);
        self.head = after;
        Ok(())
    }

    /// Bytes that the closed packs take.
    pub(crate) fn packed_bytes(&self) -> u64 {
        self.offset - HEADER_BYTES as u64
    }

    /// Frames in closed packs.
    pub(crate) fn packed_frames(&self) -> u64 {
        self.closed.number - self.start.number
    }

    fn close(&mut self) -> io::Result<()> {
        let packed = self.compressor.compress(&self.bytes)?;
        let length =
            |bytes: &[u8]| u32::try_from(bytes.len()).expect("a pack is not much above the frame limit");
        let pack = Pack {
            start: self.closed,
            offset: self.offset,
            packed_bytes: length(&packed),
            unpacked_bytes: length(&self.bytes),
            sum: crc32c::crc32c(&packed),
            counts: 0,
        };
        self.file.write_at(&packed, self.offset)?;
        index::write_row(&mut self.index, &pack, &self.head, &self.counts);
        self.offset += packed.len() as u64;
        self.closed = self.head;
        self.bytes.clear();
        self.counts.clear();
        Ok(())
    }

    /// Writes what is left, the index and the header.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.close()?;
        }
        let header = Header {
            start: self.start,
            end: self.head,
            index_offset: self.offset,
            index_bytes: u32::try_from(self.index.len()).map_err(|_| io::ErrorKind::FileTooLarge)?,
            index_sum: crc32c::crc32c(&self.index),
        };
        self.file.write_at(&self.index, self.offset)?;
        self.file.write_at(&header.encode(), 0)
    }
}
