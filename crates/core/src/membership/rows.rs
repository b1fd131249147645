//! Rows: what metering asks of keys that spend, by handle.
use super::{AccountId, Decode, Encode, Handle, Key, KeyId, MemberId, Standing, State, ledger};

/// What metering asks of a key that spends, by handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyRow {
    #[n(0)]
    pub payer: Handle,
    /// Not revoked, and its member active.
    #[n(1)]
    pub works: bool,
}

impl State {
    /// The handle of a key that spends.
    pub fn key_handle(&self, key: KeyId) -> Option<Handle> {
        self.handles.get(&key).copied()
    }

    /// Every key that spends with its account, in the order of their handles.
    pub fn spending_keys(&self) -> Vec<(KeyId, AccountId)> {
        let spending = self
            .handles
            .iter()
            .filter_map(|(key, handle)| Some((*handle, *key, self.keys.get(key)?.account?)));
        let mut spending: Vec<_> = spending.collect();
        spending.sort_unstable();
        spending.into_iter().map(|(_, key, account)| (key, account)).collect()
    }

    /// What metering asks of the key with that handle.
    pub fn key_row(&self, handle: Handle) -> Option<&KeyRow> {
        self.rows.get(handle)
    }

    /// Handles of the keys that a member can spend with, or could if it were active.
    pub(super) fn spending_of(&self, member: MemberId) -> impl Iterator<Item = Handle> + '_ {
        let all = (member, Handle(0))..=(member, Handle(u32::MAX));
        self.spending.range(all).map(|((_, handle), ())| *handle)
    }

    pub(super) fn row_of(&self, key: KeyId) -> Option<KeyRow> {
        self.rows.get(self.key_handle(key)?).copied()
    }

    /// What the row of a key has to say.
    pub(super) fn row_due(&self, state: &crate::State, key: &Key) -> Option<KeyRow> {
        let payer = state.ledger.handle(ledger::Account::Member(key.account?))?;
        let active = self.member(key.member)?.standing == Standing::Active;
        Some(KeyRow { payer, works: active && !key.revoked })
    }
}
