//! Counting: against the real engine's numbers, and what must hold for any text.
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::template::Template;

mod pinned;

use pinned::{Model, gguf_file, hugging_face, models};

/// Every tokenizer of every kind that the tests know, by name.
static TOKENIZERS: LazyLock<Vec<(String, Tokenizer)>> = LazyLock::new(|| {
    let mut all = vec![
        ("o200k_base".to_owned(), Tokenizer::embedded(Vocabulary::O200kBase)),
        ("cl100k_base".to_owned(), Tokenizer::embedded(Vocabulary::Cl100kBase)),
    ];
    for model in models() {
        all.push((format!("gguf {}", model.name), Tokenizer::from_gguf(&gguf_file(&model)).unwrap().0));
    }
    for name in ["byte level", "split", "metaspace", "prepend", "bert"] {
        all.push((format!("json {name}"), Tokenizer::from_json(hugging_face(name).as_bytes()).unwrap()));
    }
    all
});

#[test]
fn gguf_counts_are_the_engines() {
    let mut compared = 0;
    for model in models() {
        let (tokenizer, facts) = Tokenizer::from_gguf(&gguf_file(&model)).unwrap();
        let template =
            Template::new(facts.chat_template.as_deref().unwrap(), &facts.bos_token, &facts.eos_token)
                .unwrap();
        for row in &model.texts {
            let Model { name, .. } = &model;
            assert_eq!(
                tokenizer.count_input(&row.text).unwrap(),
                row.parsed,
                "{name}: parsed {:?}",
                row.text
            );
            if !model.add_space_prefix {
                assert_eq!(
                    tokenizer.count_text(&row.text).unwrap(),
                    row.plain,
                    "{name}: plain {:?}",
                    row.text
                );
            }
            if let Some(chat) = row.chat {
                let prompt =
                    Prompt::new(Some(&template), &json!([{"role": "user", "content": row.text}]), None);
                assert_eq!(
                    prompt.count(Some(&tokenizer)),
                    Counted::exact(chat),
                    "{name}: chat {:?}",
                    row.text
                );
            }
            compared += 1;
        }
    }
    assert!(compared >= 200, "{compared} texts");
}

#[test]
fn delivered_text_counts_as_the_engine_says() {
    let model = models().swap_remove(0);
    let (tokenizer, _) = Tokenizer::from_gguf(&gguf_file(&model)).unwrap();
    for answer in &model.answers {
        let mut choice = Delivered { stopped: answer.finish == "stop", ..Delivered::default() };
        choice.visible.push(&tokenizer, &answer.text).unwrap();
        let counted = completion_count(Some(&tokenizer), &[choice], false);
        assert_eq!(counted, Counted::exact(answer.tokens), "{answer:?}");
    }
    let ended = model.answers.iter().filter(|answer| answer.finish == "stop").count();
    assert!(ended >= 10 && model.answers.len() >= ended + 10, "{ended} of {}", model.answers.len());
}

#[test]
fn gguf_facts_are_read() {
    let model = &models()[1];
    let (_, facts) = Tokenizer::from_gguf(&gguf_file(model)).unwrap();
    assert_eq!(facts.name.as_deref(), Some("fixture"));
    assert_eq!(facts.context_length, Some(4096));
    assert_eq!((facts.bos_token.as_str(), facts.eos_token.as_str()), ("<s>", "</s>"));
}

/// A damaged file is refused with the reason.
fn check_damage(what: &str, reason: &str, damage: impl Fn(&mut Model)) {
    let mut model = models().swap_remove(0);
    damage(&mut model);
    let error = Tokenizer::from_gguf(&gguf_file(&model)).expect_err(what);
    assert!(error.to_string().contains(reason), "{what}: {error}");
}

