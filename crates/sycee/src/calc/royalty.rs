//! `sycee calc royalty`: who gets what of what a model earns, by the lineage and the split that the ledger pays by.
//!
//! An input is `{mode, edges: [{child, parent, share_ppm}], pay, amount, times?, cap_ppm?, depth_max?, shares?}`. Modes are
//! `relative` (of what the child receives), `absolute` (of the payment, each edge once) and `flat` (only the edges of who is
//! paid). `shares` are flat shares of the paid model, `[{party, share_ppm}]`. The cap and the depth are enforced where they are
//! given; what listing such a model would be refused for with the usual params is told beside.
//!
//! The answer is `{net: {node: amount}, …}`, or `{refused: code, …}` where the platform would refuse.
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use sycee_core::arithmetic::lineage::{Flow, Mode, Unsound, flows};
use sycee_core::arithmetic::split::{self, WHOLE};
use sycee_core::catalog::Refusal as Catalog;
use sycee_core::ids::Amount;
use sycee_core::ledger::Refusal as Ledger;
use sycee_core::params::Param;
use sycee_core::{Refusal, limits};

/// The input as it stands there.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    mode: Combine,
    #[serde(default)]
    edges: Vec<Value>,
    /// Flat shares of what the paid model receives.
    #[serde(default, alias = "flat")]
    shares: Vec<Value>,
    pay: String,
    amount: Value,
    #[serde(default)]
    times: Value,
    cap_ppm: Option<u64>,
    depth_max: Option<usize>,
    /// What else stands there: a slip of the pen, or a comment.
    #[serde(flatten)]
    unread: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Combine {
    #[default]
    Relative,
    Absolute,
    Flat,
}

#[derive(Debug, Deserialize)]
struct Edge {
    child: String,
    parent: String,
    share_ppm: u32,
}

#[derive(Debug, Deserialize)]
struct Share {
    #[serde(alias = "parent", alias = "account")]
    party: String,
    share_ppm: u32,
}

struct Input {
    mode: Combine,
    edges: Vec<Edge>,
    shares: Vec<Share>,
    pay: String,
    amount: Amount,
    times: u64,
    cap_ppm: Option<u64>,
    depth_max: Option<usize>,
}

impl Input {
    /// What is written, and the names in it that nobody reads.
    fn read(input: &Value) -> Result<(Self, Vec<String>)> {
        let written: Written =
            serde_json::from_value(input.clone()).context("this is no lineage to split by")?;
        let times = if written.times.is_null() { 1 } else { whole("times", &written.times)? };
        let known = ["name", "source", "note", "about", "expect"];
        let unread =
            written.unread.into_iter().map(|(key, _)| key).filter(|key| !known.contains(&key.as_str()));
        let input = Self {
            mode: written.mode,
            edges: list("edges", written.edges)?,
            shares: list("shares", written.shares)?,
            pay: written.pay,
            amount: whole("amount", &written.amount)?,
            times: u64::try_from(times).context("`times` counts payments")?,
            cap_ppm: written.cap_ppm,
            depth_max: written.depth_max,
        };
        Ok((input, unread.collect()))
    }
}

fn list<T: serde::de::DeserializeOwned>(name: &str, items: Vec<Value>) -> Result<Vec<T>> {
    let item = |(index, item): (usize, Value)| {
        let shown = item.to_string();
        serde_json::from_value(item).with_context(|| format!("`{name}[{index}]` is {shown}"))
    };
    items.into_iter().enumerate().map(item).collect()
}

/// A whole number, as JSON has it or as text.
fn whole(name: &str, value: &Value) -> Result<i128> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().with_context(|| format!("`{name}` is a whole number, not {value}"))
}

