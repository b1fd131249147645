//! What a leaf is shown to commit to, read: an entry or one line of metering.
use super::metered::{self, Metered};
use serde_json::{Map, Value, json};
use sycee_core::buckets::Buckets;
use sycee_core::catalog::{self, Schedule};
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::{AccountId, Hash, OfferId, RequestId, ScheduleId, SourceId};
use sycee_core::ledger::{self, Account, Leg, Purpose};
use sycee_core::metering;
use sycee_core::settlement::{self, Settled};
use sycee_log::merkle::file::{Content, Shown};
use sycee_log::{Leaf, Record, merkle};
use sycee_node::seal;

pub(super) enum Read {
    Entry(Box<Entry>),
    Line(Metered),
}

/// Reads what is shown. The kind in the leaf says whether it commits to an entry or to lines: without it, one could be passed
/// off as the other.
pub(super) fn read(shown: &Shown) -> Result<Read, String> {
    let Leaf { position, at, kind, commitment: _ } = shown.leaf;
    match &shown.content {
        Content::Entry(_) if kind == kind_of_lines() => {
            Err("the leaf commits to lines, and an entry is shown".to_owned())
        }
        Content::Entry(entry) => {
            // The key that the salt comes from is not shown, and says nothing of the entry.
            let record = Record { salt_key: [0; 32], at, kind, root: None, entry };
            seal::open(&record, position)
                .map(|entry| Read::Entry(Box::new(entry)))
                .map_err(|it| it.to_string())
        }
        Content::Line { .. } if kind != kind_of_lines() => {
            Err("the leaf commits to an entry, and a line is shown".to_owned())
        }
        Content::Line { line, index: _, lines: _, path: _ } => {
            metered::read(line).map(Read::Line).ok_or_else(|| "the line cannot be read".to_owned())
        }
    }
}

fn kind_of_lines() -> u8 {
    seal::kind(&metering::Command::Recorded { source: SourceId(0), first: 0 }.into())
}

/// A receipt in its entry.
pub(super) struct Receipt<'a> {
    pub(super) request: RequestId,
    pub(super) settled: &'a Settled,
    pub(super) legs: &'a [Leg],
}

/// The receipts that an entry has: one, unless a gateway had stopped and several were closed for it.
pub(super) fn receipts(entry: &Entry) -> Vec<Receipt<'_>> {
    let settled = entry.events.iter().filter_map(|event| match event {
        Event::Settlement(settlement::Event::Settled { request, receipt }) => Some((*request, &**receipt)),
        _ => None,
    });
    settled.map(|(request, settled)| Receipt { request, settled, legs: legs(entry, request) }).collect()
}

fn legs(entry: &Entry, wanted: RequestId) -> &[Leg] {
    let legs = entry.events.iter().find_map(|event| match event {
        Event::Ledger(ledger::Event::Posted { legs, purpose: Purpose::Receipt { request }, .. })
            if *request == wanted =>
        {
            Some(legs.as_slice())
        }
        _ => None,
    });
    // A receipt of nothing posts nothing.
    legs.unwrap_or(&[])
}

/// The requests that an entry closes.
pub(super) fn closed(entry: &Entry) -> Vec<RequestId> {
    let receipts = receipts(entry).into_iter().map(|receipt| receipt.request);
    receipts.chain(releases(entry).map(|(request, _)| request)).collect()
}

/// Requests for which nothing was owed.
fn releases(entry: &Entry) -> impl Iterator<Item = (RequestId, AccountId)> {
    entry.events.iter().filter_map(|event| match event {
        Event::Settlement(settlement::Event::Released { request, account, release: _ }) => {
            Some((*request, *account))
        }
        _ => None,
    })
}

/// Every request that an entry names.
pub(super) fn requests(entry: &Entry) -> Vec<RequestId> {
    let mut requests = Vec::new();
    for event in &entry.events {
        let Event::Settlement(event) = event else { continue };
        match event {
            settlement::Event::Authorised { request, hold: _ }
            | settlement::Event::Settled { request, receipt: _ }
            | settlement::Event::Released { request, account: _, release: _ }
            | settlement::Event::Forgotten { request } => requests.push(*request),
            settlement::Event::Advanced { marks } => {
                requests.extend(marks.iter().map(|(request, _)| *request));
            }
            settlement::Event::EpochBegan { epoch: _ }
            | settlement::Event::Carried { schedule: _, carries: _ } => {}
        }
    }
    requests
}

/// A price as an entry publishes it.
#[derive(Clone, Copy)]
pub(super) struct Price<'a> {
    pub(super) offer: OfferId,
    pub(super) schedule: ScheduleId,
    pub(super) prices: &'a Schedule,
}

impl Price<'_> {
    /// What a line has of it.
    pub(super) fn hash(&self) -> Hash {
        let Self { offer, schedule, prices } = self;
        let said = minicbor::to_vec((offer, schedule, prices)).expect("encoding into memory does not fail");
        // Numbers of fixed width, however they are spelled: at most 160 bytes.
        Hash(merkle::short_hash::<4>(&[&said]))
    }
}

