//! Tokenizers for tests: the vocabularies whose counts a real engine gave, and small `tokenizer.json` files trained here.
use serde::Deserialize;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::{BertNormalizer, NFC, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

const COUNTS: &str = include_str!("../../../fixtures/llama_counts.json");

const CORPUS: [&str; 6] = [
    "the cat sat on the mat and then the other cat sat there again; they said it's what we'll do",
    "你好世界，你好吗。世界你好，猫坐在垫子上。",
    "fn main() { let x = 10; println!(\"{x}\"); }",
    "    indented code\n\n\treturn value;\n",
    "🙂🙂 👩‍👩‍👧 café naïve 2024-11-20",
    "the end of the beginning, the beginning of the end.",
];

/// A vocabulary with the engine's counts.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Model {
    pub(super) name: String,
    template: String,
    pub(super) tokens: Vec<String>,
    pub(super) scores: Vec<f32>,
    types: Vec<i32>,
    add_bos: bool,
    add_eos: bool,
    pub(super) add_space_prefix: bool,
    pub(super) texts: Vec<Row>,
    #[serde(default)]
    pub(super) answers: Vec<Answer>,
    #[serde(default = "llama")]
    pub(super) family: String,
    #[serde(default = "one")]
    pub(super) bos: u32,
}

/// A text, its tokens as plain text, with control tokens and markers, and as the one message of a chat.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) plain: u64,
    pub(super) parsed: u64,
    pub(super) chat: Option<u64>,
}

/// What the engine answered, how many tokens it says that was, and why it ended.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) tokens: u64,
    pub(super) finish: String,
}

fn llama() -> String {
    "llama".to_owned()
}

fn one() -> u32 {
    1
}

pub(super) fn models() -> Vec<Model> {
    #[derive(Deserialize)]
    struct File {
        models: Vec<Model>,
    }
    let file: File = serde_json::from_str(COUNTS).unwrap();
    file.models
}

/// Writes a vocabulary-only GGUF file.
pub(super) fn gguf_file(model: &Model) -> Vec<u8> {
    let mut pairs: Vec<(&str, u32, Vec<u8>)> = vec![
        ("general.architecture", 8, text("llama")),
        ("general.name", 8, text("fixture")),
        ("llama.context_length", 4, 4096u32.to_le_bytes().to_vec()),
        ("llama.rope.freq_base", 6, 10_000f32.to_le_bytes().to_vec()),
        ("tokenizer.ggml.model", 8, text(&model.family)),
        ("tokenizer.ggml.tokens", 9, list(8, &model.tokens, |token| text(token))),
        ("tokenizer.ggml.scores", 9, list(6, &model.scores, |score| score.to_le_bytes().to_vec())),
        ("tokenizer.ggml.token_type", 9, list(5, &model.types, |kind| kind.to_le_bytes().to_vec())),
        ("tokenizer.ggml.bos_token_id", 4, model.bos.to_le_bytes().to_vec()),
        ("tokenizer.ggml.eos_token_id", 4, 2u32.to_le_bytes().to_vec()),
        ("tokenizer.chat_template", 8, text(&model.template)),
    ];
    let flags = [
        ("tokenizer.ggml.add_bos_token", model.add_bos),
        ("tokenizer.ggml.add_eos_token", model.add_eos),
        ("tokenizer.ggml.add_space_prefix", model.add_space_prefix),
    ];
    pairs.extend(flags.map(|(key, flag)| (key, 7, vec![u8::from(flag)])));
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((pairs.len() as u64).to_le_bytes());
    for (key, kind, value) in pairs {
        file.extend(text(key));
        file.extend(kind.to_le_bytes());
        file.extend(value);
    }
    file
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn list<T>(kind: u32, items: &[T], write: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((items.len() as u64).to_le_bytes());
    bytes.extend(items.iter().flat_map(write));
    bytes
}

/// A small `tokenizer.json` of the named kind.
pub(super) fn hugging_face(name: &str) -> String {
    let mut tokenizer = match name {
        "byte level" => byte_pairs(None, ByteLevel::new(false, true, true).into()),
        "split" => byte_pairs(Some(NFC.into()), split()),
        "metaspace" => byte_pairs(None, Metaspace::new('▁', PrependScheme::First, true).into()),
        "prepend" => byte_pairs(Some(prepend()), Metaspace::new('▁', PrependScheme::Never, false).into()),
        "bert" => word_pieces(),
        other => panic!("no tokenizer is called {other}"),
    };
    tokenizer.add_special_tokens(&[AddedToken::from("</s>", true), AddedToken::from("<b>", false)]);
    let mut description: serde_json::Value =
        serde_json::from_str(&tokenizer.to_string(false).unwrap()).unwrap();
    if name == "prepend" {
        // Characters that were not in the corpus fall back to their bytes.
        description["model"]["byte_fallback"] = serde_json::json!(true);
        for byte in 0..=255u32 {
            description["model"]["vocab"][format!("<0x{byte:02X}>")] = serde_json::json!(20_000 + byte);
        }
    }
    description.to_string()
}

fn byte_pairs(normalizer: Option<NormalizerWrapper>, pre_tokenizer: PreTokenizerWrapper) -> Tokenizer {
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_normalizer(normalizer).with_pre_tokenizer(Some(pre_tokenizer));
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(420)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build()
        .into();
    tokenizer.train(&mut trainer, CORPUS.into_iter()).unwrap();
    tokenizer
}

fn word_pieces() -> Tokenizer {
    let mut tokenizer = Tokenizer::new(WordPiece::default());
    tokenizer.with_normalizer(Some(BertNormalizer::default())).with_pre_tokenizer(Some(BertPreTokenizer));
    let mut trainer: TrainerWrapper =
        WordPieceTrainer::builder().show_progress(false).vocab_size(200).build().into();
    tokenizer.train(&mut trainer, CORPUS.into_iter()).unwrap();
    let mut description: serde_json::Value =
        serde_json::from_str(&tokenizer.to_string(false).unwrap()).unwrap();
    description["model"]["vocab"]["[UNK]"] = serde_json::json!(10_000);
    description.to_string().parse().unwrap()
}

/// The pattern of the Llama 3 family.
fn split() -> PreTokenizerWrapper {
    let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split =
        Split::new(SplitPattern::Regex(pattern.to_owned()), SplitDelimiterBehavior::Isolated, false).unwrap();
    Sequence::new(vec![split.into(), ByteLevel::new(false, true, false).into()]).into()
}

/// What the first Llama and Mistral models do instead of splitting.
fn prepend() -> NormalizerWrapper {
    let replace = Replace::new(" ", "▁").unwrap();
    Normalizers::new(vec![Prepend::new("▁".to_owned()).into(), replace.into()]).into()
}
