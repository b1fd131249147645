//! The node: one thread orders and decides, others make it durable, and everybody else reads what is.
//!
//! ```text
//! submissions ─▶ order ─▶ append ─▶ commit ─▶ outcomes
//!                decide   seal,     sync,
//!                         write     answer
//! ```
//!
//! - The ordering stage alone writes the state. It takes what has arrived, decides it in one go, and hands the entries on: a batch
//!   is one frame and one sync, so the disk's latency is shared by everybody who waits for it.
//! - The appending stage owns the log, the committing stage the tree over its entries. An outcome, even a refusal, leaves only
//!   when every frame it could have seen is durable.
//! - There is one state. Others read it, and the views folded beside it, under a lock that is held for the length of one
//!   submission. What they read may be ahead of the disk, so they too wait before they tell it ([`Handle::settled`]).
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
mod order;
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
pub use views::{
    Activity, Direction, Metered, OfferHour, PayerHour, Rate, Reading, Rollup, RollupKey, Sold, Views,
};

#[cfg(test)]
mod tests;