pub(super) fn prices(entry: &Entry) -> impl Iterator<Item = Price<'_>> {
    entry.events.iter().filter_map(|event| match event {
        Event::Catalog(catalog::Event::SchedulePublished { offer, schedule, prices }) => {
            Some(Price { offer: *offer, schedule: *schedule, prices })
        }
        _ => None,
    })
}

/// What is shown, in a line.
pub(super) fn in_a_line(shown: &Shown) -> String {
    let Leaf { position, at, .. } = shown.leaf;
    let what = match read(shown) {
        Ok(Read::Entry(entry)) => match (receipts(&entry).as_slice(), closed(&entry).as_slice()) {
            ([Receipt { request, settled, legs: _ }], [_]) => {
                format!("{} paid {} units for {request}", settled.account, settled.total)
            }
            ([], [request]) => format!("nothing was owed for {request}"),
            (_, _) => "this entry".to_owned(),
        },
        Ok(Read::Line(line)) => {
            format!(
                "{} paid {} units for line {}, which is {}",
                line.account,
                line.paid,
                line.number,
                line.verdict.name()
            )
        }
        Err(unreadable) => unreadable,
    };
    format!("{what}; position {position}, {at} ns UTC")
}

/// What is shown, field by field. Amounts are in smallest units.
pub(super) fn facts(shown: &Shown) -> Value {
    let Leaf { position, at, kind, commitment } = shown.leaf;
    let mut facts = Map::from_iter([
        ("position".to_owned(), json!(position)),
        ("at_ns".to_owned(), json!(at)),
        ("kind".to_owned(), json!(kind)),
        ("commitment".to_owned(), json!(Hash(commitment).to_string())),
    ]);
    match read(shown) {
        Ok(Read::Line(line)) => drop(facts.insert("line".to_owned(), of_line(&line))),
        Ok(Read::Entry(entry)) => {
            let receipts: Vec<Value> = receipts(&entry).iter().map(of_receipt).collect();
            let releases = releases(&entry).map(|(request, account)| {
                json!({ "request": request.to_string(), "account": account.to_string() })
            });
            let prices = prices(&entry).map(|price| of_price(&price));
            let found =
                [("receipts", receipts), ("releases", releases.collect()), ("prices", prices.collect())];
            let before = facts.len();
            facts.extend(
                found
                    .into_iter()
                    .filter(|(_, it)| !it.is_empty())
                    .map(|(name, it)| (name.to_owned(), json!(it))),
            );
            if facts.len() == before {
                facts.insert("entry".to_owned(), json!(format!("{entry:?}")));
            }
        }
        Err(unreadable) => drop(facts.insert("unreadable".to_owned(), json!(unreadable))),
    }
    Value::Object(facts)
}

fn of_receipt(Receipt { request, settled, legs }: &Receipt<'_>) -> Value {
    let Settled { account, key, model, site, schedule, delivery, total, roles, .. } = settled;
    let split = legs.iter().zip(roles).map(|(leg, role)| {
        let to = match leg.to {
            Account::Member(account) => account.to_string(),
            Account::Fees(_) => "platform".to_owned(),
            Account::Outside(_) => "outside".to_owned(),
        };
        json!({ "role": role.name(), "to": to, "amount": leg.amount.to_string() })
    });
    json!({
        "request": request.to_string(),
        "account": account.to_string(),
        "key": key.to_string(),
        "model": model.to_string(),
        "site": site.to_string(),
        "offer": delivery.offer.to_string(),
        "schedule": schedule.to_string(),
        "tokens": tokens(&delivery.usage),
        "total": total.to_string(),
        "split": split.collect::<Vec<Value>>(),
        "finish": delivery.finish.name(),
        "started_ns": delivery.started.0,
    })
}

fn of_line(line: &Metered) -> Value {
    json!({
        "number": line.number,
        "account": line.account.to_string(),
        "key": line.key.to_string(),
        "price": line.price.to_string(),
        "start_ns": line.start.0,
        "duration_ms": line.duration_milliseconds,
        "microjoules": line.microjoules,
        "tokens": tokens(&line.usage),
        "paid": line.paid.to_string(),
        "verdict": line.verdict.name(),
    })
}

fn of_price(price: &Price<'_>) -> Value {
    let Schedule { from, asset, prices, model_fee_ppm, platform_fee_ppm, arithmetic } = price.prices;
    json!({
        "offer": price.offer.to_string(),
        "schedule": price.schedule.to_string(),
        "hash": price.hash().to_string(),
        "from_ns": from.0,
        "asset": asset.0,
        "units_per_million_tokens": tokens(prices),
        "model_fee_ppm": model_fee_ppm,
        "platform_fee_ppm": platform_fee_ppm,
        "arithmetic": arithmetic,
    })
}

fn tokens(buckets: &Buckets) -> Value {
    let counted = buckets.iter().filter(|(_, count)| *count > 0);
    Value::Object(counted.map(|(bucket, count)| (bucket.name().to_owned(), json!(count))).collect())
}
