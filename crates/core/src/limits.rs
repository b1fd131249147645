//! Everything has a limit, and every limit has a name here.
//!
//! Limits of memory are small in the core's own tests, so that these can reach them.

use core::ops::RangeInclusive;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in an hour.
pub const HOUR: u64 = 3_600 * SECOND;

/// Parts per million in a whole.
pub const PPM: u64 = 1_000_000;

/// Longest name of anything, in bytes.
pub const NAME_BYTES_MAX: usize = 96;
/// Longest reason or reference given with a command, in bytes.
pub const REASON_BYTES_MAX: usize = 512;
/// Largest amount one command may move, and largest limit of an account: 10^27 units, far from where 128 bits end.
pub const AMOUNT_MAX: i128 = 1_000_000_000_000_000_000_000_000_000;
/// Dearest price, in units per million tokens: a million credits per million tokens.
pub const PRICE_MAX: u64 = 1_000_000_000_000_000;
/// Most tokens one request may count in one bucket.
pub const TOKENS_MAX: u64 = 1 << 40;
/// Longest notice of a schedule, in seconds: ninety days.
pub const SCHEDULE_NOTICE_SECONDS_MAX: u64 = 7_776_000;

/// Furthest a site lies east or west, in thousandths of a degree.
pub const LONGITUDE_MILLIDEGREES_MAX: i32 = 180_000;
/// Dearest power, in units per kilowatt hour: a thousand credits.
pub const POWER_PRICE_MAX: u64 = 1_000_000_000_000;
/// Site power is at least machine power, and at most ten times it.
pub const PUE_PPM: RangeInclusive<u32> = 1_000_000..=10_000_000;
/// Most microjoules of one token: a million joules.
pub const MICROJOULES_MAX: u64 = 1_000_000_000_000;

/// Assets a log may define.
pub const ASSETS_MAX: usize = 64;
/// Longest code of an asset, in bytes.
pub const ASSET_CODE_BYTES_MAX: usize = 12;
/// Most decimals of an asset.
pub const ASSET_DECIMALS_MAX: u8 = 18;
/// Accounts that fit into dense handles.
pub const ACCOUNTS_MAX: u32 = if cfg!(test) { 300 } else { 100_000_000 };
/// Keys a member may hold that are not revoked.
pub const KEYS_PER_MEMBER_MAX: u64 = 1_000;
/// Keys a member may be issued in all: a revoked one keeps its id and its hash.
pub const KEYS_ISSUED_PER_MEMBER_MAX: u64 = if cfg!(test) { 1_002 } else { 100_000 };
/// Parties of one royalty pot.
pub const PARTIES_MAX: usize = 64;
/// Longest chain of base models below a model.
pub const LINEAGE_DEPTH_MAX: usize = 8;
/// Candidate offers of one request.
pub const CANDIDATES_MAX: usize = 16;
/// Attempts recorded on one receipt.
pub const ATTEMPTS_MAX: usize = 8;
/// Schedules of one offer that are in force or still to come.
pub const SCHEDULES_PER_OFFER_MAX: usize = 64;
/// Marks in one progress command.
pub const MARKS_MAX: usize = 4_096;
/// Holds open at a time.
pub const HOLDS_MAX: usize = if cfg!(test) { 200 } else { 1_000_000 };

/// Lines in one batch of metering.
pub const BATCH_LINES_MAX: usize = 65_536;
/// Batches of a source that are remembered, so that other lines under the same numbers are noticed.
pub const BATCHES_REMEMBERED: usize = 64;
/// Sources that may report usage.
pub const SOURCES_MAX: usize = if cfg!(test) { 10 } else { 10_000 };
/// How long ago a metered request may have started.
pub const LINE_AGE_MAX: u64 = 72 * HOUR;
/// How far ahead of the clock a metered request may have started.
pub const LINE_AHEAD_MAX: u64 = 300 * SECOND;

/// How long ago an id may have been drawn.
pub const ID_AGE_MAX: u64 = 24 * HOUR;
/// How far ahead of the clock an id may have been drawn.
pub const ID_AHEAD_MAX: u64 = 300 * SECOND;
/// How long ids are remembered: longer than they are accepted, so none can be used twice.
pub const ID_REMEMBERED: u64 = 25 * HOUR;
/// Command ids remembered at a time.
pub const IDS_MAX: usize = if cfg!(test) { 250 } else { 10_000_000 };
/// Command ids of one member remembered at a time: one a second for as long as they are remembered.
pub const IDS_PER_MEMBER_MAX: u64 = if cfg!(test) { 100 } else { 100_000 };

/// Steps of due work in one command.
pub const DUE_STEPS_MAX: u32 = 512;
