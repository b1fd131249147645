//! What a simulated model answers: a function of the seed, the model and the messages, known before the first byte.
//!
//! Since the whole reply is known at once, the rest of the provider only has to play it: at a speed, with faults,
//! and with a true count to lie about. The count is what an honest engine reports: the canonical tokens of the text
//! that was emitted, and one more for end-of-sequence where the model ended by itself and not at a stop string.

use serde_json::json;

use super::behaviour::Behaviour;
use super::corpus::{self, Passage};
use super::request::ChatRequest;
use super::tokens::{self, Piece};
use super::usage::Usage;
use crate::draw::Draw;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Usage,
}

#[derive(Debug)]
pub(crate) struct Choice {
    reasoning: Vec<Piece>,
    content: Vec<Piece>,
    pub(crate) tool: Option<Tool>,
    pub(crate) end: End,
}

/// One thing that a model emits at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Reasoning(&'a Piece),
    Tool(&'a Tool),
    Argument(&'a Piece),
    Content(&'a Piece),
}

/// Why a choice ended where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    ByItself,
    AtStopString,
    AtMaxTokens,
    WithToolCall,
}

impl Step<'_> {
    pub(crate) fn tokens(self) -> u64 {
        match self {
            Self::Reasoning(piece) | Self::Argument(piece) | Self::Content(piece) => piece.tokens,
            Self::Tool(tool) => tool.tokens,
        }
    }
}

impl End {
    pub(crate) fn finish_reason(self) -> &'static str {
        match self {
            Self::ByItself | Self::AtStopString => "stop",
            Self::AtMaxTokens => "length",
            Self::WithToolCall => "tool_calls",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) id: String,
    pub(crate) name: String,
    tokens: u64,
}

/// What a reply is made from.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) seed: u64,
    pub(crate) request: &'a ChatRequest,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) prompt_tokens: u64,
    /// The most that one choice may have.
    pub(crate) room_tokens: u64,
}

/// How long a text is to be.
#[derive(Clone, Copy, Debug)]
enum Length {
    Passages(usize),
    Tokens(u64),
}

const PASSAGES_MAX: usize = 3;
const ERROR_TEXT: &str = "Error: the model backend returned status 500 (simulated). Please try again later.";

impl Reply {
    pub(crate) fn compose(inputs: &Inputs<'_>) -> Self {
        let question = inputs.request.question();
        let messages = json!(inputs.request.messages).to_string();
        let request_seed = inputs.request.seed.unwrap_or(0);
        let mut draw = Draw::from(&[
            &inputs.seed.to_le_bytes(),
            &request_seed.to_le_bytes(),
            inputs.request.model.as_bytes(),
            messages.as_bytes(),
        ]);
        let ranked = corpus::for_question(&question).ranked(&question, &mut draw);
        let choices: Vec<_> = (0..inputs.request.choices())
            .map(|index| Choice::compose(inputs, &question, &ranked, index * PASSAGES_MAX, &mut draw))
            .collect();
        let counts: Vec<_> = choices.iter().map(Choice::tokens).collect();
        let usage = Usage {
            prompt: inputs.prompt_tokens,
            completion: counts.iter().sum(),
            first_choice: counts.first().copied().unwrap_or(0),
            reasoning: choices.iter().map(|choice| tokens::count(&choice.reasoning_text())).sum(),
        };
        Self { choices, usage }
    }

    /// Steps until the longest choice has ended.
    pub(crate) fn steps(&self) -> usize {
        self.choices.iter().map(Choice::steps).max().unwrap_or(0)
    }
}

