//! Verbs: which line is which command.
use super::line::{Line, amount, number, span};
use super::meter;
use super::names::Named;
use super::scenario::Stage;
use crate::buckets::{Bucket, Buckets};
use crate::catalog::{
    self, Basis, Edge, Kind, Model, NewSchedule, OfferTerms, PartyRole, Share, SiteFacts, Subject,
};
use crate::genesis::{AssetDefinition, Charter};
use crate::ids::{AccountId, Asset, KeyId, MemberId, ModelId, OfferId, ProviderId, SiteId, Time};
use crate::ledger::Against;
use crate::membership::{Member, Role, Standing};
use crate::params::Param;
use crate::settlement::{
    Ask, Attempt, AttemptOutcome, Delivery, Endpoint, Finish, Mark, Measure, Output, Release,
};
use crate::{Command, arithmetic, genesis, ledger, membership, params, settlement};

/// The command that the line says, and how many words it may have; none if it is a question.
pub(crate) fn command(stage: &mut Stage, line: &Line<'_>) -> Option<(Command, usize)> {
    books(line)
        .or_else(|| people(line))
        .or_else(|| goods(stage, line))
        .or_else(|| requests(stage, line))
        .or_else(|| meter::command(stage, line))
}

fn books(line: &Line<'_>) -> Option<(Command, usize)> {
    let reference = || line.text("ref", "");
    Some(match line.verb {
        "found" => (found(line).into(), 0),
        "deposit" => {
            let (account, amount) = (line.id(0), amount(line.word(1)));
            (ledger::Command::Deposit { account, amount, reference: reference() }.into(), 2)
        }
        "payout" => {
            let (account, amount) = (line.id(0), amount(line.word(1)));
            (ledger::Command::Payout { account, amount, reference: reference() }.into(), 2)
        }
        "correct" => {
            let (account, amount, reference) = (line.id(0), amount(line.word(1)), reference());
            let against =
                if line.option("against") == Some("fees") { Against::Fees } else { Against::Outside };
            let corrects = line.number("corrects", 0);
            (ledger::Command::Correct { account, amount, against, corrects, reference }.into(), 2)
        }
        "limit" => (ledger::Command::SetLimit { account: line.id(0), limit: amount(line.word(1)) }.into(), 2),
        "set" => {
            let param = Param::ALL.into_iter().find(|param| param.name() == line.word(0));
            let param = param.unwrap_or_else(|| panic!("no parameter {}", line.word(0)));
            (params::Command::Set { param, value: number(line.word(1)) }.into(), 2)
        }
        "due" => (Command::Due { limit: line.number("limit", 512) }, 0),
        _ => return None,
    })
}

fn found(line: &Line<'_>) -> genesis::Command {
    let assets = line.list("assets").into_iter().map(|asset| {
        let (code, decimals) = asset.split_once(':').expect("assets=CODE:DECIMALS");
        AssetDefinition { code: code.to_owned(), decimals: number(decimals) }
    });
    genesis::Command::Found {
        charter: Charter {
            log_id: 7,
            origin: line.text("origin", "test.example/sycee"),
            assets: assets.collect(),
            public_key: [9; 32],
        },
        operator: MemberId::named("op"),
        operator_name: line.text("operator", "Operator"),
        operator_key: KeyId::named("opkey"),
        operator_key_hash: Named::named("opkey"),
    }
}

fn people(line: &Line<'_>) -> Option<(Command, usize)> {
    let roles = |names: Vec<&str>| {
        let role = |name: &str| Role::from_name(name).unwrap_or_else(|| panic!("no role {name}"));
        names.into_iter().map(role).collect::<Vec<Role>>()
    };
    let command = match line.verb {
        "organisation" => membership::Command::RegisterOrganisation {
            organisation: line.id(0),
            name: line.text("name", line.word(0)),
        },
        "member" => {
            let standing =
                if line.option("standing").is_some() { Standing::Suspended } else { Standing::Active };
            let details = Member {
                name: line.text("name", line.word(0)),
                organisation: line.named("of"),
                roles: roles(line.list("roles")),
                standing,
            };
            membership::Command::Register { member: line.id(0), details }
        }
        "standing" => {
            membership::Command::SetStanding { member: line.id(0), standing: standing(line.word(1)) }
        }
        "roles" => {
            membership::Command::SetRoles { member: line.id(0), roles: roles(line.words()[1..].to_vec()) }
        }
        "account" => membership::Command::OpenAccount {
            account: line.id(0),
            member: line.named("member").expect("an account has a member"),
            asset: Asset(line.number("asset", 0)),
            name: line.text("name", line.word(0)),
            limit: amount(line.option("limit").unwrap_or("0")),
        },
        "key" => membership::Command::IssueKey {
            key: line.id(0),
            member: line.named("member").expect("a key has a member"),
            account: line.named("account"),
            label: line.text("label", line.word(0)),
            hash: line.named("hash").unwrap_or_else(|| line.id(0)),
        },
        "revoke" => membership::Command::RevokeKey { key: line.id(0) },
        _ => return None,
    };
    Some((command.into(), if line.verb == "roles" { usize::MAX } else { 2 }))
}

