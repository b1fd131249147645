//! The node: one thread orders and decides, others make it durable, and everybody else reads what is.
//!
//! ```text
//! submissions ─▶ order ─▶ append ─▶ commit ─▶ outcomes
//!                decide   seal,     sync, fold the
//!                         write     views, answer
//! ```
//!
//! - The ordering stage owns the core. It takes what has arrived, decides it in one go, and hands the entries on: a batch is
//!   one frame and one sync, so the disk's latency is shared by everybody who waits for it.
//! - The appending stage owns the log, the committing stage the views. An outcome, even a refusal, leaves only when every frame
//!   it could have seen is durable.
//! - The views are folded from durable entries under one lock, held for the length of a fold. They are never the source of
//!   truth: they can be thrown away and folded again.
//!
//! The stages know neither threads nor sockets, and all they do to a disk goes through [`sycee_log::Disk`]; `threads` is a thin
//! shell around them. That is how power can be cut at every point of a node's life (`tests::crash`).
mod append;
mod archive;
mod backup;
mod checkpoint;
mod clock;
mod commit;
mod cut;
mod error;
mod founding;
mod halt;
mod handle;
mod ids;
mod key;
pub mod lines;
mod open;
pub mod order;
mod quiet;
pub mod seal;
mod snapshot;
mod threads;
mod verify;
mod views;

pub use archive::{Cause, Closed, Receipt, StatementLine};
pub use backup::{backup, restore};
pub use clock::{Clock, Hands, Jump, Now};
pub use error::{Error, ErrorKind, Result, Unavailable};
pub use founding::{Founding, init};
pub use handle::{Handle, Status};
pub use open::{Options, start};
pub use threads::Node;
pub use verify::{AssetSum, Kept, Report, verify};
pub use views::{Activity, Direction, Metered, OfferHour, PayerHour, Rate, Rollup, RollupKey, Sold, Views};

#[cfg(test)]
mod tests;
