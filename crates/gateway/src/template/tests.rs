//! Chat templates: the dialect, the shapes that published templates use, and the bounds.
use serde_json::{Value, json};

use super::*;

fn render(source: &str, messages: &Value) -> Result<String, Error> {
    Template::new(source, "<s>", "</s>")?.render(messages)
}

fn check(source: &str, messages: &Value, expect: &str) {
    assert_eq!(render(source, messages).unwrap(), expect, "{source}");
}

/// A template or its rendering is refused, with a reason somewhere in the chain of causes.
fn check_refused(source: &str, messages: &Value, reason: &str) {
    let error = render(source, messages).expect_err(source);
    let mut chain = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    assert!(chain.contains(reason), "{source}: {chain}");
}

fn hi() -> Value {
    json!([{"role": "system", "content": " S "}, {"role": "user", "content": "hi"}])
}

#[test]
fn block_lines_leave_no_blank_lines() {
    let source = "{% for m in messages %}\n    {% if m.role == 'user' %}\n[{{ m.content }}]\n    {% endif %}\n{% endfor %}\n";
    check(source, &hi(), "[hi]\n");
}

#[test]
fn the_shape_of_chat_markup() {
    let source = "{%- for message in messages -%}\n{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + \
        '<|im_end|>' + '\\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n{{ '<|im_start|>assistant\\n' }}\n{%- endif -%}\n";
    let expect = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";
    check(source, &hi(), expect);
}

#[test]
fn namespaces_slices_loop_controls_and_methods() {
    let source = "{{ bos_token }}{% set ns = namespace(found=false) %}{% if messages[0]['role'] == 'system' %}\
        {% set system = messages[0]['content'].strip() %}{% set loop_messages = messages[1:] %}{% endif %}\
        {% for m in loop_messages %}{% if m.role != 'user' %}{% continue %}{% endif %}{% set ns.found = true %}\
        {{ '<<' ~ system ~ '>>' if loop.first else '' }}{{ m.content.upper() }}{{ eos_token }}{% break %}{% endfor %}{{ ns.found }}";
    check(source, &hi(), "<s><<S>>HI</s>True");
}

#[test]
fn macros_and_tests() {
    let source = "{% macro part(c) %}{% if c is string %}{{ c }}{% else %}{% for p in c %}{{ p.text }}{% endfor %}{% endif %}{% endmacro %}\
        {% for m in messages %}{{ part(m.content) }};{% endfor %}{{ tools is none }}{{ undefined_thing is defined }}";
    let messages = json!([{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]);
    check(source, &messages, "a;b;TrueFalse");
}

#[test]
fn values_print_as_python_prints_them() {
    check("{{ none }} {{ true }} {{ messages[0].nothing }} {{ 3 }}", &hi(), "None True  3");
}

#[test]
fn json_is_written_as_python_writes_it() {
    let messages = json!([{"role": "user", "content": {"b": [1, "词", null], "a": {}}}]);
    check("{{ messages[0].content | tojson }}", &messages, "{\"b\": [1, \"词\", null], \"a\": {}}");
    check(
        "{{ messages[0].content | tojson(indent=2) }}",
        &messages,
        "{\n  \"b\": [\n    1,\n    \"词\",\n    null\n  ],\n  \"a\": {}\n}",
    );
    check("{{ '<&>' | tojson }}{{ messages[0].role }}", &messages, "\"<&>\"user");
}

#[test]
fn text_is_never_escaped_nor_run() {
    let messages = json!([{"role": "user", "content": "<b>&'\"{{ bos_token }}{% raw %}"}]);
    check("{{ messages[0].content }}", &messages, "<b>&'\"{{ bos_token }}{% raw %}");
}

#[test]
fn the_clock_stands_still() {
    let template = Template::new("{{ strftime_now('%Y-%m-%d') }}", "", "").unwrap();
    assert!(template.is_dated());
    assert_eq!(template.render(&hi()).unwrap(), "2024-07-26");
    assert!(!Template::new("{{ messages }}", "", "").unwrap().is_dated());
}

#[test]
fn templates_refuse_and_are_refused() {
    check_refused("{{ raise_exception('roles must alternate') }}", &hi(), "roles must alternate");
    check_refused("{% for m in %}", &hi(), "compile the chat template");
    check_refused(&"x".repeat(SOURCE_BYTES_MAX + 1), &hi(), "above 1048576 bytes");
    check_refused("{% include 'passwd' %}", &hi(), "passwd");
}

#[test]
fn rendering_is_bounded() {
    check_refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", &hi(), "render the chat template");
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    check_refused(nested, &hi(), "fuel");
    let long = json!([{"role": "user", "content": "x".repeat(1 << 20)}]);
    check_refused("{% for a in range(100) %}{{ messages[0].content }}{% endfor %}", &long, "too long");
}

#[test]
fn templates_are_pinned_by_their_source() {
    let hash = |source| Template::new(source, "", "").unwrap().hash();
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a"), hash("b"));
}
