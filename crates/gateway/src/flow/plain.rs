//! A plain answer: gathered whole, checked, counted, settled, and only then passed on.
use sycee_core::settlement::{AttemptOutcome, Endpoint, Finish};

use super::bill::{Ending, Weighing};
use super::tally::Tally;
use super::{Action, Chunk, Flow, Time, finish_of};
use crate::vectors;

impl Flow {
    /// The body of a plain answer is complete. What is no answer costs nothing, and the next site is tried.
    pub(super) fn gathered(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some((candidate, sent_at, microjoules, bytes)) = self.take_gathered() else {
            return;
        };
        let list = match self.order.endpoint {
            Endpoint::Chat => "choices",
            Endpoint::Embeddings => "data",
        };
        let read = Chunk::read(&bytes).ok().filter(|chunk| chunk.has_list(list));
        let Some(mut chunk) = read.filter(|chunk| list != "choices" || chunk.has_choices()) else {
            return self.fail_over(now, AttemptOutcome::Failed, out);
        };
        if self.order.endpoint == Endpoint::Embeddings {
            let wants_base64 = self.order.body.get("encoding_format").is_some_and(|it| it == "base64");
            vectors::encode(chunk.value_mut(), wants_base64);
        }
        self.first_byte = Some(now);
        self.record(now, candidate, sent_at, AttemptOutcome::Served, out);

        let mut tally = Tally::default();
        tally.add(self.candidate(candidate).sent.counter.tokenizer_or_estimator(), &chunk.pieces);
        let finishes = chunk.finishes.clone();
        let finish = match self.order.endpoint {
            Endpoint::Chat => finishes.first().map_or(Finish::Other, |(_, reason)| finish_of(reason)),
            Endpoint::Embeddings => Finish::Stop,
        };
        let ended = finishes.iter().filter(|(_, reason)| finish_of(reason) == Finish::Stop);
        let choices = tally.into_choices(ended.map(|(index, _)| *index));
        let usages = chunk.usage.clone().into_iter().collect();
        let ending = Ending::Plain(chunk, self.schedule(candidate));
        let weighing =
            Weighing { candidate, microjoules, finish, is_complete: true, usages, ending, answer: None };
        self.start_weighing(weighing, choices, out);
    }
}
