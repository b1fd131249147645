//! Names and marks that tell a reader nothing or hide something.

use crate::lexer::{Kind, Token, find, functions};
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

pub(crate) struct FileNames;

impl Rule for FileNames {
    fn name(&self) -> &'static str {
        "file-names"
    }

    fn why(&self) -> &'static str {
        "A file is named after the idea in it; a drawer for everything fills up with everything."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        const DRAWERS: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "mod"];
        let drawer =
            |file: &&File| file.name().split_once('.').is_some_and(|(stem, _)| DRAWERS.contains(&stem));
        let source = |file: &&File| ["rs", "ts", "tsx", "py"].iter().any(|it| file.has_extension(it));
        let found = tree.files().filter(source).filter(drawer);
        found.map(|file| Finding::new(&file.path, 0, "name the file after the idea in it")).collect()
    }
}

pub(crate) struct NoAllow;

impl Rule for NoAllow {
    fn name(&self) -> &'static str {
        "no-allow"
    }

    fn why(&self) -> &'static str {
        "An exception to a lint is `#[expect(lint, reason = \"..\")]`, which warns when it is no longer needed."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        attributes(tree, "allow", "use #[expect(lint, reason = \"..\")]")
    }
}

pub(crate) struct NoIgnore;

impl Rule for NoIgnore {
    fn name(&self) -> &'static str {
        "no-ignore"
    }

    fn why(&self) -> &'static str {
        "An ignored test rots unseen: long runs belong to `make soak`, broken ones are repaired."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        attributes(tree, "ignore", "no ignored tests: move a long run to `make soak`")
    }
}

/// Attributes in which `word` stands first, also inside `cfg_attr`.
fn attributes(tree: &Tree, word: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let tokens = file.tokens();
        let outer = find(tokens, &["#", "["]).map(|at| at + 1);
        let inner = find(tokens, &["#", "!", "["]).map(|at| at + 2);
        for open in outer.chain(inner) {
            let inside = &tokens[open..tokens[open].close.unwrap_or(open)];
            let conditional = inside.get(1).is_some_and(|it| it.is("cfg_attr"));
            let named =
                |pair: &[Token]| pair[1].is(word) && (pair[0].is("[") || conditional && pair[0].is(","));
            if inside.windows(2).any(named) {
                findings.push(Finding::new(&file.path, tokens[open].line, text));
            }
        }
    }
    findings
}

pub(crate) struct NoTodo;

impl Rule for NoTodo {
    fn name(&self) -> &'static str {
        "no-todo"
    }

    fn why(&self) -> &'static str {
        "What is not done is not in the code: a stub looks like a promise."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in tree.rust_files() {
            for word in ["todo", "unimplemented"] {
                let places = find(file.tokens(), &[word, "!"]).map(|at| file.tokens()[at].line);
                findings
                    .extend(places.map(|line| Finding::new(&file.path, line, format!("{word}! is a stub"))));
            }
        }
        findings
    }
}

pub(crate) struct NoSleepInTests;

/// Only a function whose name begins so may pause: the first two because they look again afterwards and give up at a
/// deadline, the last because it stands for a counterpart that works at its own speed.
const PAUSES: [&str; 3] = ["poll", "until", "pace"];

fn may_pause(function: &str) -> bool {
    PAUSES.iter().any(|it| function.starts_with(it))
}

/// The lines that sleep outside the functions that may. A Python function reaches as far as what is indented below it.
fn python_sleeps(text: &str) -> Vec<usize> {
    let mut inside: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split('#').next().unwrap_or_default().trim();
        if code.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        inside.retain(|(outer, _)| *outer < indent);
        if let Some(name) = code.strip_prefix("async ").unwrap_or(code).strip_prefix("def ") {
            inside.push((indent, name));
        }
        let word_before = |at: usize| code[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
        let sleeps = code.match_indices("sleep(").any(|(at, _)| !word_before(at));
        if sleeps && !inside.iter().any(|(_, name)| may_pause(name)) {
            found.push(index + 1);
        }
    }
    found
}