impl Choice {
    fn compose(
        inputs: &Inputs<'_>,
        question: &str,
        ranked: &[&Passage],
        from: usize,
        draw: &mut Draw,
    ) -> Self {
        let Inputs { seed: _, request, behaviour, prompt_tokens: _, room_tokens } = inputs;
        let asked = request.max_tokens().unwrap_or(u64::MAX);
        let most = if behaviour.never_stops { *room_tokens } else { asked.min(*room_tokens) };
        let reasoning = match behaviour.reasoning_tokens {
            Some(wanted) => cut(&text(ranked, from + 1, Length::Tokens(wanted)), wanted.min(most)),
            None => Vec::new(),
        };
        let most = most.saturating_sub(sum(&reasoning));
        let tool = request.demanded_tool().or_else(|| behaviour.tool_call.then(|| request.first_tool()));
        if let Some(name) = tool {
            let tool = Tool {
                id: format!("call_{:016x}", draw.next()),
                name: name.to_owned(),
                tokens: tokens::count(name),
            };
            let arguments = json!({"question": question, "simulated": true}).to_string();
            let (content, whole) = cut_to(tokens::pieces(&arguments), most);
            let end = if whole { End::WithToolCall } else { End::AtMaxTokens };
            return Self { reasoning, content, tool: Some(tool), end };
        }
        let endless = behaviour.never_stops || request.ignores_end();
        let full = if endless {
            text(ranked, from, Length::Tokens(most))
        } else if behaviour.error_as_content {
            ERROR_TEXT.to_owned()
        } else if let Some(wanted) = behaviour.reply_tokens {
            joined(&cut(&text(ranked, from, Length::Tokens(wanted)), wanted))
        } else {
            text(ranked, from, Length::Passages(1 + draw.below(PASSAGES_MAX)))
        };
        let stop = request.stops().iter().filter_map(|stop| full.find(stop.as_str())).min();
        let kept = stop.map_or(full.as_str(), |at| &full[..at]);
        // A model that has used its last token has none left to end with, so an exact fit is cut as well.
        let room = if stop.is_some() { most } else { most.saturating_sub(1) };
        let pieces = tokens::pieces(kept);
        let (content, whole) = match sum(&pieces) {
            needed if needed <= room && !endless => (pieces, true),
            _ => (cut_to(pieces, most).0, false),
        };
        let end = match (whole, stop) {
            (false, _) => End::AtMaxTokens,
            (true, None) => End::ByItself,
            (true, Some(_)) => End::AtStopString,
        };
        Self { reasoning, content, tool: None, end }
    }

    /// The true tokens of the whole choice.
    fn tokens(&self) -> u64 {
        let name = self.tool.as_ref().map_or(0, |tool| tool.tokens);
        let end = u64::from(self.end == End::ByItself);
        tokens::count(&self.reasoning_text()) + name + tokens::count(&self.text()) + end
    }

    /// The visible text, or the arguments of the tool call.
    pub(crate) fn text(&self) -> String {
        joined(&self.content)
    }

    pub(crate) fn reasoning_text(&self) -> String {
        joined(&self.reasoning)
    }

    pub(crate) fn steps(&self) -> usize {
        self.reasoning.len() + usize::from(self.tool.is_some()) + self.content.len()
    }

    pub(crate) fn step(&self, index: usize) -> Option<Step<'_>> {
        if let Some(piece) = self.reasoning.get(index) {
            return Some(Step::Reasoning(piece));
        }
        let index = index - self.reasoning.len();
        match &self.tool {
            None => self.content.get(index).map(Step::Content),
            Some(tool) if index == 0 => Some(Step::Tool(tool)),
            Some(_) => self.content.get(index - 1).map(Step::Argument),
        }
    }
}

/// Passages from the given rank on, as many as the length wants; past the last comes the first again.
fn text(ranked: &[&Passage], from: usize, length: Length) -> String {
    let mut text = String::new();
    let mut written_tokens = 0;
    for (index, passage) in ranked.iter().cycle().skip(from % ranked.len()).enumerate() {
        let enough = match length {
            Length::Passages(wanted) => index >= wanted,
            Length::Tokens(wanted) => written_tokens >= wanted,
        };
        if enough {
            break;
        }
        if index > 0 {
            text.push_str("\n\n");
        }
        text.push_str(passage.text);
        written_tokens += passage.tokens;
    }
    text
}

fn cut(text: &str, most_tokens: u64) -> Vec<Piece> {
    cut_to(tokens::pieces(text), most_tokens).0
}

/// The first pieces that fit, and whether these are all.
fn cut_to(mut pieces: Vec<Piece>, most_tokens: u64) -> (Vec<Piece>, bool) {
    let mut used = 0;
    let fitting = pieces.iter().take_while(|piece| {
        used += piece.tokens;
        used <= most_tokens
    });
    let fitting = fitting.count();
    let whole = fitting == pieces.len();
    pieces.truncate(fitting);
    (pieces, whole)
}

fn sum(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.tokens).sum()
}

fn joined(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| &*piece.text).collect()
}
