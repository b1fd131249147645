//! Time as people and machines write it: RFC 3339, UTC. Inside it is nanoseconds.
use sycee_core::ids::Time;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The moment in RFC 3339, UTC, with as many places as it needs.
pub fn format(time: Time) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0)).expect("64 bits end in 2554");
    moment.format(&Rfc3339).expect("years of four digits can be written")
}

/// The moment that an RFC 3339 text names, or the nearest between 1970 and 2554; `None` if it is no such text.
pub(crate) fn parse_nearest(text: &str) -> Option<Time> {
    let nanoseconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    Some(Time(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX)))
}

/// The moment that an RFC 3339 text names; `None` if it is no such text or lies before 1970 or after 2554.
pub fn parse(text: &str) -> Option<Time> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos()).ok().map(Time)
}
