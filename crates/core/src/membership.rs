//! Membership: who takes part, in which roles, with which keys.
//!
//! Members belong to organisations: every right that is capped is capped per organisation, so one that splits itself into many
//! members gains nothing. Keys are known only by their hash.
//!
//! Invariants
//! - M1 Every key belongs to a member and is found by its hash, and only one key has that hash.
//! - M2 A key spends only from an account of its own member.
//! - M3 What is counted of a member's keys, those not revoked and all ever issued, is what it has.
//! - M4 A key's handle names it and it alone, and is never used again.
//!
//! Example: Qingyang Computing registers as a provider, opens a CNY account to be paid into, and gets a key to read its own
//! statement; suspended, its keys stop working at once.
use crate::genesis;
use crate::ids::{AccountId, Amount, Asset, Handle, Hash, KeyId, MemberId, OrganisationId};
use crate::ledger::{self, Details};
use crate::limits;
use crate::table::{Dense, Rows, Table};
use crate::{Breach, Tx};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

mod rows;
pub use rows::KeyRow;

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Runs the platform.
    #[n(0)]
    Operator,
    /// Buys tokens.
    #[n(1)]
    Consumer,
    /// Owns sites that serve.
    #[n(2)]
    Provider,
    /// Owns models or data.
    #[n(3)]
    Author,
    /// Reads everything, changes nothing.
    #[n(4)]
    Auditor,
    /// Reports usage measured elsewhere.
    #[n(5)]
    Meter,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Operator, Self::Consumer, Self::Provider, Self::Author, Self::Auditor, Self::Meter];

    /// The name in JSON and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Consumer => "consumer",
            Self::Provider => "provider",
            Self::Author => "author",
            Self::Auditor => "auditor",
            Self::Meter => "meter",
        }
    }

    /// The role of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Whether a member or a part of the catalogue may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    #[n(0)]
    Active,
    #[n(1)]
    Suspended,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    #[n(0)]
    RegisterOrganisation {
        #[n(0)]
        organisation: OrganisationId,
        #[n(1)]
        name: String,
    },
    #[n(1)]
    Register {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        details: Member,
    },
    #[n(2)]
    SetStanding {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        standing: Standing,
    },
    #[n(3)]
    SetRoles {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        roles: Vec<Role>,
    },
    #[n(4)]
    OpenAccount {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        member: MemberId,
        #[n(2)]
        asset: Asset,
        #[n(3)]
        name: String,
        #[n(4)]
        limit: Amount,
    },
    #[n(5)]
    IssueKey {
        #[n(0)]
        key: KeyId,
        #[n(1)]
        member: MemberId,
        /// The account that requests with this key spend from; none for keys that only read.
        #[n(2)]
        account: Option<AccountId>,
        #[n(3)]
        label: String,
        /// SHA-256 of the key.
        #[n(4)]
        hash: Hash,
    },
    #[n(6)]
    RevokeKey {
        #[n(0)]
        key: KeyId,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    OrganisationRegistered {
        #[n(0)]
        organisation: OrganisationId,
        #[n(1)]
        name: String,
    },
    #[n(1)]
    Registered {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        details: Member,
    },
    #[n(2)]
    StandingSet {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        standing: Standing,
    },
    #[n(3)]
    RolesSet {
        #[n(0)]
        member: MemberId,
        #[n(1)]
        roles: Vec<Role>,
    },
    #[n(4)]
    KeyIssued {
        #[n(0)]
        key: KeyId,
        #[n(1)]
        details: Key,
        /// The handle of the account that it spends from.
        #[n(2)]
        payer: Option<Handle>,
    },
    #[n(5)]
    KeyRevoked {
        #[n(0)]
        key: KeyId,
    },
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    #[n(0)]
    MemberNotFound,
    #[n(1)]
    MemberExists,
    #[n(2)]
    OrganisationNotFound,
    #[n(3)]
    OrganisationExists,
    #[n(4)]
    NameNotAllowed,
    /// Roles must be given, in order and once each.
    #[n(5)]
    BadRoles,
    #[n(6)]
    KeyNotFound,
    #[n(7)]
    KeyExists,
    #[n(8)]
    KeyRevoked,
    #[n(12)]
    Ledger(#[n(0)] ledger::Refusal),
    /// The account belongs to another member.
    #[n(9)]
    NotYours,
    /// The member has as many keys that are not revoked as it may have, or was issued as many as it ever may be.
    #[n(10)]
    TooManyKeys,
    /// The last active operator cannot be suspended or lose the role.
    #[n(11)]
    LastOperator,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::MemberNotFound => "membership.member_not_found",
            Self::MemberExists => "membership.member_exists",
            Self::OrganisationNotFound => "membership.organisation_not_found",
            Self::OrganisationExists => "membership.organisation_exists",
            Self::NameNotAllowed => "membership.name_not_allowed",
            Self::BadRoles => "membership.bad_roles",
            Self::KeyNotFound => "membership.key_not_found",
            Self::KeyExists => "membership.key_exists",
            Self::KeyRevoked => "membership.key_revoked",
            Self::Ledger(refusal) => refusal.code(),
            Self::NotYours => "membership.not_yours",
            Self::TooManyKeys => "membership.too_many_keys",
            Self::LastOperator => "membership.last_operator",
        }
    }
}

