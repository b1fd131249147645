//! Precedence: of two faults in one command, the one that stands earlier in the reference is refused.
//!
//! A case is a line that applies, and faults. A fault changes words (`0=` is the first) and options of the line, or after `do`
//! the world before it. Each fault is tried alone, so that it is one, and with each other that it can go together with.
use super::scenario::Stage;
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../../docs/reference/refusals.md");
/// One more than the largest amount.
const MUCH: &str = "1=1_000_000_000_000_000_000_000_000_001";

/// The table, what comes before, the line, and the faults with their codes.
type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What is not there cannot be taken: these never apply together.
const EXCLUSIVE: [(&str, &str); 2] =
    [("catalog.name_taken", "catalog.site_not_found"), ("catalog.name_taken", "catalog.model_not_found")];

const CASES: &[Case] = &[
    (
        "Permission",
        "market",
        "deposit ada 1",
        &[
            ("by=ada", "permission.not_permitted"),
            ("reason=none", "permission.reason_missing"),
            ("reason=x*513", "permission.reason_too_long"),
        ],
    ),
    (
        "Genesis",
        "",
        "found assets=CNY:9",
        &[
            ("do founded", "genesis.already_founded"),
            ("assets=cny:9", "genesis.bad_assets"),
            ("origin=", "genesis.bad_origin"),
        ],
    ),
    (
        "Ledger",
        "market",
        "payout ada 100",
        &[
            ("0=nowhere", "ledger.account_not_found"),
            ("ref=x*513", "ledger.reference_too_long"),
            ("1=0", "ledger.amount_must_be_positive"),
            (MUCH, "ledger.amount_too_large"),
            ("do payout ada 1_000_000_000", "ledger.balance_too_low"),
        ],
    ),
    (
        "Ledger",
        "market",
        "correct ada 100",
        &[
            ("0=nowhere", "ledger.account_not_found"),
            ("ref=x*513", "ledger.reference_too_long"),
            ("corrects=99", "ledger.nothing_to_correct"),
            ("1=0", "ledger.amount_must_be_positive"),
            (MUCH, "ledger.amount_too_large"),
            ("do deposit ada most; deposit ada 1", "ledger.amount_too_large"),
        ],
    ),
    (
        "Ledger",
        "market",
        "correct ada -100",
        &[
            ("corrects=99", "ledger.nothing_to_correct"),
            (MUCH, "ledger.amount_too_large"),
            ("do payout ada 1_000_000_000", "ledger.balance_too_low"),
        ],
    ),
    (
        "Ledger",
        "market",
        "limit ada 100",
        &[
            ("0=nowhere", "ledger.account_not_found"),
            ("1=-1", "ledger.amount_must_be_positive"),
            (MUCH, "ledger.amount_too_large"),
            ("do limit ada 1_000_000_000; payout ada 1_500_000_000", "ledger.balance_too_low"),
        ],
    ),
    (
        "Idempotency",
        // The id is drawn here, and not remembered.
        "market; deposit ada 1 id=c by=ada; repeat 99 deposit ada 1 id=f#",
        "deposit ada 1 id=c",
        &[
            ("do deposit ada 2 id=c", "idempotency.reused"),
            ("do deposit ada 1 id=f", "idempotency.full"),
            ("do wait 24h; wait 1s", "idempotency.expired"),
        ],
    ),
    (
        "Membership",
        "market; organisation grid",
        "organisation new name=New",
        &[("0=grid", "membership.organisation_exists"), ("name=", "membership.name_not_allowed")],
    ),
    (
        "Membership",
        "market; organisation grid",
        "member new name=New roles=consumer of=grid",
        &[
            ("0=ada", "membership.member_exists"),
            ("of=nowhere", "membership.organisation_not_found"),
            ("name=", "membership.name_not_allowed"),
            ("roles=consumer,consumer", "membership.bad_roles"),
        ],
    ),
    (
        "Membership",
        "market",
        "roles ada auditor meter",
        &[
            ("0=nobody", "membership.member_not_found"),
            ("0=op", "membership.last_operator"),
            ("2=auditor", "membership.bad_roles"),
        ],
    ),
    (
        "Membership",
        "market; repeat 294 account a# member=pia",
        "account new member=ada name=New",
        &[
            ("member=nobody", "membership.member_not_found"),
            ("0=ada", "ledger.account_exists"),
            ("asset=9", "ledger.asset_not_found"),
            ("do account a member=pia", "ledger.too_many_accounts"),
            ("name=", "ledger.name_not_allowed"),
            ("limit=-1", "ledger.amount_must_be_positive"),
            ("limit=1_000_000_000_000_000_000_000_000_001", "ledger.amount_too_large"),
        ],
    ),
    (
        "Membership",
        "market; repeat 998 key k# member=ada",
        "key new member=ada account=ada label=New hash=new",
        &[
            ("member=nobody", "membership.member_not_found"),
            ("label=", "membership.name_not_allowed"),
            ("0=k", "membership.key_exists"),
            ("hash=k", "membership.key_exists"),
            ("account=nowhere", "ledger.account_not_found"),
            ("account=pia", "membership.not_yours"),
            ("do key k0 member=ada", "membership.too_many_keys"),
        ],
    ),
    (
        "Catalog",
        "market",
        "provider new member=pia name=New",
        &[
            ("0=p", "catalog.id_exists"),
            ("name=p", "catalog.name_taken"),
            ("name=", "catalog.name_not_allowed"),
            ("member=nobody", "catalog.member_not_found"),
            ("member=ada", "catalog.role_missing"),
        ],
    ),
    (
        "Catalog",
        "market",
        "site new provider=p account=pia name=New",
        &[
            ("0=east", "catalog.id_exists"),
            ("name=east", "catalog.name_taken"),
            ("name=", "catalog.name_not_allowed"),
            ("provider=nobody", "catalog.provider_not_found"),
            ("account=ada", "catalog.account_not_fitting"),
            ("region=", "catalog.facts_out_of_range"),
        ],
    ),
    (
        "Catalog",
        "market",
        "describe east",
        &[("0=nowhere", "catalog.site_not_found"), ("region=", "catalog.facts_out_of_range")],
    ),
    (
        "Catalog",
        "market; model m0 account=al; model m1 account=al bases=m0:1; model m2 account=al bases=m1:1;
        model m3 account=al bases=m2:1; model m4 account=al bases=m3:1; model m5 account=al bases=m4:1;
        model m6 account=al bases=m5:1; model m7 account=al bases=m6:1; model m8 account=al bases=m7:1;
        repeat 87 account a# member=dan; repeat 8 model f# account=al
        shares=a#1:author:1,a#2:author:1,a#3:author:1,a#4:author:1,a#5:author:1,a#6:author:1,a#7:author:1",
        "model new name=New account=al bases=base:1 shares=dan:author:1",
        &[
            ("0=docs", "catalog.id_exists"),
            ("name=docs", "catalog.name_taken"),
            ("name=", "catalog.name_not_allowed"),
            ("bases=unknown:1", "catalog.model_not_found"),
            ("account=pia", "catalog.role_missing"),
            ("account=nowhere", "catalog.account_not_fitting"),
            ("shares=nowhere:author:1", "catalog.account_not_fitting"),
            ("context=0", "catalog.terms_out_of_range"),
            ("standing=suspended", "catalog.terms_out_of_range"),
            ("bases=base:1,base:1", "catalog.terms_out_of_range"),
            ("shares=dan:author:1_000_000", "catalog.shares_exceed_whole"),
            ("do set ancestors_cap_ppm 0", "catalog.ancestors_exceed_cap"),
            ("bases=m8:1", "catalog.lineage_too_deep"),
            ("bases=f1:1,f2:1,f3:1,f4:1,f5:1,f6:1,f7:1,f8:1", "catalog.too_many_parties"),
        ],
    ),
    (
        "Catalog",
        "market",
        "offer new model=base site=east schedule=new",
        &[
            ("0=o", "catalog.id_exists"),
            ("schedule=o", "catalog.id_exists"),
            ("do offer other model=base site=east", "catalog.name_taken"),
            ("site=nowhere", "catalog.site_not_found"),
            ("model=unknown", "catalog.model_not_found"),
            ("asset=1", "catalog.account_not_fitting"),
            ("upstream=", "catalog.terms_out_of_range"),
            ("fee=1_000_000", "catalog.shares_exceed_whole"),
            ("out=1_000_000_000_000_001", "catalog.price_out_of_range"),
        ],
    ),
    (
        "Catalog",
        "market",
        "change o",
        &[("0=nowhere", "catalog.offer_not_found"), ("output_max=0", "catalog.terms_out_of_range")],
    ),
    (
        "Catalog",
        "market; set schedule_notice_seconds 86_400; repeat 63 schedule v# offer=o from=+3#h",
        "schedule new offer=o from=+26h",
        &[
            ("0=o", "catalog.id_exists"),
            ("offer=nowhere", "catalog.offer_not_found"),
            ("asset=1", "catalog.account_not_fitting"),
            ("fee=1_000_000", "catalog.shares_exceed_whole"),
            ("out=1_000_000_000_000_001", "catalog.price_out_of_range"),
            ("from=+23h", "catalog.notice_too_short"),
            ("do schedule v offer=o from=+900h", "catalog.too_many_schedules"),
        ],
    ),
    (
        "Settlement",
        // The request's id is drawn here.
        "market; settle r; repeat 199 ask h# in=0 out=0",
        "ask r",
        &[
            ("do release h1; ask r", "settlement.request_exists"),
            ("key=nothing", "settlement.key_not_fitting"),
            ("offers=nothing", "settlement.no_offer"),
            ("out=1_099_511_627_777", "settlement.out_of_range"),
            ("do payout ada 1_000_000_000", "settlement.insufficient_quota"),
            ("do payout ada 999_999_999", "settlement.request_too_large"),
            ("do release h2; ask big in=0 out=249_950", "settlement.in_flight_budget"),
            ("do ask h in=0 out=0", "settlement.full"),
            ("do wait 26h", "settlement.request_expired"),
        ],
    ),
    (
        "Settlement",
        "market; ask r",
        "settle r",
        &[
            ("0=unknown", "settlement.request_not_found"),
            ("offer=o2", "settlement.offer_not_held"),
            ("attempts=9", "settlement.out_of_range"),
        ],
    ),
    (
        "Settlement",
        "market; ask r",
        "release r",
        &[("0=unknown", "settlement.request_not_found"), ("attempts=9", "settlement.out_of_range")],
    ),
    (
        "Metering",
        "metered",
        "source t",
        &[
            ("0=s", "metering.source_exists"),
            ("name=x*97", "metering.name_not_allowed"),
            ("do repeat 9 source s#", "metering.too_many_sources"),
            ("member=ada", "metering.role_missing"),
            ("provider=nobody", "metering.provider_not_found"),
        ],
    ),
];

