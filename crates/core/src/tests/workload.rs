//! A workload: lines of a scenario from dice. Few names, so that things meet; some that do not exist, so that they miss.

/// What to do, with which two things, and a number. All zero is the plainest step, so failures shrink towards it.
pub(crate) type Step = (u8, u8, u8, u16);

const ACCOUNTS: [&str; 8] = ["ada", "pia", "al", "dan", "dollars", "x0", "x1", "nowhere"];
const MEMBERS: [&str; 8] = ["ada", "pia", "al", "dan", "op", "m0", "m1", "nobody"];
const MODELS: [&str; 6] = ["docs", "base", "n0", "n1", "n2", "unknown"];
const OFFERS: [&str; 6] = ["o", "o2", "w0", "w1", "w2", "unknown"];
const ROLES: [&str; 6] =
    ["consumer", "provider", "author", "operator,consumer", "author,consumer", "auditor,meter"];

fn pick<'a>(names: &[&'a str], index: u8) -> &'a str {
    names[usize::from(index) % names.len()]
}

/// The line of a step; `open` are the requests that run.
pub(crate) fn line((verb, a, b, n): Step, open: &[String]) -> String {
    let running = running(a, b, open);
    match verb % 52 {
        0..=6 => ask(a, b, n),
        7..=12 => settle(&running, b, n),
        13..=20 => books(verb % 52 - 13, a, b, n),
        21..=27 => people(verb % 52 - 21, a, b, n),
        28..=35 => goods(verb % 52 - 28, a, b, n),
        36 | 37 => format!("release {running} attempts={}", n % 10),
        38 | 39 => {
            let offer = pick(&OFFERS, b);
            format!("mark {running}:{offer}:{}:{} {running}:o:1:{} r{b}:o:1:1", n % 50, n % 200, n % 70)
        }
        40 => "epoch".to_owned(),
        41 | 42 => format!("due limit={}", n % 20),
        43 => format!("wait {}m", n % 90),
        44 if a.is_multiple_of(8) => format!("wait {}h", n % 30),
        44..=47 => sent_again(a, b, n),
        48 => format!("source {} provider={}", pick(&["s", "s1", "s2", "s3"], a), pick(&["p", "q"], b)),
        _ => metered(a, b, n),
    }
}

fn metered(a: u8, b: u8, n: u16) -> String {
    let key = |index: u8| pick(&["k", "k", "k0", "k1", "k2", "nokey"], index);
    let first = if a.is_multiple_of(8) { (n % 40).to_string() } else { "next".to_owned() };
    let late = if n.is_multiple_of(9) { format!(":-{}h", n % 80) } else { String::new() };
    format!(
        "lines {} {first} {}:{}:{}:{n} k:o:{b}:0{late} {}:{}:0:{}",
        pick(&["s", "s", "s", "s1", "unknown"], b),
        key(a),
        pick(&OFFERS, b),
        n % 7,
        key(b),
        pick(&OFFERS, a),
        u32::from(n) * 1000,
    )
}

/// Mostly one that runs, now and then any.
fn running(a: u8, b: u8, open: &[String]) -> String {
    match open.get(usize::from(a) % open.len().max(1)) {
        Some(name) if b % 8 != 7 => name.clone(),
        _ => format!("r{a}"),
    }
}

fn ask(a: u8, b: u8, n: u16) -> String {
    let offers = ["o", "o,o2", "o2", "w0,o", "w1", "w0,w1,w2,o", "o", "unknown"];
    let model = if n.is_multiple_of(15) { pick(&MODELS, b) } else { "docs" };
    let lower = if n.is_multiple_of(3) { " lower=1" } else { "" };
    let who = match n % 21 {
        0 => " key=k0 account=x0",
        1 => " account=pia",
        2 => " key=opkey",
        _ => "",
    };
    format!(
        "ask r{} model={model} offers={} in={} out={} choices={}{lower}{who}",
        n % 250 + u16::from(a % 8),
        pick(&offers, b),
        n % 1000,
        if n.is_multiple_of(4) { u64::from(n) * 20 } else { u64::from(n / 3) },
        1 + n % 3,
    )
}