#[test]
fn damaged_gguf_files_are_refused() {
    check_damage("a byte without a token", "<0x41>", |model| model.tokens[3 + 0x41] = "elsewhere".to_owned());
    check_damage("a token twice", "stands twice", |model| model.tokens[1] = "<unk>".to_owned());
    check_damage("lists that differ", "differ in length", |model| model.scores.truncate(5));
    check_damage("a score that is none", "not a number", |model| model.scores[5] = f32::NAN);
    check_damage("another family", "tokenizer.json", |model| model.family = "gpt2".to_owned());
    check_damage("a marker beyond the list", "bos_token_id", |model| model.bos = 70_000);
}

#[test]
fn cut_gguf_files_are_refused_and_never_panic() {
    let file = gguf_file(&models()[1]);
    for length in (0..file.len()).step_by(7) {
        let error = Tokenizer::from_gguf(&file[..length]).expect_err("a cut file");
        assert!(error.to_string().starts_with("read the GGUF file"), "{length}: {error}");
    }
    let mut huge = file;
    huge[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Tokenizer::from_gguf(&huge).unwrap_err().to_string().contains("claims"));
}

#[test]
fn embedded_vocabularies_are_pinned() {
    let hex = |vocabulary: Vocabulary| -> String {
        vocabulary.hash().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    assert_eq!(
        hex(Vocabulary::O200kBase),
        "3e515465cb7d869663ef2138cdc74826ea38c01a2ec34cdd327525705909bff6"
    );
    assert_eq!(
        hex(Vocabulary::Cl100kBase),
        "c8912fd379842d7ab2874058de0b5d17a6b2c8e94b4fb98f77011531c816635c"
    );
}

#[test]
fn hostile_text_is_counted_in_time() {
    LazyLock::force(&TOKENIZERS);
    let started = std::time::Instant::now();
    for text in [" ".repeat(200_000), "a".repeat(200_000), "\n \t".repeat(60_000), "</s>".repeat(50_000)] {
        for (name, tokenizer) in TOKENIZERS.iter().filter(|(name, _)| !name.starts_with("json")) {
            let count = tokenizer.count_prompt(&text).unwrap();
            assert!(count > 0, "{name}");
        }
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn random_merges_are_refused() {
    let mut description: Value = serde_json::from_str(&hugging_face("byte level")).unwrap();
    description["model"]["dropout"] = json!(0.1);
    let error = Tokenizer::from_json(description.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("at random"), "{error}");
}

#[test]
fn an_unknown_normaliser_gives_no_bound() {
    let mut description: Value = serde_json::from_str(&hugging_face("byte level")).unwrap();
    description["normalizer"] = json!({"type": "Nmt"});
    let tokenizer = Tokenizer::from_json(description.to_string().as_bytes()).unwrap();
    assert_eq!(tokenizer.bound(10), None);
}

const TEMPLATE: &str = "{% for m in messages %}<s>{{ m['role'] }}{% if m.name == 'Eve' %} (Eve){% endif %}: \
    {{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant:{% endif %}";

/// What stands in the way of counting messages exactly, by name, or nothing.
fn check_prompt(messages: &Value, obstacle: Option<Obstacle>) {
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    let template = Template::new(TEMPLATE, "<s>", "</s>").unwrap();
    let prompt = Prompt::new(Some(&template), messages, None);
    let counted = prompt.count(Some(&tokenizer));
    assert_eq!(counted.obstacle, obstacle, "{messages}");
    assert!(counted.tokens > 0, "{messages}");
    assert_eq!(prompt.bound(Some(&tokenizer)).is_some(), obstacle.is_none(), "{messages}");
}

#[test]
fn what_can_be_counted_and_what_cannot() {
    let hi = json!({"role": "user", "content": "hi"});
    check_prompt(&json!([hi]), None);
    check_prompt(&json!([{"role": "system", "content": "S"}, hi]), None);
    check_prompt(&json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]), None);
    check_prompt(&json!([hi, {"role": "assistant", "content": "yo"}, hi]), None);
    check_prompt(&json!([{"role": "user", "content": "hi", "name": "Bob"}]), None);
    check_prompt(&json!([{"role": "user", "content": "hi", "name": "Eve"}]), Some(Obstacle::Message));
    check_prompt(&json!([hi, {"role": "assistant", "content": "pre"}]), Some(Obstacle::Prefill));
    check_prompt(&json!([{"role": "tool", "content": "42", "tool_call_id": "1"}]), Some(Obstacle::Tools));
    check_prompt(
        &json!([{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}, hi]),
        Some(Obstacle::Tools),
    );
    check_prompt(
        &json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]}]),
        Some(Obstacle::Media),
    );
    check_prompt(
        &json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]),
        Some(Obstacle::Message),
    );
    check_prompt(&json!([{"role": "developer", "content": "D"}, hi]), Some(Obstacle::Message));
    check_prompt(&json!([{"role": "user", "content": null}]), Some(Obstacle::Message));
    check_prompt(&json!({"role": "user"}), Some(Obstacle::Message));
}

