//! Joins: a request that is asked again is not served again.
//!
//! With an `Idempotency-Key`, scoped to the account, the same request joins the one that runs or hears the answer of the one that
//! has ended, for as long as answers are kept; another request under the same key is refused. Without a key, a request that says it is a retry joins an identical
//! one of the same account that still runs: the official client sends no key, but counts its retries. Refusals are not kept:
//! they are decided anew. Nor is a request joined that everybody has left: it is being cancelled, and has no answer to give.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sycee_core::ids::{AccountId, Hash, RequestId};

use crate::connection::Connection;
use crate::problem::Problem;
use crate::transcript::{Reader, Transcript};

/// Longest idempotency key that is honoured.
pub(crate) const KEY_BYTES_MAX: usize = 255;

/// What makes a request the same as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Likeness {
    pub(crate) account: AccountId,
    /// SHA-256 of path and body.
    pub(crate) content: Hash,
    pub(crate) key: Option<String>,
    pub(crate) is_retry: bool,
}

/// A request that others may join.
#[derive(Clone, Debug)]
pub(crate) struct Joinable {
    pub(crate) request: RequestId,
    pub(crate) stream: bool,
    pub(crate) transcript: Arc<Transcript>,
}

/// A request that was joined.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) request: RequestId,
    pub(crate) stream: bool,
    pub(crate) reader: Reader,
}

impl Joinable {
    /// Reads along from the start; none where nobody may any more.
    fn join(&self, connection: Option<&Connection>) -> Result<Option<Joined>, Problem> {
        match self.transcript.read(connection.cloned()) {
            Some(reader) => Ok(Some(Joined { request: self.request, stream: self.stream, reader })),
            None if self.transcript.is_abandoned() => Ok(None),
            None => Err(Problem::not_kept()),
        }
    }
}

#[derive(Debug)]
struct Kept {
    content: Hash,
    joinable: Joinable,
    /// When it ended.
    ended: Option<Instant>,
}

/// Requests that run, and answers that are kept.
#[derive(Debug)]
pub(crate) struct Joins {
    tables: Mutex<Tables>,
    kept_max: usize,
    kept_for: Duration,
}

#[derive(Debug, Default)]
struct Tables {
    by_key: BTreeMap<(AccountId, String), Kept>,
    running: BTreeMap<(AccountId, [u8; 32]), Joinable>,
}

impl Joins {
    pub(crate) fn new(kept_max: usize, kept_for: Duration) -> Self {
        Self { tables: Mutex::default(), kept_max, kept_for }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nothing panics while it holds the tables")
    }

    /// The request that is joined, or `new` registered as one to be joined.
    pub(crate) fn join_or_begin(
        &self,
        likeness: &Likeness,
        new: &Joinable,
        connection: Option<&Connection>,
        now: Instant,
    ) -> Result<Option<Joined>, Problem> {
        let mut tables = self.lock();
        let running = (likeness.account, likeness.content.0);
        if let Some(key) = &likeness.key {
            let by_key = (likeness.account, key.clone());
            let kept = tables.by_key.get(&by_key).filter(|kept| !self.is_old(kept, now));
            if let Some(kept) = kept {
                let same = kept.content == likeness.content;
                if !same && !kept.joinable.transcript.is_abandoned() {
                    return Err(Problem::key_reused());
                }
                if let Some(joined) = kept.joinable.join(connection)? {
                    return Ok(Some(joined));
                }
            }
            tables.by_key.remove(&by_key);
            self.make_room(&mut tables, now);
            let kept = Kept { content: likeness.content, joinable: new.clone(), ended: None };
            tables.by_key.insert(by_key, kept);
        } else if likeness.is_retry
            && let Some(joinable) = tables.running.get(&running)
            && let Some(joined) = joinable.join(connection)?
        {
            return Ok(Some(joined));
        }
        tables.running.insert(running, new.clone());
        Ok(None)
    }

    /// The request has ended; its answer is kept if there was one.
    pub(crate) fn ended(&self, likeness: &Likeness, request: RequestId, has_answer: bool, now: Instant) {
        let mut tables = self.lock();
        let running = (likeness.account, likeness.content.0);
        if tables.running.get(&running).is_some_and(|it| it.request == request) {
            tables.running.remove(&running);
        }
        let Some(key) = &likeness.key else {
            return;
        };
        let by_key = (likeness.account, key.clone());
        let Some(kept) = tables.by_key.get_mut(&by_key).filter(|kept| kept.joinable.request == request)
        else {
            return;
        };
        if has_answer {
            kept.ended = Some(now);
        } else {
            tables.by_key.remove(&by_key);
        }
    }

