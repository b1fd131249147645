//! Descriptors: how many connections this process has room for.
//!
//! Each may need a second one, to a site, and the log must always find some: a node that cannot open its next segment stops.

/// Kept for the log, the archive and what else is open.
const KEPT: usize = 64;

/// The most connections there is room for; unknown where the system does not say.
pub(super) fn room() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    Some((open_files(&limits)?.saturating_sub(KEPT) / 2).max(1))
}

/// The soft limit of open files, which is the first number of its line.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_found() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             1000                 1000                 processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1_024));
        assert_eq!(open_files("Max open files            unlimited            unlimited files"), None);
        assert_eq!(open_files(""), None);
    }
}