/// The rows of the reference by table.
fn tables() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut table = "";
    for line in PAGE.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            table = name;
        }
        if let Some((code, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) {
            tables.entry(table).or_default().push(code);
        }
    }
    tables
}

/// Where a code stands in a table: in a row of its own, or in the one that passes another table's on.
fn rank(tables: &BTreeMap<&str, Vec<&str>>, table: &str, code: &str) -> (usize, usize) {
    let (institution, _) = code.split_once('.').expect("a code has two parts");
    let at = |table: &str, row: &str| tables[table].iter().position(|it| *it == row);
    let passed_on = || {
        let own = institution[..1].to_uppercase() + &institution[1..];
        Some((at(table, &format!("{institution}.*"))?, at(&own, code)?))
    };
    at(table, code)
        .map(|row| (row, 0))
        .or_else(passed_on)
        .unwrap_or_else(|| panic!("{code} is not in {table}"))
}

/// The names of what a fault sets; none if it changes the world.
fn sets(fault: &str) -> Vec<&str> {
    if fault.starts_with("do ") {
        return Vec::new();
    }
    fault.split(' ').filter_map(|part| part.split_once('=')).map(|(name, _)| name).collect()
}

fn run_all(stage: &mut Stage, lines: &str) -> Vec<String> {
    lines.split(';').map(str::trim).filter(|line| !line.is_empty()).flat_map(|line| stage.run(line)).collect()
}

