//! Verbs of metering, and what is said of a batch.
use super::line::{Line, number, span};
use super::scenario::Stage;
use super::verbs::usage;
use crate::ids::{Handle, KeyId, MemberId, OfferId, SourceId, Time};
use crate::metering::{self, Batch, Content, Lines, Source};
use crate::tests::names::Named;
use crate::{Command, Event};

/// `source s member=mia provider=p` and `lines s FIRST KEY:OFFER:IN:OUT:START …`, where `FIRST` may be `next`; `START` is -SPAN or +SPAN from now and can be
/// left out. A key or an offer that has no handle is named by one that nothing has.
pub(crate) fn command(stage: &Stage, line: &Line<'_>) -> Option<(Command, usize)> {
    Some(match line.verb {
        "source" => {
            let details = Source {
                member: line.named("member").unwrap_or_else(|| MemberId::named("mia")),
                name: line.text("name", line.word(0)),
                provider: line.named("provider"),
            };
            (metering::Command::OpenSource { source: line.id(0), details }.into(), 1)
        }
        "lines" => {
            let source = line.id(0);
            let next = stage.world.state().metering.progress(source).map_or(0, |it| it.next);
            let first = if line.word(1) == "next" { next } else { number(line.word(1)) };
            let base = stage.world.now.before(BASE);
            let mut lines = Lines::default();
            for word in &line.words()[2..] {
                assert!(lines.push(&metered(stage, word, base)), "{word}");
            }
            let batch = Batch::new(Content { source, first, base, lines });
            (metering::Command::Record { batch }.into(), usize::MAX)
        }
        _ => return None,
    })
}

const BASE: u64 = 100 * crate::limits::HOUR;

fn metered(stage: &Stage, word: &str, base: Time) -> metering::Line {
    let state = stage.world.state();
    let parts: Vec<&str> = word.split(':').collect();
    let start = match parts.get(4) {
        None => stage.world.now,
        Some(text) if text.starts_with('-') => stage.world.now.before(span(&text[1..])),
        Some(text) => stage.world.now.after(span(text.trim_start_matches('+'))),
    };
    let nobody = Handle(u32::MAX);
    metering::Line {
        key: state.membership.key_handle(KeyId::named(parts[0])).unwrap_or(nobody),
        offer: state.catalog.offer_handle(OfferId::named(parts[1])).unwrap_or(nobody),
        start_milliseconds: u32::try_from((start.0 - base.0) / 1_000_000).expect("it is near"),
        duration_milliseconds: 40,
        microjoules: 7,
        usage: usage(number(parts[2]), number(parts[3])),
    }
}

/// Which lines of a batch bring no money.
pub(crate) fn said(events: &[Event]) -> Vec<String> {
    let counted = events.iter().find_map(|event| {
        let Event::Metering(metering::Event::Recorded { batch: _, counted }) = event else { return None };
        Some(counted)
    });
    let Some(counted) = counted else { return Vec::new() };
    let duplicates = (counted.duplicates > 0).then(|| format!("{} counted before", counted.duplicates));
    let refused = counted.refused.iter().map(|(index, why)| format!("line {index}: {}", why.code()));
    duplicates.into_iter().chain(refused).collect()
}

/// How far a source has come.
pub(crate) fn progress(stage: &Stage, source: SourceId) -> Vec<String> {
    let progress = stage.world.state().metering.progress(source);
    progress
        .map(|it| format!("next {}, {} batches remembered", it.next, it.recent.len()))
        .into_iter()
        .collect()
}
