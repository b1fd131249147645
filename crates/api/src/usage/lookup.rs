//! Looking up: rows of events become lines, whose keys and offers have handles.
use super::events::{Consumer, Report, Row};
use super::source_named;
use crate::error::Problem;
use crate::state::Api;
use sycee_core::State as Core;
use sycee_core::ids::{Handle, KeyId, MemberId, Time};
use sycee_core::metering::{Batch, Content, Line, Lines};

const NANOSECONDS: u64 = 1_000_000;
/// What no key and no offer has: a line that names it is refused alone.
const NOBODY: Handle = Handle(u32::MAX);
/// Lines that are looked up while the views are held.
const GROUP: usize = 1_024;

/// What `member` reports, as the core takes it.
pub(super) fn batch(api: &Api, member: MemberId, report: &Report) -> Result<Batch, Problem> {
    let source = source_named(&api.node.views().state, member, &report.source);
    let source = source.ok_or_else(Problem::no_such_source)?;
    let base = base(&report.rows);
    let mut lines = Lines::default();
    for rows in report.rows.chunks(GROUP) {
        let views = api.node.views();
        for row in rows {
            assert!(lines.push(&line(&views.state, row, base)), "buckets were read as 32 bits");
        }
    }
    let base = Time(base.saturating_mul(NANOSECONDS));
    Ok(Batch::new(Content { source, first: report.first, base, lines }))
}

/// What starts are counted from: the earliest. Where that is too far from the latest to count, the middle of 49 days around the
/// median: a start outside of them is written as their first or last moment, which is as little acceptable.
fn base(rows: &[Row]) -> u64 {
    let starts = || rows.iter().map(|row| row.start);
    let (earliest, latest) = (starts().min().unwrap_or(0), starts().max().unwrap_or(0));
    if u32::try_from(latest - earliest).is_ok() {
        return earliest;
    }
    let mut sorted: Vec<u64> = starts().collect();
    let middle = sorted.len() / 2;
    let (_, median, _) = sorted.select_nth_unstable(middle);
    median.saturating_sub(1 << 31)
}

fn line(state: &Core, row: &Row, base: u64) -> Line {
    let is_theirs = |key: &KeyId| match row.consumer {
        Consumer::Anybody => true,
        Consumer::Member(member) => state.membership.keys().get(key).is_some_and(|key| key.member == member),
        Consumer::Nobody => false,
    };
    let key = row.key.filter(is_theirs).and_then(|key| state.membership.key_handle(key));
    let offer = row.offer.and_then(|offer| state.catalog.offer_handle(offer));
    Line {
        key: key.unwrap_or(NOBODY),
        offer: offer.unwrap_or(NOBODY),
        start_milliseconds: u32::try_from(row.start.saturating_sub(base)).unwrap_or(u32::MAX),
        duration_milliseconds: row.duration_milliseconds,
        microjoules: row.microjoules,
        usage: row.usage,
    }
}