/// The code that the line with these faults is refused with.
fn refused(stage: &Stage, line: &str, faults: &[&str]) -> Option<String> {
    let mut stage = stage.clone();
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for fault in faults {
        if let Some(before) = fault.strip_prefix("do ") {
            run_all(&mut stage, before);
            continue;
        }
        for part in fault.split(' ') {
            let (name, value) = part.split_once('=').expect("a fault sets something");
            if let Ok(index) = name.parse::<usize>() {
                value.clone_into(&mut words[index + 1]);
                continue;
            }
            words.retain(|word| word.split_once('=').is_none_or(|(option, _)| option != name));
            words.push(part.to_owned());
        }
    }
    let said = stage.run(&words.join(" "));
    said.first().map(|said| said.split(':').next().unwrap_or_default().to_owned())
}

#[test]
fn the_earlier_row_wins() {
    let tables = tables();
    let (mut pairs, mut wrong) = (0, Vec::new());
    for (table, before, line, faults) in CASES {
        let mut stage = Stage::default();
        run_all(&mut stage, before);
        assert_eq!(refused(&stage, line, &[]), None, "`{line}` is sound");
        for (at, (one, code)) in faults.iter().enumerate() {
            let alone = refused(&stage, line, &[one]);
            assert_eq!(alone.as_deref(), Some(*code), "`{line}` with {one}");
            for (other, other_code) in &faults[at + 1..] {
                let apart = |(left, right)| (left, right) == (*code, *other_code);
                if sets(one).iter().any(|name| sets(other).contains(name)) || EXCLUSIVE.into_iter().any(apart)
                {
                    continue;
                }
                pairs += 1;
                let earlier = [*code, *other_code].into_iter().min_by_key(|code| rank(&tables, table, code));
                let said = refused(&stage, line, &[one, other]);
                if said.as_deref() != earlier {
                    wrong.push(format!("`{line}` with {one} and {other}: {said:?}, not {earlier:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(pairs, 298, "the cases have another number of pairs");
}
