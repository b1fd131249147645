//! Events: lines of metering as `CloudEvents` 1.0 in JSON, read straight into rows.
//!
//! What is said for a whole batch (who reports, from which number on) is kept once; of each event only what makes its line is
//! kept. A name that is no id of its kind names nothing: its line is refused alone, as one whose key is not there.
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::ids::{KeyId, MemberId, OfferId};
use sycee_core::limits::BATCH_LINES_MAX;
use utoipa::ToSchema;

/// The `type` of every event.
pub(crate) const TYPE: &str = "dev.sycee.usage.v1";
const NANOSECONDS: u64 = 1_000_000;
/// Below this a double tells all whole numbers apart.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// A metered request as an event of `CloudEvents` 1.0. Attributes that are not named here, such as `time`, are passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UsageEvent, example = json!({
    "specversion": "1.0", "type": "dev.sycee.usage.v1", "source": "night-batches", "id": "7c1f", "sequence": "0", "data": {
        "key": "key_019a9f3c5e7b7c41a2d30f6b8e9d1c27", "offer": "off_019a9f3c5e7b7c41a2d30f6b8e9d1c27",
        "usage": {"input_uncached": 1200, "output_visible": 340}, "start": "2026-11-20T09:30:00.250Z", "duration_ms": 4100,
        "joules": 655.2}
}))]
pub(crate) struct Event<'a> {
    /// `1.0`
    #[serde(deserialize_with = "version")]
    #[schema(value_type = String)]
    #[expect(dead_code, reason = "it is only looked at")]
    specversion: (),
    /// `dev.sycee.usage.v1`
    #[serde(rename = "type", deserialize_with = "type_of_event")]
    #[schema(value_type = String)]
    #[expect(dead_code, reason = "it is only looked at")]
    kind: (),
    /// Name of the source; the same in all events of a batch.
    #[serde(borrow)]
    #[schema(value_type = String)]
    source: Cow<'a, str>,
    /// Any text but an empty one; a line is known by its `sequence`.
    #[serde(deserialize_with = "any_id")]
    #[schema(value_type = String)]
    #[expect(dead_code, reason = "it is only looked at")]
    id: (),
    /// The number of the line, in decimal digits: from 0 on, one more with each event.
    #[serde(deserialize_with = "sequence")]
    #[schema(value_type = String)]
    sequence: u64,
    data: Data,
}

/// What was used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageEventData)]
struct Data {
    /// Id of the key that the request was made with; its account pays.
    #[serde(deserialize_with = "id")]
    #[schema(value_type = String)]
    key: Option<KeyId>,
    #[serde(deserialize_with = "id")]
    #[schema(value_type = String)]
    offer: Option<OfferId>,
    /// Id of the member whose key it has to be, to be on the safe side.
    #[serde(default, deserialize_with = "consumer")]
    #[schema(value_type = Option<String>)]
    consumer: Consumer,
    /// Tokens by bucket, those above zero; each below 2^32.
    #[serde(deserialize_with = "usage")]
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    usage: Buckets,
    /// When the request started, RFC 3339; counted in whole milliseconds.
    #[serde(deserialize_with = "milliseconds")]
    #[schema(value_type = String)]
    start: u64,
    duration_ms: u32,
    /// Energy at the machine; counted in whole microjoules.
    #[serde(deserialize_with = "microjoules")]
    #[schema(value_type = f64)]
    joules: u64,
}

/// Whose key it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Consumer {
    #[default]
    Anybody,
    Member(MemberId),
    /// What was named is no member's id.
    Nobody,
}

/// A line before its key and its offer are looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) key: Option<KeyId>,
    pub(super) offer: Option<OfferId>,
    pub(super) consumer: Consumer,
    /// Milliseconds since 1970.
    pub(super) start: u64,
    pub(super) duration_milliseconds: u32,
    pub(super) microjoules: u64,
    pub(super) usage: Buckets,
}

/// The lines of one source.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) source: String,
    /// The number of the first.
    pub(super) first: u64,
    pub(super) rows: Vec<Row>,
}

/// Why events are no report.
#[derive(Debug)]
pub(super) enum Unread {
    /// None, or more than a batch may have.
    OutOfRange,
    /// At that event; it is not JSON, or not an event of a usage batch.
    Event { index: usize, is_json: bool, why: String },
}

impl Report {
    /// Of a JSON array of events.
    pub(super) fn of_many(text: &[u8]) -> Result<Self, Unread> {
        Self::read(text, |report, events| report.deserialize(events))
    }

    /// Of one event.
    pub(super) fn of_one(text: &[u8]) -> Result<Self, Unread> {
        Self::read(text, |report, event| {
            let event = Event::deserialize(event)?;
            report.take(&event).map_err(serde_json::Error::custom)
        })
    }