fn standing(word: &str) -> Standing {
    match word {
        "active" => Standing::Active,
        "suspended" => Standing::Suspended,
        _ => panic!("no standing {word}"),
    }
}

fn goods(stage: &Stage, line: &Line<'_>) -> Option<(Command, usize)> {
    let command = match line.verb {
        "provider" => catalog::Command::AddProvider {
            provider: line.id(0),
            member: line.named("member").expect("a provider has a member"),
            name: line.text("name", line.word(0)),
        },
        "site" => catalog::Command::AddSite {
            site: line.id(0),
            provider: line.named::<ProviderId>("provider").expect("a site has a provider"),
            name: line.text("name", line.word(0)),
            account: line.named("account").expect("a site is paid somewhere"),
            facts: facts(line),
        },
        "describe" => catalog::Command::DescribeSite { site: line.id(0), facts: facts(line) },
        "model" => catalog::Command::AddModel { model: line.id(0), details: model(line) },
        "offer" => catalog::Command::AddOffer {
            offer: line.id(0),
            model: line.named::<ModelId>("model").expect("an offer has a model"),
            site: line.named::<SiteId>("site").expect("an offer has a site"),
            terms: terms(line),
            schedule: line.named("schedule").unwrap_or_else(|| line.id(0)),
            prices: schedule(stage, line),
        },
        "change" => catalog::Command::ChangeOffer { offer: line.id(0), terms: terms(line) },
        "schedule" => catalog::Command::PublishSchedule {
            offer: line.named("offer").expect("a schedule has an offer"),
            schedule: line.id(0),
            prices: schedule(stage, line),
        },
        "suspend" => catalog::Command::SetStanding { subject: subject(line), standing: Standing::Suspended },
        "resume" => catalog::Command::SetStanding { subject: subject(line), standing: Standing::Active },
        _ => return None,
    };
    Some((command.into(), 2))
}

fn subject(line: &Line<'_>) -> Subject {
    match line.word(0) {
        "provider" => Subject::Provider(line.id(1)),
        "site" => Subject::Site(line.id(1)),
        "model" => Subject::Model(line.id(1)),
        "offer" => Subject::Offer(line.id(1)),
        other => panic!("a {other} has no standing"),
    }
}

fn facts(line: &Line<'_>) -> SiteFacts {
    SiteFacts {
        region: line.text("region", "Zhongwei"),
        region_zh: line.text("region_zh", "中卫"),
        longitude_millidegrees: line.number("longitude", 105_190),
        power_price: line.number("power_price", 340_000_000),
        pue_ppm: line.number("pue", 1_070_000),
        microjoules_input: line.number("joules_in", 20_000),
        microjoules_output: line.number("joules_out", 300_000),
        basis: Basis::Assumed,
        simulated: true,
    }
}

fn model(line: &Line<'_>) -> Model {
    let bases = line.list("bases").into_iter().map(|edge| {
        let (base, share) = edge.split_once(':').expect("bases=MODEL:PPM");
        Edge { base: ModelId::named(base), share_ppm: number(share) }
    });
    let shares = line.list("shares").into_iter().map(|share| {
        let [account, role, share] = share.split(':').collect::<Vec<_>>()[..] else {
            panic!("shares=ACCOUNT:ROLE:PPM")
        };
        let roles = [PartyRole::Site, PartyRole::Author, PartyRole::DataOwner, PartyRole::Fee];
        let role = roles.into_iter().find(|it| it.name() == role).expect("shares=ACCOUNT:ROLE:PPM");
        Share { account: AccountId::named(account), role, share_ppm: number(share) }
    });
    Model {
        name: line.text("name", line.word(0)),
        kind: if line.option("kind") == Some("embedding") { Kind::Embedding } else { Kind::Chat },
        account: line.named("account").expect("a model's author is paid somewhere"),
        context: line.number("context", 8_192),
        bases: bases.collect(),
        shares: shares.collect(),
        standing: line.option("standing").map_or(Standing::Active, standing),
    }
}

