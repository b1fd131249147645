//! The scenarios of settlement.
use super::Measure;
use crate::arithmetic::price;
use crate::ids::{AccountId, ModelId};
use crate::tests::names::Named;
use crate::tests::{check, stage};

/// The example of the header: 30 CNY a million output tokens, 400 of at most 1,000 delivered.
#[test]
fn a_request_is_held_delivered_and_settled() {
    check(
        "
        market
        offer dear model=base site=east out=30_000_000_000
        ask r model=base offers=dear in=0 out=1000
        holds?
        -> r 30000000 for 1000 output tokens by dear, epoch 1
        balances?
        -> outside[0] -1000000000, ada 1000000000 (held 30000000)
        settle r offer=dear in=0 out=400
        receipt? r
        -> 12000000 of 30000000 held, stop: site pia 9300000, author al 1500000, fee fees[0] 1200000
        balances?
        -> outside[0] -1000000000, fees[0] 1200000, al 1500000, ada 988000000, pia 9300000
        holds?
        -> none
        ",
    );
}

/// S2.
#[test]
fn a_request_is_closed_once() {
    check(
        "
        market
        settle r
        -> settlement.request_not_found
        release r
        -> settlement.request_not_found
        ask r
        ask r
        -> settlement.request_exists
        settle r
        settle r
        -> settlement.request_not_found
        release r
        -> settlement.request_not_found
        ask r
        -> settlement.request_exists
        ask q
        release q
        settle q
        -> settlement.request_not_found
        ask q
        -> settlement.request_exists
        receipt? q
        -> released, upstream_error
        ",
    );
}

/// S2: whatever is said to have been delivered, nobody pays more than was held.
#[test]
fn a_bill_never_exceeds_its_hold() {
    check(
        "
        market
        ask r out=100
        settle r out=1_000_000
        receipt? r
        -> 410000 of 410000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        ask s out=100
        settle s out=18_446_744_073_709_551_615
        receipt? s
        -> 410000 of 410000 held, stop: site pia 317750, author al 49712, data_owner dan 1538, fee fees[0] 41000
        ask t
        settle t in=0 out=0
        receipt? t
        -> 0 of 410000 held, stop: nothing to split
        ",
    );
}

#[test]
fn an_id_is_drawn_when_the_request_comes() {
    check(
        "
        market
        ask old drawn=-25h
        -> settlement.request_expired
        ask early drawn=+6m
        -> settlement.request_expired
        ask soon drawn=+4m
        ",
    );
}

#[test]
fn a_key_spends_from_its_own_account_while_it_works() {
    check(
        "
        market
        ask r key=nothing
        -> settlement.key_not_fitting
        ask r key=opkey
        -> settlement.key_not_fitting
        ask r account=pia
        -> settlement.key_not_fitting
        standing ada suspended
        ask r
        -> settlement.key_not_fitting
        standing ada active
        ask r
        revoke k
        ask s
        -> settlement.key_not_fitting
        # What runs is settled.
        settle r
        ",
    );
}

#[test]
fn only_an_offer_of_the_model_in_the_account_s_asset_can_be_sold() {
    check(
        "
        market
        ask r offers=nothing
        -> settlement.no_offer
        ask r model=base
        -> settlement.no_offer
        account dollars member=ada asset=1
        key kd member=ada account=dollars
        ask r key=kd account=dollars
        -> settlement.no_offer
        offer later model=base site=east in=1 out=1 from=+1h
        ask r model=base offers=later
        -> settlement.no_offer
        wait 2h
        ask q model=base offers=later
        # Beyond so many candidates nobody looks.
        ask s offers=x1,x2,x3,x4,x5,x6,x7,x8,x9,x10,x11,x12,x13,x14,x15,x16,o
        -> settlement.no_offer
        ask s offers=o2,o,o2
        holds?
        -> q 1 for 100 output tokens by later, epoch 1
        -> s 510000 for 100 output tokens by o2 o, epoch 1
        settle s offer=o3
        -> settlement.offer_not_held
        settle s offer=o
        receipt? s
        -> 410000 of 510000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        ",
    );
}

#[test]
fn figures_lie_in_range() {
    check(
        "
        market
        ask r in=1_099_511_627_777
        -> settlement.out_of_range
        ask r out=1_099_511_627_777
        -> settlement.out_of_range
        ask r out=1_099_511_627_776 choices=2
        -> settlement.out_of_range
        ask r
        settle r attempts=9
        -> settlement.out_of_range
        release r attempts=9
        -> settlement.out_of_range
        settle r attempts=8
        ",
    );
}