    fn read<'de>(
        text: &'de [u8],
        read: impl FnOnce(
            &mut Self,
            &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
        ) -> serde_json::Result<()>,
    ) -> Result<Self, Unread> {
        let mut report = Self::default();
        let unread = |report: &Self, is_json, why: &dyn fmt::Display| Unread::Event {
            index: report.rows.len(),
            is_json,
            why: why.to_string(),
        };
        let text = std::str::from_utf8(text).map_err(|error| unread(&report, false, &error))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        match read(&mut report, &mut deserializer).and_then(|()| deserializer.end()) {
            Ok(()) if report.rows.is_empty() => Err(Unread::OutOfRange),
            Ok(()) => Ok(report),
            Err(_) if report.rows.len() > BATCH_LINES_MAX => Err(Unread::OutOfRange),
            Err(error) => Err(unread(&report, error.is_data(), &error)),
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        if self.rows.is_empty() {
            event.source.as_ref().clone_into(&mut self.source);
            self.first = event.sequence;
        }
        if event.source != self.source {
            return Err(format!("its source is `{}`, the first event's is `{}`", event.source, self.source));
        }
        let number = self.first.checked_add(self.rows.len() as u64);
        if number != Some(event.sequence) {
            let number = number.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
            return Err(format!("its sequence is {}, after the one before comes {number}", event.sequence));
        }
        let Data { key, offer, consumer, usage, start, duration_ms, joules } = event.data;
        self.rows.push(Row {
            key,
            offer,
            consumer,
            start,
            duration_milliseconds: duration_ms,
            microjoules: joules,
            usage,
        });
        if self.rows.len() > BATCH_LINES_MAX { Err("one too many".to_owned()) } else { Ok(()) }
    }
}

/// An array of events, each taken as it is read.
impl<'de> DeserializeSeed<'de> for &mut Report {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, events: D) -> Result<(), D::Error> {
        events.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Report {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<Event<'de>>()? {
            self.take(&event).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Text that something is read from without keeping it.
struct Text<F>(F);

impl<T, F: FnOnce(&str) -> Result<T, &'static str>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

fn version<'de, D: Deserializer<'de>>(d: D) -> Result<(), D::Error> {
    d.deserialize_str(Text(
        |text: &str| if text == "1.0" { Ok(()) } else { Err("its specversion is not `1.0`") },
    ))
}

fn type_of_event<'de, D: Deserializer<'de>>(d: D) -> Result<(), D::Error> {
    let is_usage =
        |text: &str| if text == TYPE { Ok(()) } else { Err("its type is not `dev.sycee.usage.v1`") };
    d.deserialize_str(Text(is_usage))
}

fn any_id<'de, D: Deserializer<'de>>(d: D) -> Result<(), D::Error> {
    d.deserialize_str(Text(|text: &str| if text.is_empty() { Err("its id is empty") } else { Ok(()) }))
}

fn sequence<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or("its sequence is no number in decimal digits below 2^64")
    };
    d.deserialize_str(Text(number))
}

fn id<'de, D: Deserializer<'de>, T: std::str::FromStr>(d: D) -> Result<Option<T>, D::Error> {
    d.deserialize_str(Text(|text: &str| Ok(text.parse().ok())))
}

fn consumer<'de, D: Deserializer<'de>>(d: D) -> Result<Consumer, D::Error> {
    struct Named(Consumer);
    impl<'de> Deserialize<'de> for Named {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            Ok(Self(id(d)?.map_or(Consumer::Nobody, Consumer::Member)))
        }
    }
    let named = Option::<Named>::deserialize(d)?;
    Ok(named.map_or(Consumer::Anybody, |Named(consumer)| consumer))
}

fn milliseconds<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let start = |text: &str| {
        let time = crate::time::parse_nearest(text).ok_or("its start is not RFC 3339")?;
        Ok(time.0 / NANOSECONDS)
    };
    d.deserialize_str(Text(start))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a whole number from zero to 2^53"
)]
fn microjoules<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let microjoules = (f64::deserialize(d)? * 1e6).round();
    if (0.0..EXACT_BELOW).contains(&microjoules) {
        Ok(microjoules as u64)
    } else {
        Err(D::Error::custom("its joules are below zero, or too many"))
    }
}

fn usage<'de, D: Deserializer<'de>>(d: D) -> Result<Buckets, D::Error> {
    d.deserialize_map(Usage)
}

struct Usage;

impl<'de> Visitor<'de> for Usage {
    type Value = Buckets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens by bucket")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Buckets, A::Error> {
        struct Name(Bucket);
        impl<'de> Deserialize<'de> for Name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let bucket =
                    |name: &str| Bucket::from_name(name).ok_or("its usage names a bucket that is none");
                d.deserialize_str(Text(bucket)).map(Self)
            }
        }
        let mut usage = Buckets::default();
        while let Some((Name(bucket), tokens)) = map.next_entry::<Name, u32>()? {
            if usage.get(bucket) != 0 {
                return Err(A::Error::custom("its usage names a bucket twice"));
            }
            usage.set(bucket, tokens.into());
        }
        Ok(usage)
    }
}