fn terms(line: &Line<'_>) -> OfferTerms {
    OfferTerms {
        upstream_model: line.text("upstream", "upstream"),
        output_max: line.number("output_max", 4_096),
        concurrency_max: line.number("concurrency", 100),
        tokenizer: line.named("tokenizer"),
        chat_template: None,
    }
}

/// Input and output have one price each; `from=+10h` is from now on, `from=-10h` is past.
fn schedule(stage: &Stage, line: &Line<'_>) -> NewSchedule {
    let now = stage.world.now;
    let from = line.option("from").map(|text| match text.strip_prefix('-') {
        Some(before) => now.before(span(before)),
        None => now.after(span(text.trim_start_matches('+'))),
    });
    let (input, output) = (line.number("in", 0), line.number("out", 0));
    let mut prices = Buckets::default();
    for bucket in Bucket::ALL {
        prices.set(bucket, if bucket.is_input() { input } else { output });
    }
    NewSchedule {
        from,
        asset: Asset(line.number("asset", 0)),
        prices,
        model_fee_ppm: line.number("model_fee", 125_000),
        platform_fee_ppm: line.number("fee", 100_000),
        arithmetic: line.number("arithmetic", arithmetic::RULES),
    }
}

fn requests(stage: &mut Stage, line: &Line<'_>) -> Option<(Command, usize)> {
    Some(match line.verb {
        "epoch" => (settlement::Command::BeginEpoch.into(), 0),
        "ask" => {
            let request = stage.request(line, line.word(0));
            let output = Output {
                max: line.number("out", 100),
                choices: line.number("choices", 1),
                may_lower: line.option("lower").is_some(),
            };
            let offers = line.option("offers").unwrap_or("o");
            let ask = Ask {
                account: line.named("account").unwrap_or_else(|| AccountId::named("ada")),
                key: line.named("key").unwrap_or_else(|| KeyId::named("k")),
                model: line.named("model").unwrap_or_else(|| ModelId::named("docs")),
                endpoint: Endpoint::Chat,
                candidates: offers.split(',').map(OfferId::named).collect(),
                input_max: line.number("in", 10),
                output,
            };
            (settlement::Command::Authorise { request, ask }.into(), 1)
        }
        "mark" => {
            let marks = line.words().iter().map(|word| {
                let [name, offer, input, output] = word.split(':').collect::<Vec<_>>()[..] else {
                    panic!("mark REQUEST:OFFER:IN:OUT")
                };
                let mark = Mark {
                    offer: OfferId::named(offer),
                    usage: usage(number(input), number(output)),
                    input_measure: measure(line, "input"),
                    output_measure: measure(line, "output"),
                };
                (stage.request(line, name), mark)
            });
            (settlement::Command::Advance { marks: marks.collect() }.into(), usize::MAX)
        }
        "settle" => {
            let request = stage.request(line, line.word(0));
            (settlement::Command::Settle { request, delivery: delivery(line, stage.world.now) }.into(), 1)
        }
        "release" => {
            let request = stage.request(line, line.word(0));
            let release =
                Release { finish: Finish::UpstreamError, attempts: attempts(line), started: stage.world.now };
            (settlement::Command::Release { request, release }.into(), 1)
        }
        _ => return None,
    })
}

pub(crate) fn usage(input: u64, output: u64) -> Buckets {
    Buckets::default().with(Bucket::InputUncached, input).with(Bucket::OutputVisible, output)
}

fn delivery(line: &Line<'_>, now: Time) -> Delivery {
    Delivery {
        offer: line.named("offer").unwrap_or_else(|| OfferId::named("o")),
        usage: usage(line.number("in", 10), line.number("out", 100)),
        input_measure: measure(line, "input"),
        output_measure: measure(line, "output"),
        reported: None,
        dispute: false,
        microjoules: line.option("joules").map(number),
        finish: Finish::Stop,
        stream: false,
        attempts: attempts(line),
        started: now,
        first_byte_milliseconds: Some(40),
    }
}

fn measure(line: &Line<'_>, side: &str) -> Measure {
    match line.option(side) {
        None => Measure::OwnCount,
        Some("unverified") => Measure::Unverified,
        Some(other) => panic!("no measure {other}"),
    }
}

fn attempts(line: &Line<'_>) -> Vec<Attempt> {
    let attempt = Attempt { offer: OfferId::named("o"), outcome: AttemptOutcome::Served, milliseconds: 80 };
    vec![attempt; line.number("attempts", 1)]
}
