//! Measures what Zstandard's levels make of a log, and what they take: the frames of DIR, put together as sealing does.
//!
//! `cargo run --release -p sycee-log --example levels -- DIR [--json] [--pack-kib N]`
//!
//! Padding and hashes are left out, as they are when a segment is sealed. Processor time is what Linux says this thread ran.

#![expect(clippy::print_stdout, reason = "the result is what this program is for")]
#![expect(clippy::cast_precision_loss, reason = "figures are told to three digits")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use sycee_log::{Reader, RealDisk};
use zstd::bulk::{Compressor, decompress};

type Failure = Box<dyn Error + Send + Sync>;

const LEVELS: [i32; 3] = [-5, 1, 3];
const GIB: f64 = 1_073_741_824.0;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let (mut directory, mut json, mut pack_bytes) = (None, false, 256 * 1024);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--pack-kib" => {
                pack_bytes = given.next().ok_or("--pack-kib needs a value")?.parse::<usize>()? * 1024;
            }
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    let directory = directory.ok_or("name the directory of a log")?;
    let (mut packs, mut written, mut frames) = (vec![Vec::new()], 0, 0_u64);
    for frame in Reader::open(Arc::new(RealDisk), &directory)? {
        let frame = frame?;
        let last = packs.last().map_or(0, Vec::len);
        if last > 0 && last + frame.payload.len() > pack_bytes {
            packs.push(Vec::new());
        }
        packs.last_mut().ok_or("there is a pack")?.extend_from_slice(&frame.payload);
        written += frame.bytes_on_disk();
        frames += 1;
    }
    let bytes: usize = packs.iter().map(Vec::len).sum();
    for level in LEVELS {
        let (packed, packing, unpacking) = measure(&packs, level)?;
        let shown = json!({
            "level": level,
            "frames": frames,
            "bytes_written": written,
            "bytes_of_content": bytes,
            "bytes_packed": packed,
            "share_of_written": packed as f64 / written as f64,
            "packing_cpu_s_per_gib_written": packing * GIB / written as f64,
            "packing_cpu_s_per_gib_of_content": packing * GIB / bytes as f64,
            "unpacking_cpu_s_per_gib_of_content": unpacking * GIB / bytes as f64,
        });
        println!("{}", if json { shown.to_string() } else { format!("{shown:#}") });
    }
    Ok(())
}

/// Bytes of all packs at a level, and the seconds of processor time to pack and to unpack them.
fn measure(packs: &[Vec<u8>], level: i32) -> Result<(usize, f64, f64), Failure> {
    let mut compressor = Compressor::new(level)?;
    let began = processor_seconds()?;
    let packed = packs.iter().map(|pack| compressor.compress(pack)).collect::<Result<Vec<_>, _>>()?;
    let between = processor_seconds()?;
    for (packed, pack) in packed.iter().zip(packs) {
        if decompress(packed, pack.len())? != *pack {
            return Err("a pack is not what it was".into());
        }
    }
    let ended = processor_seconds()?;
    Ok((packed.iter().map(Vec::len).sum(), between - began, ended - between))
}

/// Seconds that this thread has run.
fn processor_seconds() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("schedstat has no figure")?.parse()?;
    Ok(nanoseconds / 1e9)
}
