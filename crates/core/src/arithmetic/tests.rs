//! The vectors of the first rule set: what was once paid by it is paid by it for ever.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
use super::lineage::{Mode, flatten};
use super::{price, split};
use crate::buckets::Buckets;
use crate::ids::Hash;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

const VECTORS: &str = include_str!("../../fixtures/arithmetic-1.txt");

/// Of the vectors that were released with rule set 1. If this line has to change, the rules have changed: give the new ones
/// the next number and leave these.
const RELEASED: &str = "66d7fd8b8dfa39adae30a6b41831eb5563de54a79f23faf1905e0c6d8062ae59";

#[test]
fn released_vectors_are_not_edited() {
    assert_eq!(Hash(Sha256::digest(VECTORS).into()).to_string(), RELEASED);
}

#[test]
fn rule_set_one_gives_what_it_always_gave() {
    assert_eq!(super::RULES, 1);
    let lines = VECTORS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut differences = Vec::new();
    let mut kinds = BTreeMap::new();
    for line in lines {
        let (question, answer) = line.split_once(" = ").expect("a vector has an answer");
        let vector = Vector::parse(question);
        let now = vector.answer();
        if now != answer {
            differences.push(format!("{question} = {now}"));
        }
        *kinds.entry(vector.kind).or_insert(0) += 1;
    }
    assert!(differences.is_empty(), "the rules give something else:\n{}", differences.join("\n"));
    let expected = [("bound", 8), ("fit", 8), ("flatten", 9), ("split", 14), ("total", 9)];
    assert_eq!(kinds, expected.into());
}

struct Vector<'a> {
    kind: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> Vector<'a> {
    fn parse(question: &'a str) -> Self {
        let mut parts = question.split(' ');
        let kind = parts.next().expect("a vector has a kind");
        Self { kind, fields: parts.map(|part| part.split_once('=').expect("name=value")).collect() }
    }

    fn number<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        self.fields[name].parse().expect("a number")
    }

    fn numbers<T: FromStr<Err: Debug>>(&self, name: &str) -> Vec<T> {
        self.fields[name].split(',').map(|it| it.parse().expect("a number")).collect()
    }

    fn buckets(&self, name: &str) -> Buckets {
        Buckets(self.numbers(name).try_into().expect("ten buckets"))
    }

    fn answer(&self) -> String {
        match self.kind {
            "total" => shown(price::total(&self.buckets("usage"), &self.buckets("prices"))),
            "bound" => {
                shown(price::bound(self.number("input"), self.number("output"), &self.buckets("prices")))
            }
            "fit" => {
                let (money, input) = (self.number("money"), self.number("input"));
                shown(price::output_within(money, input, &self.buckets("prices")))
            }
            "split" => self.split(),
            "flatten" => self.flatten(),
            other => panic!("no such vector: {other}"),
        }
    }

    /// The parts of each payment, then what is carried.
    fn split(&self) -> String {
        let shares: Vec<i128> = self.numbers("shares");
        let mut carries = vec![0; shares.len()];
        let amounts = self.numbers("amounts").into_iter();
        let mut lists: Vec<Vec<i128>> =
            amounts.map(|amount| split::split(amount, &shares, &mut carries)).collect();
        lists.push(carries);
        let list = |list: Vec<i128>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        lists.into_iter().map(list).collect::<Vec<_>>().join(" ")
    }

    fn flatten(&self) -> String {
        let mode = if self.fields["mode"] == "absolute" { Mode::Absolute } else { Mode::Relative };
        let mut edges: BTreeMap<&str, Vec<(&str, u32)>> = BTreeMap::new();
        for edge in self.fields["edges"].split(',') {
            let (child, rest) = edge.split_once('>').expect("CHILD>PARENT:PPM");
            let (parent, share) = rest.split_once(':').expect("CHILD>PARENT:PPM");
            edges.entry(child).or_default().push((parent, share.parse().expect("a share")));
        }
        let edges_of = |node: &&str| edges.get(node).cloned().unwrap_or_default();
        match flatten(&self.fields["root"], edges_of, mode, self.number("depth")) {
            Ok(kept) => {
                kept.iter().map(|(node, share)| format!("{node}:{share}")).collect::<Vec<_>>().join(",")
            }
            Err(unsound) => format!("{unsound:?}"),
        }
    }
}

fn shown(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}