#[test]
fn what_an_offer_does_not_pin_is_an_estimate() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    let template = Template::new(TEMPLATE, "<s>", "</s>").unwrap();
    let dated = Template::new("{{ strftime_now('%d') }}{{ messages[0].content }}", "", "").unwrap();
    let strict = Template::new("{{ raise_exception('no') }}", "", "").unwrap();
    let obstacle =
        |template, tokenizer, given| Prompt::new(template, &messages, given).count(tokenizer).obstacle;
    assert_eq!(obstacle(Some(&template), Some(&tokenizer), None), None);
    assert_eq!(obstacle(None, Some(&tokenizer), None), Some(Obstacle::NoTemplate));
    assert_eq!(obstacle(Some(&template), None, None), Some(Obstacle::NoTokenizer));
    assert_eq!(obstacle(Some(&dated), Some(&tokenizer), None), Some(Obstacle::TemplateDated));
    assert_eq!(obstacle(Some(&strict), Some(&tokenizer), None), Some(Obstacle::TemplateFailed));
    assert_eq!(obstacle(Some(&template), Some(&tokenizer), Some(Obstacle::Tools)), Some(Obstacle::Tools));
}

#[test]
fn inputs_are_summed() {
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    assert_eq!(inputs_count(Some(&tokenizer), &["Hi!", "Hello world"]), Counted::exact(4));
    assert_eq!(inputs_count(None, &["Hi!"]), Counted::estimate(2, Obstacle::NoTokenizer));
    let markers = Tokenizer::from_gguf(&gguf_file(&models()[1])).unwrap().0;
    let one = inputs_count(Some(&markers), &["the"]).tokens;
    assert_eq!(
        inputs_count(Some(&markers), &["the", "the"]).tokens,
        2 * one,
        "each input has its own markers"
    );
}

/// A delivered choice: visible text, reasoning, tool text, and whether it ended by itself.
fn delivered(visible: &str, reasoning: &str, tools: &str, stopped: bool) -> Delivered {
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    let mut choice = Delivered { stopped, ..Delivered::default() };
    choice.visible.push(&tokenizer, visible).unwrap();
    choice.reasoning.push(&tokenizer, reasoning).unwrap();
    choice.tool_text.push(&tokenizer, tools).unwrap();
    choice
}

#[test]
fn completions_are_summed_over_choices() {
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    let count = |choices: &[Delivered], stop| completion_count(Some(&tokenizer), choices, stop);
    assert_eq!(count(&[delivered("Hi!", "", "", false)], false), Counted::exact(2));
    assert_eq!(count(&[delivered("Hi!", "", "", true)], false), Counted::exact(3));
    assert_eq!(count(&[delivered("Hi!", "", "", true)], true), Counted::exact(2));
    let two = [delivered("Hi!", "", "", true), delivered("Hello world", "", "", false)];
    assert_eq!(count(&two, false), Counted::exact(5));
    assert_eq!(count(&[delivered("", "", "", false)], false), Counted::exact(0));
    let thought = count(&[delivered("Hi!", "Hello world", "", true)], false);
    assert_eq!(thought, Counted { tokens: 5, reasoning: 2, obstacle: None, text_max: None });
    assert_eq!(count(&[delivered("", "", "{}", true)], false).obstacle, Some(Obstacle::Tools));
    let estimate = Counted { text_max: Some(3 + 1 + 11 + 1), ..Counted::estimate(4, Obstacle::NoTokenizer) };
    assert_eq!(completion_count(None, &two, false), estimate);
    assert_eq!(completion_count(None, &[delivered("", "", "{}", true)], false).text_max, None);
}