/// Why an answer is refused tells a client what to do: nothing left, too large, or wait for the others.
#[test]
fn money_that_is_missing_and_money_that_is_in_use() {
    check(
        "
        market
        payout ada 999_000_000
        # 10 in at 1 000 and 247 out at 4 000 are 998 000; 248 would be 1 002 000.
        ask r out=248
        -> settlement.request_too_large: 247 output tokens would fit
        ask r out=200 choices=2
        -> settlement.request_too_large: 123 output tokens would fit
        ask r in=1001 out=1
        -> settlement.request_too_large: 0 output tokens would fit
        ask r out=247
        ask s out=1
        -> settlement.in_flight_budget
        release r
        ask s out=1
        release s
        payout ada 1_000_000
        ask t out=1
        -> settlement.insufficient_quota
        # What costs nothing needs nothing.
        ask t in=0 out=0
        settle t in=0 out=0
        limit ada 5000
        ask u in=0 out=1
        settle u in=0 out=1
        ask v in=1 out=1
        -> settlement.request_too_large: 0 output tokens would fit
        limit ada 4000
        ask v in=0 out=1
        -> settlement.insufficient_quota
        ",
    );
}

/// A client that names no limit gets what its balance allows, but not what others hold.
#[test]
fn an_open_limit_is_lowered_to_the_balance() {
    check(
        "
        market
        payout ada 999_000_000
        ask r out=4096 lower=1
        holds?
        -> r 998000 for 247 output tokens by o, epoch 1
        ask s out=4096 lower=1
        -> settlement.in_flight_budget
        release r
        ask t out=4096 choices=2 lower=1
        holds?
        -> t 994000 for 246 output tokens by o, epoch 1
        release t
        ask u out=10 lower=1
        holds?
        -> u 50000 for 10 output tokens by o, epoch 1
        release u
        ask v in=1000 out=10 lower=1
        -> settlement.request_too_large: 0 output tokens would fit
        ",
    );
}

#[test]
fn so_many_requests_run_at_a_time() {
    check(
        "
        market
        repeat 200 ask r# in=0 out=1
        ask more in=0 out=1
        -> settlement.full
        release r7
        ask more in=0 out=1
        ",
    );
}

/// Marks move forward only; of a request that is closed, or of an offer that is not held, they are dropped.
#[test]
fn marks_move_forward() {
    check(
        "
        market
        ask r
        ask s
        mark r:o:10:5 s:o:10:6 unknown:o:10:7
        holds?
        -> r 410000 for 100 output tokens by o, epoch 1, marked 5
        -> s 410000 for 100 output tokens by o, epoch 1, marked 6
        mark r:o:10:4 s:o2:10:9
        mark r:o:10:9 r:o:10:8
        settle s
        mark s:o:10:10
        holds?
        -> r 410000 for 100 output tokens by o, epoch 1, marked 9
        ",
    );
}

#[test]
fn one_command_has_so_many_marks() {
    let mut world = stage("market\nask r");
    let marks = |count| crate::settlement::Command::Advance {
        marks: vec![
            (
                crate::ids::RequestId(1),
                super::Mark {
                    offer: Named::named("o"),
                    usage: crate::buckets::Buckets::default(),
                    input_measure: Measure::OwnCount,
                    output_measure: Measure::OwnCount,
                },
            );
            count
        ],
    };
    let submit = |world: &mut crate::tests::World, count| {
        world.submit(&crate::Submission::internal(crate::permission::Actor::Gateway, marks(count)))
    };
    let refused = crate::Outcome::Refused(super::Refusal::OutOfRange.into());
    assert_eq!(submit(&mut world, crate::limits::MARKS_MAX + 1), refused);
    assert_ne!(submit(&mut world, crate::limits::MARKS_MAX), refused);
}

/// A gateway that starts anew settles what its predecessor left: at the last mark, or for nothing.
#[test]
fn a_new_epoch_settles_the_holds_of_the_one_before() {
    check(
        "
        market
        ask r
        ask s
        ask t
        mark r:o:10:5 t:o:10:0
        due?
        -> no
        epoch
        ask u
        due?
        -> yes
        due limit=1
        due?
        -> yes
        due
        due?
        -> no
        receipt? r
        -> 30000 of 410000 held, recovered: site pia 23250, author al 3638, data_owner dan 112, fee fees[0] 3000
        receipt? s
        -> released, recovered
        receipt? t
        -> released, recovered
        holds?
        -> u 410000 for 100 output tokens by o, epoch 2
        settle r
        -> settlement.request_not_found
        ",
    );
}