type Parents<'a> = BTreeMap<&'a str, Vec<(&'a str, u32)>>;

/// A decided no, and what led to it.
struct Refused {
    refusal: Refusal,
    because: String,
}

impl Refused {
    fn new(refusal: impl Into<Refusal>, because: impl Into<String>) -> Self {
        Self { refusal: refusal.into(), because: because.into() }
    }
}

/// What the platform would do with this payment.
pub(super) fn calc(input: &Value) -> Result<Value> {
    let (input, unread) = Input::read(input)?;
    let mut answer = divide(&input).unwrap_or_else(|Refused { refusal, because }| {
        let refused = [("refused", refusal.code().to_owned()), ("because", because)];
        refused.map(|(key, text)| (key.to_owned(), Value::String(text))).into_iter().collect()
    });
    if !unread.is_empty() {
        answer.insert("unread".to_owned(), json!(unread));
    }
    Ok(Value::Object(answer))
}

fn divide(input: &Input) -> Result<Map<String, Value>, Refused> {
    let amount = input.amount;
    if amount < 0 {
        return Err(Refused::new(Ledger::AmountMustBePositive, "nobody is paid less than nothing"));
    }
    let too_large = || Refused::new(Ledger::AmountTooLarge, "it is more than one payment may be");
    if amount > split::AMOUNT_MAX {
        return Err(too_large());
    }
    let parents = parents(input)?;
    let flows = flatten(input, &parents)?;
    check_cap(input, &parents, &flows)?;
    let shares: Vec<i128> = flows.iter().map(|flow| flow.net).collect();
    let (net, owed) = split::split_repeatedly(amount, &shares, input.times).ok_or_else(too_large)?;
    let total: Amount = net.iter().sum();

    let mut answer = Map::new();
    let mut insert = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    insert("net", by_node(&flows, &net, |_, net| Some(net.to_string())));
    insert("total", json!(total.to_string()));
    insert("gross", by_node(&flows, &net, |flow, _| Some(fraction_of(total, flow.gross))));
    insert(
        "owed",
        by_node(&flows, &owed, |_, owed| (*owed != 0).then(|| decimal(owed / WHOLE, owed % WHOLE))),
    );
    insert("path", paths(input, &parents, &flows));
    insert("ancestors_ppm", json!(ancestors_ppm(input.mode, &input.pay, &parents, &flows)));
    insert("listing_refuses", json!(listing(input, &parents, &flows)));
    Ok(answer)
}

/// The edges by child, those of flat shares with them. One parent named twice is one edge if its share is the same.
fn parents(input: &Input) -> Result<Parents<'_>, Refused> {
    let mut parents = Parents::new();
    let edges = input.edges.iter().map(|it| (it.child.as_str(), it.parent.as_str(), it.share_ppm));
    let shares = input.shares.iter().map(|it| (input.pay.as_str(), it.party.as_str(), it.share_ppm));
    for (child, parent, share) in edges.chain(shares) {
        if input.mode == Combine::Flat && child != input.pay {
            continue;
        }
        let known = parents.entry(child).or_default();
        match known.iter().find(|(other, _)| *other == parent) {
            None => known.push((parent, share)),
            Some((_, other)) if *other == share => {}
            Some((_, other)) => {
                let because = format!("{child} names {parent} with {other} and with {share}");
                return Err(Refused::new(Catalog::TermsOutOfRange, because));
            }
        }
    }
    let named = |name: &str| input.edges.iter().any(|it| it.child == name || it.parent == name);
    if !input.edges.is_empty() && !named(&input.pay) {
        let because = format!("no edge names {}", input.pay);
        return Err(Refused::new(Catalog::ModelNotFound, because));
    }
    Ok(parents)
}

fn edges_of<'a>(parents: &Parents<'a>, node: &str) -> Vec<(&'a str, u32)> {
    parents.get(node).cloned().unwrap_or_default()
}

fn mode_of(combine: Combine) -> Mode {
    match combine {
        Combine::Relative | Combine::Flat => Mode::Relative,
        Combine::Absolute => Mode::Absolute,
    }
}

/// Without a limit to its depth a lineage is too deep only if it goes in circles: no path is longer than there are nodes.
fn flatten<'a>(input: &'a Input, parents: &Parents<'a>) -> Result<Vec<Flow<&'a str>>, Refused> {
    let depth_max = input.depth_max.unwrap_or(input.edges.len() + input.shares.len());
    let root = input.pay.as_str();
    let flows = flows(&root, |node| edges_of(parents, node), mode_of(input.mode), depth_max);
    flows.map_err(|unsound| match unsound {
        Unsound::TooDeep if input.depth_max.is_none() => {
            Refused::new(Catalog::LineageTooDeep, "it goes in a circle")
        }
        Unsound::TooDeep => Refused::new(Catalog::LineageTooDeep, format!("it is deeper than {depth_max}")),
        Unsound::MoreThanWhole => {
            Refused::new(Catalog::SharesExceedWhole, "somebody gives away more than they receive")
        }
    })
}

