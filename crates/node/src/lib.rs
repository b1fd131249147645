//! The node: one thread orders and decides, one writes, and everybody else reads what is durable.
//!
//! ```text
//! submissions ─▶ order (decide) ─▶ write (append, sync, fold the views, answer) ─▶ outcomes
//! ```
//!
//! - The ordering thread owns the core. It takes what has arrived, decides it in one go, and hands the entries on: a batch is
//!   one frame and one sync, so the disk's latency is shared by everybody who waits for it.
//! - The writing thread owns the log. An outcome, even a refusal, leaves only when every frame it could have seen is durable.
//! - The views are folded from durable entries under one lock, held for the length of a fold. They are never the source of
//!   truth: they can be thrown away and folded again.
//!
//! [`order`] and [`seal`] know neither threads nor clocks, so that a simulator can run them.
mod archive;
mod backup;
mod checkpoint;
mod clock;
mod error;
mod founding;
mod halt;
mod handle;
mod ids;
mod open;
pub mod order;
pub mod seal;
mod threads;
mod verify;
mod views;

pub use archive::{Closed, Receipt, StatementLine};
pub use backup::{backup, restore};
pub use clock::{Clock, Jump, Now};
pub use error::{Error, ErrorKind, Result, Unavailable};
pub use founding::{Founding, init};
pub use handle::{Handle, Status};
pub use ids::IdSource;
pub use open::{Options, start};
pub use threads::Node;
pub use verify::{AssetSum, Report, verify};
pub use views::{Activity, Direction, Rate, Rollup, RollupKey, Views};

#[cfg(test)]
mod tests;