impl From<ledger::Refusal> for Refusal {
    fn from(refusal: ledger::Refusal) -> Self {
        Self::Ledger(refusal)
    }
}

/// A member as registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    #[n(0)]
    pub name: String,
    /// Those under common control; a member without one stands for itself.
    #[n(1)]
    pub organisation: Option<OrganisationId>,
    #[n(2)]
    pub roles: Vec<Role>,
    #[n(3)]
    pub standing: Standing,
}

/// A key as issued.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Key {
    #[n(0)]
    pub member: MemberId,
    #[n(1)]
    pub account: Option<AccountId>,
    #[n(2)]
    pub label: String,
    #[n(3)]
    pub hash: Hash,
    #[n(4)]
    pub revoked: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    organisations: Table<OrganisationId, String>,
    #[n(1)]
    members: Table<MemberId, Member>,
    #[n(2)]
    keys: Table<KeyId, Key>,
    #[n(3)]
    by_hash: Table<Hash, KeyId>,
    /// Keys of a member that are not revoked.
    #[n(4)]
    live_keys: Table<MemberId, u64>,
    /// Keys that a member was ever issued.
    #[n(5)]
    issued_keys: Table<MemberId, u64>,
    /// Handles of keys that spend.
    #[n(6)]
    handles: Table<KeyId, Handle>,
    #[n(7)]
    rows: Dense<KeyRow>,
    /// Which of them are a member's and not revoked.
    #[n(8)]
    spending: Table<(MemberId, Handle), ()>,
}

impl State {
    /// All organisations' names.
    pub fn organisations(&self) -> &Table<OrganisationId, String> {
        &self.organisations
    }

    /// All members.
    pub fn members(&self) -> &Table<MemberId, Member> {
        &self.members
    }

    /// All keys, revoked ones too.
    pub fn keys(&self) -> &Table<KeyId, Key> {
        &self.keys
    }

    /// The member of that id.
    pub fn member(&self, member: MemberId) -> Option<&Member> {
        self.members.get(&member)
    }

    /// Whether the member is known, active, and has the role.
    pub fn may(&self, member: MemberId, role: Role) -> bool {
        self.member(member).is_some_and(|it| it.standing == Standing::Active && it.roles.contains(&role))
    }

    /// The key with that hash if it works: not revoked, and its member active.
    pub fn authenticate(&self, hash: Hash) -> Option<(KeyId, &Key)> {
        let id = *self.by_hash.get(&hash)?;
        let key = self.keys.get(&id)?;
        let active = self.member(key.member)?.standing == Standing::Active;
        (active && !key.revoked).then_some((id, key))
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 9] {
        let Self { organisations, members, keys, by_hash, live_keys, issued_keys, handles, rows, spending } =
            self;
        [organisations, members, keys, by_hash, live_keys, issued_keys, handles, rows, spending]
    }