/// What the ancestors of a node take of what it earns.
fn ancestors_ppm(combine: Combine, node: &str, parents: &Parents<'_>, flows: &[Flow<&str>]) -> u64 {
    let own = |node: &str| edges_of(parents, node).iter().map(|(_, share)| u64::from(*share)).sum::<u64>();
    match combine {
        Combine::Relative | Combine::Flat => own(node),
        Combine::Absolute => flows.iter().map(|flow| own(flow.node)).sum(),
    }
}

/// A cap holds for every link: a model whose own ancestors take more could not have been listed, nor be built on.
fn check_cap(input: &Input, parents: &Parents<'_>, flows: &[Flow<&str>]) -> Result<(), Refused> {
    let Some(cap) = input.cap_ppm else {
        return Ok(());
    };
    match beyond(input.mode, cap, parents, flows) {
        None => Ok(()),
        Some((node, ppm)) => {
            let because = format!("the ancestors of {node} would take {ppm} ppm, the cap is {cap}");
            Err(Refused::new(Catalog::AncestorsExceedCap, because))
        }
    }
}

fn beyond<'a>(
    combine: Combine,
    cap: u64,
    parents: &Parents<'_>,
    flows: &[Flow<&'a str>],
) -> Option<(&'a str, u64)> {
    let of_node = |flow: &Flow<&'a str>| (flow.node, ancestors_ppm(combine, flow.node, parents, flows));
    match combine {
        Combine::Relative => flows.iter().map(of_node).find(|(_, ppm)| *ppm > cap),
        // Edges of ancestors are among those of who is paid, so the largest sum is there.
        Combine::Absolute | Combine::Flat => flows.first().map(of_node).filter(|(_, ppm)| *ppm > cap),
    }
}

/// What listing these models would be refused for with the usual params.
fn listing(input: &Input, parents: &Parents<'_>, flows: &[Flow<&str>]) -> Vec<&'static str> {
    let cap = Param::AncestorsCapPpm.default_value();
    let depth = longest(input, parents, flows);
    let found = [
        (depth > limits::LINEAGE_DEPTH_MAX).then_some(Catalog::LineageTooDeep),
        beyond(input.mode, cap, parents, flows).map(|_| Catalog::AncestorsExceedCap),
        (flows.len() > limits::PARTIES_MAX).then_some(Catalog::TooManyParties),
    ];
    found.into_iter().flatten().map(Catalog::code).collect()
}

/// Edges of the longest path.
fn longest(input: &Input, parents: &Parents<'_>, flows: &[Flow<&str>]) -> usize {
    let mut depth = BTreeMap::from([(input.pay.as_str(), 0)]);
    // Children stand before their parents here.
    for flow in flows {
        let next = depth.get(flow.node).map_or(0, |depth| depth + 1);
        for (parent, _) in edges_of(parents, flow.node) {
            let known = depth.entry(parent).or_default();
            *known = next.max(*known);
        }
    }
    depth.into_values().max().unwrap_or(0)
}

/// How the money comes to each: the shortest path from who is paid.
fn paths(input: &Input, parents: &Parents<'_>, flows: &[Flow<&str>]) -> Value {
    let mut path: BTreeMap<&str, Vec<&str>> =
        BTreeMap::from([(input.pay.as_str(), vec![input.pay.as_str()])]);
    for flow in flows {
        let so_far = path.get(flow.node).cloned().unwrap_or_default();
        for (parent, _) in edges_of(parents, flow.node) {
            let longer = so_far.len() + 1;
            if path.get(parent).is_none_or(|known| known.len() > longer) {
                path.insert(parent, so_far.iter().copied().chain([parent]).collect());
            }
        }
    }
    json!(flows.iter().map(|flow| (flow.node, path.get(flow.node))).collect::<BTreeMap<_, _>>())
}

fn by_node<T>(flows: &[Flow<&str>], values: &[T], show: impl Fn(&Flow<&str>, &T) -> Option<String>) -> Value {
    let shown = flows.iter().zip(values).filter_map(|(flow, value)| {
        let text = show(flow, value)?;
        Some((flow.node.to_owned(), Value::String(text)))
    });
    Value::Object(shown.collect())
}

/// `total` × `share`, in full.
fn fraction_of(total: Amount, share: i128) -> String {
    let (billions, rest) = (total / WHOLE, total % WHOLE);
    let rest = rest * share;
    decimal(billions * share + rest / WHOLE, rest % WHOLE)
}

/// Units and parts of [`WHOLE`], without zeros that say nothing.
fn decimal(units: i128, parts: i128) -> String {
    let sign = if units < 0 || parts < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:018}", units.abs(), parts.abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
