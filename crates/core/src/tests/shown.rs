//! What a scenario can ask, and how the answer reads.
use super::line::Line;
use super::names::{self, NAME_BITS};
use super::scenario::Stage;
use crate::arithmetic::split;
use crate::ids::{ModelId, OfferId, RequestId};
use crate::ledger::{self, Account};
use crate::{Entry, Event, Refusal, settlement};

/// The code of a refusal, with what it tells besides.
pub(crate) fn refusal(refusal: Refusal) -> String {
    if let Refusal::Metering(crate::metering::Refusal::Gap { expected }) = refusal {
        return format!("{}: expected {expected}", refusal.code());
    }
    if let Refusal::Settlement(settlement::Refusal::RequestTooLarge { output_fits }) = refusal {
        return format!("{}: {output_fits} output tokens would fit", refusal.code());
    }
    refusal.code().to_owned()
}

pub(crate) fn question(stage: &mut Stage, line: &Line<'_>) -> Vec<String> {
    let state = stage.world.state();
    let said = match line.verb {
        "position?" => vec![state.position.to_string()],
        "due?" => vec![if stage.world.core.is_due(stage.world.now) { "yes" } else { "no" }.to_owned()],
        "param?" => crate::params::Param::ALL
            .into_iter()
            .map(|param| format!("{} {}", param.name(), state.params.get(param)))
            .collect(),
        "assets?" => state
            .genesis
            .charter()
            .map(|charter| charter.assets.iter().map(|it| format!("{} {}", it.code, it.decimals)).collect())
            .unwrap_or_default(),
        "balances?" => balances(stage),
        "members?" => {
            let member = |(id, it): (&crate::ids::MemberId, &crate::membership::Member)| {
                let roles: Vec<_> = it.roles.iter().map(|role| role.name()).collect();
                format!("{} {:?} {}", names::read(id.0), it.standing, roles.join(" "))
            };
            state.membership.members().iter().map(member).collect()
        }
        "works?" => match state.membership.authenticate(line.id(0)) {
            Some((key, _)) => vec![format!("{} works", names::read(key.0))],
            None => vec!["no".to_owned()],
        },
        "holds?" => holds(stage),
        "receipt?" => {
            let request = stage.request(line, line.word(0));
            stage.world.log.iter().filter_map(|entry| receipt(entry, request)).collect()
        }
        "progress?" => super::meter::progress(stage, line.id(0)),
        "pot?" => pot(stage, line.id(0)),
        "price?" => {
            let schedule = state.catalog.schedule_at(line.id::<OfferId>(0), stage.world.now);
            vec![schedule.map_or_else(|| "none".to_owned(), |(id, _)| names::read(id.0))]
        }
        other => panic!("no such line: {other}"),
    };
    line.assert_understood(1);
    if said.is_empty() { vec!["none".to_owned()] } else { said }
}

fn account(account: Account) -> String {
    match account {
        Account::Outside(asset) => format!("outside[{}]", asset.0),
        Account::Fees(asset) => format!("fees[{}]", asset.0),
        Account::Member(id) => names::read(id.0),
    }
}

/// On one line, those of zero left out.
fn balances(stage: &Stage) -> Vec<String> {
    let rows = stage.world.state().ledger.balances().filter(|(_, it)| it.amount != 0 || it.held != 0);
    let rows = rows.map(|(id, it)| match it.held {
        0 => format!("{} {}", account(id), it.amount),
        held => format!("{} {} (held {held})", account(id), it.amount),
    });
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() { rows } else { vec![rows.join(", ")] }
}

fn request_name(request: RequestId) -> String {
    names::read(request.0 & NAME_BITS)
}

fn holds(stage: &Stage) -> Vec<String> {
    let row = |(request, hold): (&RequestId, &settlement::Hold)| {
        let schedules: Vec<_> = hold.schedules.iter().map(|(_, schedule)| names::read(schedule.0)).collect();
        let mark = hold.mark.map(|mark| format!(", marked {:?}", mark.usage.output_total().unwrap_or(0)));
        format!(
            "{} {} for {} output tokens by {}, epoch {}{}",
            request_name(*request),
            hold.amount,
            hold.output_max,
            schedules.join(" "),
            hold.epoch,
            mark.unwrap_or_default(),
        )
    };
    stage.world.state().settlement.holds().iter().map(row).collect()
}

/// The receipt or the release of a request, if the entry closes it.
fn receipt(entry: &Entry, request: RequestId) -> Option<String> {
    entry.events.iter().find_map(|event| {
        let Event::Settlement(event) = event else {
            return None;
        };
        if let settlement::Event::Released { request: it, account: _, release } = event {
            return (*it == request).then(|| format!("released, {}", release.finish.name()));
        }
        let settlement::Event::Settled { request: it, receipt } = event else {
            return None;
        };
        (*it == request).then(|| split(receipt, &legs(entry, request)))
    })
}

fn split(receipt: &settlement::Settled, legs: &[ledger::Leg]) -> String {
    let parts = receipt.roles.iter().zip(legs);
    let parts = parts.map(|(role, leg)| format!("{} {} {}", role.name(), account(leg.to), leg.amount));
    let parts =
        if legs.is_empty() { "nothing to split".to_owned() } else { parts.collect::<Vec<_>>().join(", ") };
    format!("{} of {} held, {}: {parts}", receipt.total, receipt.hold, receipt.delivery.finish.name())
}

/// S2 and S3 as a reader of receipts sees them: for every receipt of the entry its split sums to its total, each part is
/// something and has a role, and the total is within its hold.
pub(crate) fn assert_receipts_add_up(entry: &Entry) {
    for event in &entry.events {
        let Event::Settlement(settlement::Event::Settled { request, receipt }) = event else {
            continue;
        };
        let legs = legs(entry, *request);
        let summed: i128 = legs.iter().map(|leg| leg.amount).sum();
        assert_eq!((summed, receipt.roles.len()), (receipt.total, legs.len()), "S3: {receipt:?} {legs:?}");
        assert!(legs.iter().all(|leg| leg.amount > 0), "{legs:?}");
        assert!((0..=receipt.hold).contains(&receipt.total), "S2: {receipt:?}");
    }
}

fn legs(entry: &Entry, request: RequestId) -> Vec<ledger::Leg> {
    let of_request = |event: &Event| {
        let Event::Ledger(ledger::Event::Posted { from: _, legs, purpose, reference: _ }) = event else {
            return None;
        };
        (*purpose == ledger::Purpose::Receipt { request }).then(|| legs.clone())
    };
    entry.events.iter().find_map(of_request).unwrap_or_default()
}

/// Parties with their shares in millionths, rounded down for reading.
fn pot(stage: &Stage, model: ModelId) -> Vec<String> {
    let Some(pot) = stage.world.state().royalty.pot(model) else {
        return Vec::new();
    };
    let party = |(it, carry): (&crate::royalty::Beneficiary, &i128)| {
        let ppm = it.share / (split::WHOLE / 1_000_000);
        format!("{} {} {ppm} ppm, owed {carry}", it.role.name(), names::read(it.account.0))
    };
    pot.parties.iter().zip(&pot.carries).map(party).collect()
}