    fn active_operators_besides(&self, member: MemberId) -> usize {
        let others = self.members.iter().filter(|(id, _)| **id != member);
        others.filter(|(_, it)| it.standing == Standing::Active && it.roles.contains(&Role::Operator)).count()
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::RegisterOrganisation { organisation, name } => {
            register_organisation(tx, *organisation, name)
        }
        Command::Register { member, details } => register(tx, *member, details),
        Command::SetStanding { member, standing } => {
            check_operator_left(tx, *member, *standing == Standing::Active)?;
            tx.emit(Event::StandingSet { member: *member, standing: *standing });
            Ok(())
        }
        Command::SetRoles { member, roles } => {
            tx.state().membership.member(*member).ok_or(Refusal::MemberNotFound)?;
            check_roles(roles)?;
            check_operator_left(tx, *member, roles.contains(&Role::Operator))?;
            tx.emit(Event::RolesSet { member: *member, roles: roles.clone() });
            Ok(())
        }
        Command::OpenAccount { account, member, asset, name, limit } => {
            tx.state().membership.member(*member).ok_or(Refusal::MemberNotFound)?;
            let details = Details { member: *member, asset: *asset, name: name.clone() };
            Ok(ledger::open(tx, *account, details, *limit)?)
        }
        Command::IssueKey { key, member, account, label, hash } => {
            let details =
                Key { member: *member, account: *account, label: label.clone(), hash: *hash, revoked: false };
            issue_key(tx, *key, details)
        }
        Command::RevokeKey { key } => {
            let details = tx.state().membership.keys.get(key).ok_or(Refusal::KeyNotFound)?;
            if details.revoked {
                return Err(Refusal::KeyRevoked);
            }
            tx.emit(Event::KeyRevoked { key: *key });
            Ok(())
        }
    }
}

/// The first operator comes with the charter.
pub(crate) fn found(tx: &mut Tx<'_>, command: &genesis::Command) -> Result<(), Refusal> {
    let genesis::Command::Found { charter: _, operator, operator_name, operator_key, operator_key_hash } =
        command;
    let details = Member {
        name: operator_name.clone(),
        organisation: None,
        roles: vec![Role::Operator],
        standing: Standing::Active,
    };
    register(tx, *operator, &details)?;
    let label = "founding operator".to_owned();
    let key = Key { member: *operator, account: None, label, hash: *operator_key_hash, revoked: false };
    issue_key(tx, *operator_key, key)
}

fn register_organisation(tx: &mut Tx<'_>, organisation: OrganisationId, name: &str) -> Result<(), Refusal> {
    if tx.state().membership.organisations.contains(&organisation) {
        return Err(Refusal::OrganisationExists);
    }
    if !crate::name_allowed(name) {
        return Err(Refusal::NameNotAllowed);
    }
    tx.emit(Event::OrganisationRegistered { organisation, name: name.to_owned() });
    Ok(())
}

fn register(tx: &mut Tx<'_>, member: MemberId, details: &Member) -> Result<(), Refusal> {
    let state = &tx.state().membership;
    if state.members.contains(&member) {
        return Err(Refusal::MemberExists);
    }
    if details.organisation.is_some_and(|it| !state.organisations.contains(&it)) {
        return Err(Refusal::OrganisationNotFound);
    }
    if !crate::name_allowed(&details.name) {
        return Err(Refusal::NameNotAllowed);
    }
    check_roles(&details.roles)?;
    tx.emit(Event::Registered { member, details: details.clone() });
    Ok(())
}

fn issue_key(tx: &mut Tx<'_>, key: KeyId, details: Key) -> Result<(), Refusal> {
    let state = tx.state();
    let membership = &state.membership;
    membership.member(details.member).ok_or(Refusal::MemberNotFound)?;
    if !crate::name_allowed(&details.label) {
        return Err(Refusal::NameNotAllowed);
    }
    if membership.keys.contains(&key) || membership.by_hash.contains(&details.hash) {
        return Err(Refusal::KeyExists);
    }
    let mut payer = None;
    if let Some(account) = details.account {
        let owner = state.ledger.account(account).ok_or(ledger::Refusal::AccountNotFound)?.member;
        if owner != details.member {
            return Err(Refusal::NotYours);
        }
        payer = state.ledger.handle(ledger::Account::Member(account));
    }
    let live = count_of(&membership.live_keys, details.member);
    let issued = count_of(&membership.issued_keys, details.member);
    if live >= limits::KEYS_PER_MEMBER_MAX || issued >= limits::KEYS_ISSUED_PER_MEMBER_MAX {
        return Err(Refusal::TooManyKeys);
    }
    tx.emit(Event::KeyIssued { key, details, payer });
    Ok(())
}

fn check_roles(roles: &[Role]) -> Result<(), Refusal> {
    let ordered = roles.iter().zip(roles.iter().skip(1)).all(|(role, next)| role < next);
    if ordered && !roles.is_empty() { Ok(()) } else { Err(Refusal::BadRoles) }
}

