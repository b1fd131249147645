//! frames, segments, fsync, hash chain, snapshots, recovery