/// A receipt from a mark claims no more than the mark: what nobody counted here stays unverified.
#[test]
fn a_recovered_receipt_says_whose_count_it_is() {
    let scenario = "
        market
        ask r
        ask s
        ask t
        ask u
        mark r:o:10:5
        mark s:o:10:5 input=unverified
        mark t:o:10:5 output=unverified
        mark u:o:10:4
        mark u:o:10:5 input=unverified output=unverified
        epoch
        due
    ";
    let measures: Vec<_> = receipts(&stage(scenario))
        .map(|receipt| (receipt.delivery.input_measure, receipt.delivery.output_measure))
        .collect();
    let (own, unverified) = (Measure::OwnCount, Measure::Unverified);
    assert_eq!(measures, [(own, own), (unverified, own), (own, unverified), (unverified, unverified)]);
}

/// The receipts of a world's log, oldest first.
fn receipts(world: &crate::tests::World) -> impl Iterator<Item = &super::Settled> {
    world.log.iter().flat_map(|entry| &entry.events).filter_map(|event| {
        let crate::Event::Settlement(super::Event::Settled { request: _, receipt }) = event else {
            return None;
        };
        Some(&**receipt)
    })
}

/// What a gateway still has to say about a request of its predecessor, it may, until the due work has closed it.
#[test]
fn a_request_of_an_earlier_epoch_can_still_be_settled() {
    check(
        "
        market
        ask r
        epoch
        mark r:o:10:5
        settle r out=7
        receipt? r
        -> 38000 of 410000 held, stop: site pia 29450, author al 4608, data_owner dan 142, fee fees[0] 3800
        due?
        -> no
        ",
    );
}

/// A closed request is remembered for as long as its id would be accepted, then forgotten.
#[test]
fn closed_requests_are_forgotten() {
    check(
        "
        market
        ask r
        settle r
        wait 23h
        ask r
        -> settlement.request_exists
        wait 1h
        due?
        -> no
        wait 1h
        ask r
        -> settlement.request_expired
        due?
        -> yes
        due
        due?
        -> no
        ask r
        -> settlement.request_expired
        ",
    );
}

/// A hold may run for longer than ids are accepted.
#[test]
fn a_long_request_is_settled_in_the_end() {
    check(
        "
        market
        ask r
        wait 48h
        settle r
        due
        settle r
        -> settlement.request_not_found
        receipt? r
        -> 410000 of 410000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        ",
    );
}

/// S3 and S1 as the audit reads them: broken books are seen.
#[test]
fn the_audit_sees_a_hold_too_many_and_a_schedule_that_drifts() {
    let world = stage("market\nask r\nask s\nsettle s in=0 out=7");
    assert_eq!(super::audit(world.state()), []);
    let found = |state: &crate::State| -> Vec<_> {
        super::audit(state).into_iter().map(|breach| breach.invariant).collect()
    };

    let mut state = world.state().clone();
    let (request, hold) = state.settlement.holds().iter().next().map(|(id, it)| (*id, it.clone())).unwrap();
    state.settlement.holds.remove(&request);
    assert_eq!(found(&state), ["S1"]);

    let mut state = world.state().clone();
    state.settlement.closed.insert(request, ());
    assert_eq!(found(&state), ["S2"]);

    let mut state = world.state().clone();
    state.settlement.carries.insert(Named::named("o"), vec![1, 0, 0]);
    assert_eq!(found(&state), ["S3"]);

    assert_eq!((hold.account, hold.model), (AccountId::named("ada"), ModelId::named("docs")));
    let schedule = &world.state().catalog.schedules().get(&Named::named("o")).unwrap().prices;
    assert_eq!(price::bound(10, 100, schedule), Some(hold.amount));
}

/// Energy is what the provider measured, else what the site's own figures come to.
#[test]
fn energy_is_measured_or_reckoned() {
    let world = stage("market\nask r\nask s\nsettle r in=10 out=100\nsettle s joules=77");
    let energies: Vec<_> = receipts(&world)
        .map(|receipt| receipt.energy)
        .map(|energy| (energy.microjoules, energy.basis.name(), energy.power_price, energy.pue_ppm))
        .collect();
    let expected = [
        (10 * 20_000 + 100 * 300_000, "assumed", 340_000_000, 1_070_000),
        (77, "measured", 340_000_000, 1_070_000),
    ];
    assert_eq!(energies, expected);
}
