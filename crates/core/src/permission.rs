//! Permission: who may send which command. Everything not said here is refused.
//!
//! The gateway and the clock are parts of the node and act in their own name; everybody else is a member with roles.
use crate::ids::MemberId;
use crate::membership::{self, Role};
use crate::metering;
use crate::{Command, State};
use minicbor::{Decode, Encode};

/// Who sends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Actor {
    /// Whoever runs `sycee init`.
    #[n(0)]
    Founder,
    /// The node's own clock.
    #[n(1)]
    Clock,
    /// The node's own gateway.
    #[n(2)]
    Gateway,
    #[n(3)]
    Member(#[n(0)] MemberId),
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The member does not have the role that this needs, or is suspended.
    #[n(0)]
    NotPermitted,
    /// Members must say why, whatever their role.
    #[n(1)]
    ReasonMissing,
    #[n(2)]
    ReasonTooLong,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotPermitted => "permission.not_permitted",
            Self::ReasonMissing => "permission.reason_missing",
            Self::ReasonTooLong => "permission.reason_too_long",
        }
    }
}

/// Refuses a command that its sender may not send.
pub(crate) fn check(
    state: &State,
    actor: Actor,
    reason: Option<&str>,
    command: &Command,
) -> Result<(), Refusal> {
    // Nothing can be sent to a log that has not been founded, so its first entry is its genesis.
    let founded = state.genesis.charter().is_some();
    let member = match (actor, command) {
        (Actor::Founder, Command::Genesis(_)) => return Ok(()),
        _ if !founded => return Err(Refusal::NotPermitted),
        (Actor::Clock, Command::Due { limit: _ }) => return Ok(()),
        (Actor::Gateway, Command::Settlement(_)) => return Ok(()),
        (Actor::Member(member), _) => member,
        (Actor::Founder | Actor::Clock | Actor::Gateway, _) => return Err(Refusal::NotPermitted),
    };
    if !permitted(state, member, command) {
        return Err(Refusal::NotPermitted);
    }
    if matches!(command, Command::Metering(metering::Command::Record { batch: _ })) {
        return Ok(());
    }
    match reason.map(str::len) {
        None | Some(0) => Err(Refusal::ReasonMissing),
        Some(len) if len > crate::limits::REASON_BYTES_MAX => Err(Refusal::ReasonTooLong),
        Some(_) => Ok(()),
    }
}

fn permitted(state: &State, member: MemberId, command: &Command) -> bool {
    let operator = state.membership.may(member, Role::Operator);
    match command {
        Command::Genesis(_) | Command::Settlement(_) | Command::Due { limit: _ } => false,
        Command::Ledger(_) | Command::Params(_) | Command::Catalog(_) => operator,
        Command::Membership(command) => operator || own_key(state, member, command),
        Command::Metering(metering::Command::OpenSource { .. }) => operator,
        Command::Metering(metering::Command::Record { batch }) => {
            let source = state.metering.sources().get(&batch.source);
            state.membership.may(member, Role::Meter) && source.is_none_or(|it| it.member == member)
        }
        Command::Metering(metering::Command::Recorded { .. }) => false,
    }
}

/// A member may make and revoke its own keys.
fn own_key(state: &State, member: MemberId, command: &membership::Command) -> bool {
    let active =
        state.membership.member(member).is_some_and(|it| it.standing == membership::Standing::Active);
    let own = match command {
        membership::Command::IssueKey { member: of, key: _, account: _, label: _, hash: _ } => *of == member,
        membership::Command::RevokeKey { key } => {
            state.membership.keys().get(key).is_some_and(|it| it.member == member)
        }
        membership::Command::RegisterOrganisation { .. }
        | membership::Command::Register { .. }
        | membership::Command::SetStanding { .. }
        | membership::Command::SetRoles { .. }
        | membership::Command::OpenAccount { .. } => false,
    };
    active && own
}

#[cfg(test)]
mod tests;