#[test]
fn a_run_without_walls_waits_for_the_final_count() {
    let tokenizer = Tokenizer::embedded(Vocabulary::O200kBase);
    let mut meter = Meter::default();
    meter.push(&tokenizer, "some words before ").unwrap();
    let run = "x".repeat(meter::TAIL_BYTES_MAX + 1000);
    meter.push(&tokenizer, &run).unwrap();
    assert_eq!(meter.mark(&tokenizer).unwrap(), tokenizer.count_text("some words before").unwrap());
    let whole = format!("some words before {run}");
    assert_eq!(meter.total(&tokenizer).unwrap(), tokenizer.count_text(&whole).unwrap());
}

/// Words, marks, spaces, code, emoji and control tokens in any order, or any text at all.
fn text(parts: usize) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => proptest::sample::select(vec![
            "the cat ", "sat on the mat", " ", "   ", "\n", "\n\n", "\t", "你好", "世界，", "你好吗。", "🙂", "👩‍👩‍👧",
            "fn main() {", "let x = 10; }", "</s>", "<s>", "[INST]", "<b>", "the end", "<0x41>", "▁", "café", "e\u{301}",
            "2024-11-20", ".", "it's", "we'll", "ＦＵＬＬ", "ﷺ", "İ", "क्षि", "\u{200b}", "\0", "\r\n",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    proptest::collection::vec(part, 0..parts).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The bound from bytes holds for every kind of tokenizer and every way of counting.
    #[test]
    fn the_bound_is_never_below_the_count(text in text(30)) {
        for (name, tokenizer) in TOKENIZERS.iter() {
            let bound = tokenizer.bound(text.len()).unwrap();
            for count in [tokenizer.count_text(&text), tokenizer.count_prompt(&text), tokenizer.count_input(&text)] {
                let count = count.unwrap();
                prop_assert!(count <= bound, "{}: {} > {}", name, count, bound);
            }
        }
    }

    /// However a text arrives: no mark exceeds the exact count of what arrived, and the total is the exact count.
    #[test]
    fn a_meter_never_runs_ahead(text in text(300), cuts in proptest::collection::vec(0usize..4000, 0..8)) {
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        ends.push(text.len());
        ends.sort_unstable();
        for (name, tokenizer) in TOKENIZERS.iter() {
            let mut meter = Meter::default();
            let mut start = 0;
            for end in ends.iter().copied() {
                meter.push(tokenizer, &text[start..end]).unwrap();
                start = end;
                let exact = tokenizer.count_text(&text[..end]).unwrap();
                let mark = meter.mark(tokenizer).unwrap();
                prop_assert!(mark <= exact, "{}: mark {} of {}", name, mark, exact);
                if !name.starts_with("json") {
                    prop_assert_eq!(mark, exact, "{}", name);
                }
            }
            prop_assert_eq!(meter.total(tokenizer).unwrap(), tokenizer.count_text(&text).unwrap(), "{}", name);
        }
    }

    /// No bytes make the GGUF reader panic.
    #[test]
    fn gguf_noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..4000) {
        let mut file = gguf_file(&models()[0]);
        let at = at.min(file.len() - noise.len());
        file[at..at + noise.len()].copy_from_slice(&noise);
        let read = Tokenizer::from_gguf(&file);
        let noise_alone = Tokenizer::from_gguf(&noise);
        prop_assert!(noise_alone.is_err());
        if let Ok((tokenizer, _)) = read {
            prop_assert!(tokenizer.count_text("still counts").unwrap() > 0);
        }
    }
}
