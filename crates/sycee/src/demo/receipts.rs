//! The visitor's receipts: a link to each is printed as its request settles.
use sycee_core::ids::AccountId;
use sycee_node::Handle;

/// Receipts that are looked at after each write.
const NEWEST: usize = 50;

/// Follows the log until the node ends.
pub(super) fn announce(handle: &Handle, account: AccountId, root: &str) {
    let (handle, root) = (handle.clone(), root.to_owned());
    #[expect(clippy::disallowed_methods, reason = "it ends with the node")]
    tokio::spawn(async move {
        let mut durable = handle.durable();
        let newest = |limit| handle.views().receipts(Some(account), None, limit);
        let mut seen = newest(1).first().map(|(cursor, _)| *cursor);
        while durable.changed().await.is_ok() {
            let mut fresh = newest(NEWEST);
            fresh.retain(|(cursor, _)| seen.is_none_or(|seen| *cursor > seen));
            for (cursor, request) in fresh.into_iter().rev() {
                say!("  receipt  {root}/receipts/{request}");
                seen = Some(cursor);
            }
        }
    });
}
