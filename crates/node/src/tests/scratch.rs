//! A directory of its own for each test, gone with it.
use std::path::PathBuf;
use std::sync::Arc;
use sycee_log::{Disk, RealDisk};

pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sycee-node-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        Self { path }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

pub(super) fn real_disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}