impl Rule for NoSleepInTests {
    fn name(&self) -> &'static str {
        "no-sleep-in-tests"
    }

    fn why(&self) -> &'static str {
        "A test polls with a deadline; a pause stands only in functions named `poll..`, `until..` or `pace..`."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let sleep = "poll with a deadline instead of sleeping";
        let mut findings = Vec::new();
        for file in tree.rust_files() {
            let tokens = file.tokens();
            let pauses: Vec<_> = functions(tokens).into_iter().filter(|it| may_pause(&it.name)).collect();
            let sleeps = tokens.windows(2).filter(|pair| {
                pair[0].kind == Kind::Word && pair[0].test && pair[0].is("sleep") && pair[1].is("(")
            });
            for line in sleeps.map(|pair| pair[0].line) {
                if !pauses.iter().any(|it| (it.first_line..=it.last_line).contains(&line)) {
                    findings.push(Finding::new(&file.path, line, sleep));
                }
            }
        }
        for file in tree.files().filter(|file| file.has_extension("py")) {
            let lines = python_sleeps(&file.text);
            findings.extend(lines.into_iter().map(|line| Finding::new(&file.path, line, sleep)));
        }
        let browser = tree.files().filter(|file| file.path.contains(".spec."));
        for file in browser {
            let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains("waitForTimeout("));
            let text = "wait for what should appear instead of waiting for a time";
            findings.extend(lines.map(|(index, _)| Finding::new(&file.path, index + 1, text)));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: &dyn Rule, path: &str, source: &str) -> Vec<usize> {
        rule.check(&Tree::of(&[(path, source)])).into_iter().map(|it| it.line).collect()
    }

    const PATH: &str = "crates/node/src/step.rs";

    #[test]
    fn drawers_are_refused_and_ideas_are_not() {
        for name in ["utils.rs", "helpers.rs", "mod.rs", "common.rs", "utils.ts"] {
            assert_eq!(lines(&FileNames, &format!("crates/node/src/{name}"), "").len(), 1, "{name}");
        }
        for name in ["model.rs", "commonality.rs", "modes.ts"] {
            assert_eq!(lines(&FileNames, &format!("crates/node/src/{name}"), "").len(), 0, "{name}");
        }
    }

    #[test]
    fn allow_is_found_in_each_of_its_forms() {
        let found = "#![allow(missing_docs)]\n#[allow(dead_code)]\nfn f() {}\n\
                     #[cfg_attr(test, allow(dead_code))]\nfn g() {}";
        assert_eq!(lines(&NoAllow, PATH, found), [2, 4, 1]);
        let fine = "/// Not #[allow(this)].\n#[expect(dead_code, reason = \"allow\")]\nfn allow() { allow(1) }\n\
                    #[derive(Arg, allow)]\nstruct S;";
        assert_eq!(lines(&NoAllow, PATH, fine), [0; 0]);
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(lines(&NoIgnore, PATH, "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), [2]);
        assert_eq!(lines(&NoIgnore, PATH, "#[test]\nfn ignore() {}"), [0; 0]);
    }

    #[test]
    fn stubs_are_found_in_code_and_not_in_words() {
        assert_eq!(lines(&NoTodo, PATH, "fn f() {\n todo!()\n}\nfn g() { unimplemented!() }"), [2, 4]);
        assert_eq!(lines(&NoTodo, PATH, "// todo!()\nfn todo() -> &'static str { \"todo!()\" }"), [0; 0]);
    }

    #[test]
    fn only_a_poll_may_pause_in_a_test() {
        let product = "fn wait() { std::thread::sleep(TICK); }";
        assert_eq!(lines(&NoSleepInTests, PATH, product), [0; 0]);
        let test = "#[cfg(test)]\nmod tests {\n#[tokio::test]\nasync fn t() {\ntokio::time::sleep(TICK).await;\n}\n}";
        assert_eq!(lines(&NoSleepInTests, PATH, test), [5]);
        let poll =
            "fn poll_until(deadline: Instant) { thread::sleep(TICK); }\nfn t() { thread::sleep(TICK); }";
        assert_eq!(lines(&NoSleepInTests, "crates/sycee/tests/kill.rs", poll), [2]);
        let until = "async fn until() { sleep(TICK).await; }\nfn pace() { sleep(TICK); }";
        assert_eq!(lines(&NoSleepInTests, "crates/sycee/tests/kill.rs", until), [0; 0]);
        assert_eq!(lines(&NoSleepInTests, "console/tests/a.spec.ts", "x\npage.waitForTimeout(1)"), [2]);
    }

    #[test]
    fn python_tests_are_held_to_it_too() {
        let path = "tests/clients/test_chat.py";
        let test = "import time\n\ndef test_it():\n    ask()\n    time.sleep(0.3)  # it will have joined\n";
        assert_eq!(lines(&NoSleepInTests, path, test), [5]);
        let poll = "async def poll(probe):\n    while not probe():\n\n        await asyncio.sleep(0.01)\n\n\
                    def after():\n    sleep(1)\n    oversleep(1)  # and no sleep()\n";
        assert_eq!(lines(&NoSleepInTests, path, poll), [7]);
        let within = "class Site:\n    def until(self):\n        def wait():\n            sleep(1)\n        wait()\n    x = sleep(1)";
        assert_eq!(lines(&NoSleepInTests, path, within), [6]);
    }
}