fn check_operator_left(tx: &Tx<'_>, member: MemberId, stays_operator: bool) -> Result<(), Refusal> {
    let state = &tx.state().membership;
    state.member(member).ok_or(Refusal::MemberNotFound)?;
    let is_operator = state.may(member, Role::Operator);
    if is_operator && !stays_operator && state.active_operators_besides(member) == 0 {
        return Err(Refusal::LastOperator);
    }
    Ok(())
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::OrganisationRegistered { organisation, name } => {
            state.organisations.insert(*organisation, name.clone());
        }
        Event::Registered { member, details } => state.members.insert(*member, details.clone()),
        Event::StandingSet { member, standing } => {
            change(state, *member, |it| it.standing = *standing);
            let works = *standing == Standing::Active;
            for handle in state.spending_of(*member).collect::<Vec<_>>() {
                state.rows.update(handle, |row| row.works = works);
            }
        }
        Event::RolesSet { member, roles } => change(state, *member, |it| it.roles.clone_from(roles)),
        Event::KeyIssued { key, details, payer } => {
            if let Some(payer) = *payer {
                let works = state.member(details.member).is_some_and(|it| it.standing == Standing::Active);
                let handle = state.rows.push(KeyRow { payer, works });
                state.handles.insert(*key, handle);
                state.spending.insert((details.member, handle), ());
            }
            state.by_hash.insert(details.hash, *key);
            for counts in [&mut state.live_keys, &mut state.issued_keys] {
                let count = count_of(counts, details.member).checked_add(1).expect("M3: far below 2^64");
                counts.insert(details.member, count);
            }
            state.keys.insert(*key, details.clone());
        }
        Event::KeyRevoked { key } => {
            let mut details = state.keys.get(key).expect("M1: decided").clone();
            details.revoked = true;
            let live = count_of(&state.live_keys, details.member).checked_sub(1).expect("M3: it was counted");
            state.live_keys.insert(details.member, live);
            if let Some(handle) = state.handles.get(key).copied() {
                state.rows.update(handle, |row| row.works = false);
                state.spending.remove(&(details.member, handle));
            }
            state.keys.insert(*key, details);
        }
    }
}

fn count_of(counts: &Table<MemberId, u64>, member: MemberId) -> u64 {
    counts.get(&member).copied().unwrap_or(0)
}

fn change(state: &mut State, member: MemberId, change: impl FnOnce(&mut Member)) {
    let mut details = state.members.get(&member).expect("M1: decided").clone();
    change(&mut details);
    state.members.insert(member, details);
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let membership = &state.membership;
    let mut breaches = Vec::new();
    let mut found_keys: BTreeMap<MemberId, (u64, u64)> = BTreeMap::new();
    for (id, key) in &membership.keys {
        let found = membership.by_hash.get(&key.hash) == Some(id);
        if !found || !membership.members.contains(&key.member) {
            breaches.push(Breach::new("M1", format!("{id} is not found or has no member")));
        }
        let owner = key.account.map(|account| state.ledger.account(account).map(|it| it.member));
        if owner.is_some_and(|owner| owner != Some(key.member)) {
            breaches.push(Breach::new("M2", format!("{id} spends from another member's account")));
        }
        let (live, issued) = found_keys.entry(key.member).or_insert((0, 0));
        *live = live.saturating_add(u64::from(!key.revoked));
        *issued = issued.saturating_add(1);
        if membership.row_of(*id) != membership.row_due(state, key) {
            breaches.push(Breach::new("M4", format!("the row of {id} is {:?}", membership.row_of(*id))));
        }
    }
    let counted = membership.issued_keys.iter();
    let counted =
        counted.map(|(member, issued)| (*member, (count_of(&membership.live_keys, *member), *issued)));
    if !counted.eq(found_keys) || membership.live_keys.len() != membership.issued_keys.len() {
        breaches.push(Breach::new("M3", "the counts of keys differ from the keys".to_owned()));
    }
    let mut named: Vec<u32> = membership.handles.iter().map(|(_, handle)| handle.0).collect();
    named.sort_unstable();
    if !named.iter().copied().eq(0..membership.rows.len()) {
        breaches
            .push(Breach::new("M4", format!("{} handles for {} rows", named.len(), membership.rows.len())));
    }
    breaches
}

#[cfg(test)]
mod tests;
