//! What a simulated consumer asks: questions about Sycee with some of its documentation for context.
//!
//! The context makes the length of a prompt log-normal, as lengths of real prompts roughly are, with a real text to
//! count instead of filler.

use serde_json::{Value, json};

use super::config::PopulationConfig;
use super::record::Endpoint;
use crate::draw::Draw;
use crate::provider::passages;

/// One request that a client is about to send.
#[derive(Debug)]
pub(super) struct Ask {
    /// From 1, in this client's order.
    pub(super) number: u64,
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) asks_usage: bool,
    pub(super) max_tokens: Option<usize>,
    /// The client leaves after so many chunks with content.
    pub(super) leaves_after: Option<u64>,
    pub(super) body: Value,
}

const QUESTIONS_EN: [&str; 12] = [
    "How does Sycee meter the tokens of a stream?",
    "What is a hold, and when is it released?",
    "Who is paid when a fine-tuned model earns?",
    "What does a receipt show, and how do I check that its parts add up?",
    "Why would a request be served in another region?",
    "How many joules does an output token cost, and who says so?",
    "What happens to my money when a provider fails in the middle of an answer?",
    "How can an auditor verify the log without trusting the operator?",
    "Which buckets are there, and why is a cached token cheaper?",
    "What is a price schedule, and can it change while I wait?",
    "How does credit get into an account and out of it again?",
    "Summarise what Sycee does for a consortium of data centres.",
];

const QUESTIONS_ZH: [&str; 12] = [
    "流式回答的词元是怎样计量的？",
    "什么是预留？它什么时候释放？",
    "微调模型有收入时，款项付给谁？",
    "收据上有哪些内容，怎样核对分账之和？",
    "为什么请求会送到另一个地区？",
    "一个输出词元需要多少焦耳，这个数字从哪里来？",
    "供应方在回答中途出故障，我的钱怎么办？",
    "审计人如何不依赖运营方而核验日志？",
    "计费分项有哪些，缓存的词元为什么便宜？",
    "什么是价目表，等待期间价格会变吗？",
    "额度怎样进入账户，又怎样取出？",
    "请概括 Sycee 能为数据中心联盟做什么。",
];

impl Ask {
    pub(super) fn draw(config: &PopulationConfig, number: u64, draw: &mut Draw) -> Self {
        let mix = &config.mix;
        let text = prompt(config, draw);
        if !config.embedding_models.is_empty() && draw.chance(mix.embeddings) {
            let model = config.embedding_models[draw.below(config.embedding_models.len())].clone();
            let body = json!({"model": model, "input": text, "encoding_format": "float"});
            return Self {
                number,
                endpoint: Endpoint::Embeddings,
                model,
                stream: false,
                asks_usage: false,
                max_tokens: None,
                leaves_after: None,
                body,
            };
        }
        let model = config.chat_models[draw.below(config.chat_models.len())].clone();
        let stream = draw.chance(mix.streams);
        let asks_usage = stream && draw.chance(mix.asks_usage);
        let leaves_after = (stream && draw.chance(mix.cancels)).then(|| 1 + draw.next() % 60);
        // One in five leaves the length to the gateway.
        let max_tokens = (!draw.chance(0.2)).then(|| 16 + draw.below(mix.max_tokens_most - 15));
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
        if let Some(max_tokens) = max_tokens {
            body["max_tokens"] = json!(max_tokens);
        }
        if stream {
            body["stream"] = json!(true);
        }
        if asks_usage {
            body["stream_options"] = json!({"include_usage": true});
        }
        Self { number, endpoint: Endpoint::Chat, model, stream, asks_usage, max_tokens, leaves_after, body }
    }
}

fn prompt(config: &PopulationConfig, draw: &mut Draw) -> String {
    let mix = &config.mix;
    let words = mix.prompt_words_median * (mix.prompt_words_spread * draw.normal()).exp();
    let is_chinese = draw.chance(mix.chinese);
    let questions = if is_chinese { &QUESTIONS_ZH } else { &QUESTIONS_EN };
    let mut text = questions[draw.below(questions.len())].to_owned();
    // A word is two Chinese characters, or six bytes of English with its space.
    let characters = words * if is_chinese { 2.0 } else { 6.0 };
    let passages: Vec<_> = passages(is_chinese).collect();
    let mut missing = characters - chars(&text);
    while missing > 0.0 {
        let passage = passages[draw.below(passages.len())];
        text.push_str("\n\n");
        text.extend(passage.chars().scan(missing, |left, character| {
            *left -= 1.0;
            (*left >= 0.0).then_some(character)
        }));
        missing -= chars(passage);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "texts are far shorter than 2^53 characters")]
fn chars(text: &str) -> f64 {
    text.chars().count() as f64
}
