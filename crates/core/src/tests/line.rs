//! A line of a scenario: a verb, words in order, and `name=value` options in any order.
use super::names::Named;
use crate::ids::Amount;
use crate::limits;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;

#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) verb: &'a str,
    words: Vec<&'a str>,
    options: BTreeMap<&'a str, &'a str>,
    asked_for: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Line<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut parts = text.split_whitespace();
        let verb = parts.next().expect("a line has a verb");
        let (mut words, mut options) = (Vec::new(), BTreeMap::new());
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) => assert!(options.insert(name, value).is_none(), "{name} twice: {text}"),
                None => words.push(part),
            }
        }
        Self { verb, words, options, asked_for: RefCell::default() }
    }

    pub(crate) fn words(&self) -> &[&'a str] {
        &self.words
    }

    pub(crate) fn word(&self, index: usize) -> &'a str {
        self.words.get(index).unwrap_or_else(|| panic!("`{}` needs word {index}: {self:?}", self.verb))
    }

    pub(crate) fn id<T: Named>(&self, index: usize) -> T {
        T::named(self.word(index))
    }

    pub(crate) fn option(&self, name: &str) -> Option<&'a str> {
        let (name, value) = self.options.get_key_value(name)?;
        self.asked_for.borrow_mut().insert(name);
        Some(value)
    }

    pub(crate) fn named<T: Named>(&self, name: &str) -> Option<T> {
        self.option(name).map(T::named)
    }

    pub(crate) fn number<T: FromStr<Err: Debug>>(&self, name: &str, usual: T) -> T {
        self.option(name).map_or(usual, number)
    }

    /// `x*600` is 600 times x, `~` stands for a space.
    pub(crate) fn text(&self, name: &str, usual: &str) -> String {
        let value = self.option(name).unwrap_or(usual);
        match value.split_once('*') {
            Some((unit, times)) => unit.repeat(number(times)),
            None => value.replace('~', " "),
        }
    }

    pub(crate) fn list(&self, name: &str) -> Vec<&'a str> {
        self.option(name).map(|it| it.split(',').collect()).unwrap_or_default()
    }

    /// A word or an option that nobody asked for is a slip of the pen, and the line does not say what it seems to say.
    pub(crate) fn assert_understood(&self, words: usize) {
        let asked_for = self.asked_for.borrow();
        let ignored: Vec<_> = self.options.keys().filter(|name| !asked_for.contains(*name)).collect();
        assert!(ignored.is_empty(), "`{}` has no option {ignored:?}", self.verb);
        assert!(self.words.len() <= words, "`{}` has too many words: {:?}", self.verb, self.words);
    }
}

pub(crate) fn number<T: FromStr<Err: Debug>>(text: &str) -> T {
    let digits = text.replace('_', "");
    digits.parse().unwrap_or_else(|error| panic!("`{text}` is not such a number: {error:?}"))
}

pub(crate) fn amount(text: &str) -> Amount {
    match text {
        "most" => limits::AMOUNT_MAX,
        "least" => Amount::MIN,
        _ => number(text),
    }
}

/// `10ms`, `10s`, `5m`, `25h`, in nanoseconds.
pub(crate) fn span(text: &str) -> u64 {
    let units = [("ms", 1_000_000), ("s", limits::SECOND), ("m", 60 * limits::SECOND), ("h", limits::HOUR)];
    let (digits, unit) = units
        .iter()
        .find_map(|(unit, nanoseconds)| Some((text.strip_suffix(unit)?, nanoseconds)))
        .unwrap_or_else(|| panic!("`{text}` has no unit"));
    number::<u64>(digits) * unit
}