    /// Whether the answer was kept for long enough.
    fn is_old(&self, kept: &Kept, now: Instant) -> bool {
        kept.ended.is_some_and(|ended| now.saturating_duration_since(ended) >= self.kept_for)
    }

    /// Forgets old answers, and the oldest if there are still too many. Requests that run are never forgotten.
    fn make_room(&self, tables: &mut Tables, now: Instant) {
        if tables.by_key.len() < self.kept_max {
            return;
        }
        tables.by_key.retain(|_, kept| !self.is_old(kept, now));
        while tables.by_key.len() >= self.kept_max {
            let ended = tables.by_key.iter().filter_map(|(key, kept)| Some((kept.ended?, key)));
            let Some(oldest) = ended.min().map(|(_, key)| key.clone()) else {
                break;
            };
            tables.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(content: u8, key: Option<&str>, is_retry: bool) -> Likeness {
        let key = key.map(str::to_owned);
        Likeness { account: AccountId(1), content: Hash([content; 32]), key, is_retry }
    }

    const KEPT_FOR: Duration = Duration::from_mins(1);
    const ALMOST: Duration = Duration::from_secs(59);

    /// Plays requests: `content`, key, whether it says it is a retry, and what becomes of it.
    fn check(story: &[(u8, Option<&str>, bool, &str)]) {
        let joins = Joins::new(2, KEPT_FOR);
        let mut now = Instant::now();
        for (number, (content, key, is_retry, expect)) in (0u128..).zip(story) {
            let likeness = likeness(*content, *key, *is_retry);
            let transcript = Transcript::new(10);
            let new =
                Joinable { request: RequestId(number), stream: false, transcript: Arc::clone(&transcript) };
            let became = match joins.join_or_begin(&likeness, &new, None, now) {
                Ok(None) => "runs".to_owned(),
                Ok(Some(joined)) => format!("joins {}", joined.request.0),
                Err(problem) => format!("{}", problem.status),
            };
            let (expect, ends) = expect.split_once(", ").unwrap_or((expect, ""));
            assert_eq!(became, expect, "request {number} of {story:?}");
            match ends {
                "answers" => joins.ended(&likeness, RequestId(number), true, now),
                "is refused" => joins.ended(&likeness, RequestId(number), false, now),
                "is left" => assert!(transcript.abandon()),
                "answers and is old" => {
                    joins.ended(&likeness, RequestId(number), true, now);
                    now += KEPT_FOR;
                }
                "answers and is almost old" => {
                    joins.ended(&likeness, RequestId(number), true, now);
                    now += ALMOST;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_key_joins_and_replays_and_refuses_other_content() {
        check(&[
            (1, Some("k"), false, "runs"),
            (1, Some("k"), false, "joins 0"),
            (2, Some("k"), false, "409"),
        ]);
        check(&[(1, Some("k"), false, "runs, answers"), (1, Some("k"), true, "joins 0")]);
        check(&[(1, Some("k"), false, "runs, is refused"), (2, Some("k"), false, "runs")]);
        check(&[(1, Some("k"), false, "runs"), (1, Some("l"), false, "runs"), (1, None, false, "runs")]);
    }

    #[test]
    fn a_retry_joins_only_what_runs() {
        check(&[(1, None, false, "runs"), (1, None, true, "joins 0"), (1, None, false, "runs")]);
        check(&[(1, None, false, "runs, answers"), (1, None, true, "runs")]);
        check(&[(1, None, false, "runs"), (2, None, true, "runs")]);
    }

    #[test]
    fn nobody_joins_what_everybody_has_left() {
        check(&[(1, None, false, "runs, is left"), (1, None, true, "runs"), (1, None, true, "joins 1")]);
        check(&[
            (1, Some("k"), false, "runs, is left"),
            (1, Some("k"), true, "runs"),
            (1, Some("k"), true, "joins 1"),
            (2, Some("k"), false, "409"),
        ]);
        check(&[(1, Some("k"), false, "runs, is left"), (2, Some("k"), false, "runs")]);
    }

    #[test]
    fn an_old_answer_is_forgotten_though_there_is_room() {
        check(&[(1, Some("k"), false, "runs, answers and is almost old"), (1, Some("k"), false, "joins 0")]);
        check(&[(1, Some("k"), false, "runs, answers and is old"), (1, Some("k"), false, "runs")]);
        check(&[(1, Some("k"), false, "runs, answers and is old"), (2, Some("k"), false, "runs")]);
    }

    #[test]
    fn the_oldest_answers_are_forgotten_first() {
        check(&[
            (1, Some("a"), false, "runs, answers"),
            (2, Some("b"), false, "runs, answers"),
            (3, Some("c"), false, "runs"),
            (2, Some("b"), false, "joins 1"),
            (1, Some("a"), false, "runs"),
        ]);
    }
}