fn settle(request: &str, b: u8, n: u16) -> String {
    let offer = if b.is_multiple_of(4) { pick(&OFFERS, b / 4) } else { "o" };
    format!("settle {request} offer={offer} in={} out={} attempts={}", n % 1000, n / 3, 1 + b % 9)
}

fn books(verb: u8, a: u8, b: u8, n: u16) -> String {
    let account = pick(&ACCOUNTS, a);
    let amount = u64::from(n) * [1, 1_000, 100_000][usize::from(b) % 3];
    match verb {
        0 | 1 => format!("deposit {account} {amount}"),
        2 => format!("payout {account} {amount}"),
        3 => format!("correct {account} {amount} corrects={}", n % 64),
        4 => format!("correct {account} -{amount} against=fees corrects={}", n % 64),
        5 => format!("limit {account} {amount}"),
        6 => format!("set ancestors_cap_ppm {}", u32::from(n) * 20),
        _ => format!("set schedule_notice_seconds {}", n % 5 * 1800),
    }
}

fn people(verb: u8, a: u8, b: u8, n: u16) -> String {
    let (member, account) = (pick(&MEMBERS, a), pick(&ACCOUNTS, b));
    match verb {
        0 => format!("organisation g{}", a % 4),
        1 => format!("member {member} roles={} of=g{}", pick(&ROLES, b), n % 4),
        2 if n.is_multiple_of(8) => format!("standing {member} suspended"),
        2 => format!("standing {member} active"),
        3 => format!("roles {member} {}", pick(&ROLES, b).replace(',', " ")),
        4 => format!("account {account} member={member} asset={} limit={}", n % 3, n % 2 * 10_000),
        5 => format!("key k{} member={member} account={account} hash=h{}", b % 6, n % 30),
        _ if n.is_multiple_of(50) => "revoke k".to_owned(),
        _ => format!("revoke {}", pick(&["k0", "k1", "k2", "k3", "k9"], b)),
    }
}

fn goods(verb: u8, a: u8, b: u8, n: u16) -> String {
    let (model, offer) = (pick(&MODELS, a), pick(&OFFERS, a));
    let (site, account) = (pick(&["east", "west", "north", "nowhere"], b), pick(&ACCOUNTS, b));
    match verb {
        0 => format!("provider {} member={}", pick(&["p", "q", "q2"], a), pick(&MEMBERS, b)),
        1 => format!("site {site} provider={} account={account}", pick(&["p", "q"], a)),
        2 => format!("describe {site} power_price={n} pue={}", 1_000_000 + u32::from(n) * 200),
        3 => {
            let (one, other) = (pick(&MODELS, b), pick(&MODELS, b / 8));
            let shares = format!("dan:data_owner:{n},{account}:author:{}", u32::from(n) * 13);
            format!(
                "model {model} account={} bases={one}:{},{other}:{} shares={shares}",
                pick(&["al", "dan", "x1"], a / 8),
                u32::from(n) * 4,
                n / 2
            )
        }
        4 => format!(
            "offer {offer} model={} site={site} in={n}000 out={n}0000 fee={}",
            pick(&MODELS, b / 8),
            u32::from(n) * 15
        ),
        5 => format!("change {offer} output_max={n}"),
        6 => format!(
            "schedule s{n} offer={offer} in={b}00000 out={n}0000 from=+{}m model_fee={} arithmetic={}",
            u32::from(n) * 5,
            u32::from(n) * 15,
            1 + u8::from(n.is_multiple_of(16))
        ),
        _ => {
            let (kind, id) =
                [("offer", offer), ("model", model), ("site", site), ("provider", "p")][usize::from(n) % 4];
            format!("{} {kind} {id}", if b.is_multiple_of(3) { "suspend" } else { "resume" })
        }
    }
}

/// Commands under an id: the same again, another under the same id, or one that comes too late.
fn sent_again(a: u8, b: u8, n: u16) -> String {
    match b % 4 {
        0 => format!("deposit ada {} id=c{}", n % 2, a % 6),
        1 => format!("payout ada 1_000_000_000_000 id=c{}", 6 + a % 6),
        2 => format!("key k{} member=ada account=ada hash=h{} by=ada id=c{}", n % 4, n % 30, a % 6),
        _ => format!("deposit pia 5 id=d{n} drawn=-{}h", n % 30),
    }
}
