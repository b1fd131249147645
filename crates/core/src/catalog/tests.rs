//! The scenarios of the catalogue.
use super::Edge;
use crate::ids::{ModelId, OfferId, SiteId};
use crate::tests::names::Named;
use crate::tests::{check, stage};

/// The example of the header: the price of the coming Monday does not touch a request of the Sunday before.
#[test]
fn a_new_price_holds_from_its_day_on() {
    check(
        "
        market
        set schedule_notice_seconds 86_400
        price? o
        -> o
        schedule monday offer=o in=2_000_000_000 out=8_000_000_000 from=+48h
        wait 24h
        ask sunday
        holds?
        -> sunday 410000 for 100 output tokens by o, epoch 1
        wait 25h
        price? o
        -> monday
        settle sunday
        receipt? sunday
        -> 410000 of 410000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        ask monday
        settle monday
        receipt? monday
        -> 820000 of 820000 held, stop: site pia 635500, author al 99425, data_owner dan 3075, fee fees[0] 82000
        ",
    );
}

#[test]
fn a_price_is_published_with_notice() {
    check(
        "
        market
        set schedule_notice_seconds 86_400
        schedule s offer=o from=+23h
        -> catalog.notice_too_short
        schedule s offer=o from=-1h
        -> catalog.notice_too_short
        # 1970 is a moment like any other, not a way to say as soon as may be.
        schedule s offer=o from=-600_000h
        -> catalog.notice_too_short
        schedule s offer=o from=+25h
        schedule t offer=o
        # Two prices of one moment would leave the choice to chance.
        schedule u offer=o from=+25h in=1
        price? o
        -> o
        wait 24h
        price? o
        -> t
        wait 2h
        price? o
        -> u
        repeat 61 schedule v# offer=o from=+3#h
        schedule w offer=o from=+100h
        repeat 3 schedule x# offer=o from=+20#h
        -> catalog.too_many_schedules
        ",
    );
}

#[test]
fn a_price_lies_in_range_and_pays_into_its_own_asset() {
    check(
        "
        market
        schedule s offer=nowhere
        -> catalog.offer_not_found
        schedule o offer=o
        -> catalog.id_exists
        schedule s offer=o asset=1
        -> catalog.account_not_fitting
        schedule s offer=o model_fee=500_001 fee=500_000
        -> catalog.shares_exceed_whole
        schedule s offer=o out=1_000_000_000_000_001
        -> catalog.price_out_of_range
        schedule s offer=o arithmetic=2
        -> catalog.price_out_of_range
        schedule s offer=o arithmetic=0
        -> catalog.price_out_of_range
        schedule s offer=o out=1_000_000_000_000_000 model_fee=500_000 fee=500_000
        ",
    );
}

#[test]
fn a_provider_is_a_member_with_that_role() {
    check(
        "
        market
        provider p member=pia name=other
        -> catalog.id_exists
        provider q member=pia name=p
        -> catalog.name_taken
        provider q member=pia name=
        -> catalog.name_not_allowed
        provider q member=nobody
        -> catalog.member_not_found
        provider q member=ada
        -> catalog.role_missing
        standing pia suspended
        provider q member=pia
        -> catalog.role_missing
        ",
    );
}

#[test]
fn a_site_belongs_to_a_provider_and_is_paid_into_its_account() {
    check(
        "
        market
        site east provider=p account=pia name=other
        -> catalog.id_exists
        site south provider=p account=pia name=east
        -> catalog.name_taken
        site south provider=p account=pia name=x*97
        -> catalog.name_not_allowed
        site south provider=nobody account=pia
        -> catalog.provider_not_found
        site south provider=p account=ada
        -> catalog.account_not_fitting
        site south provider=p account=nowhere
        -> catalog.account_not_fitting
        site south provider=p account=pia region=
        -> catalog.facts_out_of_range
        site south provider=p account=pia region_zh=
        -> catalog.facts_out_of_range
        site south provider=p account=pia longitude=180_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia longitude=-180_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia power_price=1_000_000_000_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia pue=999_999
        -> catalog.facts_out_of_range
        site south provider=p account=pia pue=10_000_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia joules_in=1_000_000_000_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia joules_out=1_000_000_000_001
        -> catalog.facts_out_of_range
        site south provider=p account=pia longitude=-180_000 pue=1_000_000
        describe nowhere
        -> catalog.site_not_found
        describe south pue=0
        -> catalog.facts_out_of_range
        describe south pue=1_200_000
        ",
    );
}

#[test]
fn a_model_has_an_author_and_terms() {
    check(
        "
        market
        model docs account=al name=other
        -> catalog.id_exists
        model new account=al name=docs
        -> catalog.name_taken
        model new account=al name=
        -> catalog.name_not_allowed
        model new account=al bases=unknown:1
        -> catalog.model_not_found
        # C1: a model cannot be its own base, for it is not there yet.
        model new account=al bases=new:1
        -> catalog.model_not_found
        model new account=nowhere
        -> catalog.account_not_fitting
        model new account=pia
        -> catalog.role_missing
        model new account=al shares=nowhere:author:1
        -> catalog.account_not_fitting
        account dollars member=al asset=1
        model new account=al shares=dollars:author:1
        -> catalog.account_not_fitting
        model new account=dollars bases=base:1
        -> catalog.account_not_fitting
        model new account=al shares=dan:site:1
        -> catalog.terms_out_of_range
        model new account=al shares=dan:fee:1
        -> catalog.terms_out_of_range
        model new account=al context=0
        -> catalog.terms_out_of_range
        model new account=al bases=base:1,base:1
        -> catalog.terms_out_of_range
        model new account=al shares=dan:author:1,dan:author:1
        -> catalog.terms_out_of_range
        model new account=al standing=suspended
        -> catalog.terms_out_of_range
        model new account=al shares=dan:author:1,dan:data_owner:1 kind=embedding
        ",
    );
}

#[test]
fn nobody_gives_away_more_than_they_receive() {
    check(
        "
        market
        model new account=al shares=dan:author:999_999,pia:author:2
        -> catalog.shares_exceed_whole
        model new account=al shares=dan:author:700_001 bases=base:300_000
        -> catalog.shares_exceed_whole
        model new account=al bases=base:200_000,docs:100_001
        -> catalog.ancestors_exceed_cap
        model new account=al shares=dan:author:700_000 bases=base:300_000
        set ancestors_cap_ppm 1_000_000
        model newer account=al bases=base:1_000_000
        set ancestors_cap_ppm 0
        model newest account=al bases=base:1
        -> catalog.ancestors_exceed_cap
        ",
    );
}

#[test]
fn lineage_and_parties_have_an_end() {
    check(
        "
        founded
        member al roles=author
        account al member=al
        model m0 account=al
        model m1 account=al bases=m0:1
        model m2 account=al bases=m1:1
        model m3 account=al bases=m2:1
        model m4 account=al bases=m3:1
        model m5 account=al bases=m4:1
        model m6 account=al bases=m5:1
        model m7 account=al bases=m6:1
        model m8 account=al bases=m7:1
        model m9 account=al bases=m8:1
        -> catalog.lineage_too_deep
        repeat 66 account a# member=al
        model full account=al shares=a1:author:1,a2:author:1,a3:author:1,a4:author:1,a5:author:1,a6:author:1,a7:author:1,a8:author:1,a9:author:1,a10:author:1,a11:author:1,a12:author:1,a13:author:1,a14:author:1,a15:author:1,a16:author:1,a17:author:1,a18:author:1,a19:author:1,a20:author:1,a21:author:1,a22:author:1,a23:author:1,a24:author:1,a25:author:1,a26:author:1,a27:author:1,a28:author:1,a29:author:1,a30:author:1,a31:author:1,a32:author:1,a33:author:1,a34:author:1,a35:author:1,a36:author:1,a37:author:1,a38:author:1,a39:author:1,a40:author:1,a41:author:1,a42:author:1,a43:author:1,a44:author:1,a45:author:1,a46:author:1,a47:author:1,a48:author:1,a49:author:1,a50:author:1,a51:author:1,a52:author:1,a53:author:1,a54:author:1,a55:author:1,a56:author:1,a57:author:1,a58:author:1,a59:author:1,a60:author:1,a61:author:1,a62:author:1,a63:author:1
        # With its own author it has 64 parties; whoever builds on it has one more.
        model more account=al bases=full:1
        -> catalog.too_many_parties
        ",
    );
}

#[test]
fn an_offer_is_one_model_at_one_site() {
    check(
        "
        market
        offer o model=docs site=east
        -> catalog.id_exists
        offer new model=docs site=nowhere
        -> catalog.site_not_found
        offer new model=unknown site=east
        -> catalog.model_not_found
        offer new model=docs site=east
        -> catalog.name_taken
        offer new model=base site=east upstream=
        -> catalog.terms_out_of_range
        offer new model=base site=east output_max=0
        -> catalog.terms_out_of_range
        offer new model=base site=east concurrency=0
        -> catalog.terms_out_of_range
        offer new model=base site=east schedule=o
        -> catalog.id_exists
        offer new model=base site=east asset=1
        -> catalog.account_not_fitting
        offer new model=base site=east tokenizer=t
        change nowhere
        -> catalog.offer_not_found
        change new output_max=0
        -> catalog.terms_out_of_range
        change new output_max=1
        ",
    );
}

#[test]
fn what_is_suspended_is_not_sold() {
    check(
        "
        market
        suspend provider nobody
        -> catalog.provider_not_found
        suspend site nowhere
        -> catalog.site_not_found
        suspend model unknown
        -> catalog.model_not_found
        suspend offer unknown
        -> catalog.offer_not_found
        suspend provider p
        ask r1
        -> settlement.no_offer
        resume provider p
        suspend site east
        ask r2
        -> settlement.no_offer
        resume site east
        suspend model docs
        ask r3
        -> settlement.no_offer
        resume model docs
        suspend offer o
        ask r4
        -> settlement.no_offer
        resume offer o
        ask r5
        # What is running is settled, whatever becomes of the offer meanwhile.
        suspend offer o
        suspend provider p
        settle r5
        receipt? r5
        -> 410000 of 410000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        ",
    );
}

/// C1, C2 and C3 as the audit reads them: broken books are seen.
#[test]
fn the_audit_sees_a_circle_a_gift_and_an_offer_without_a_price() {
    let world = stage("market");
    let found = |break_it: &dyn Fn(&mut super::State)| -> Vec<&str> {
        let mut state = world.state().clone();
        break_it(&mut state.catalog);
        super::audit(&state).into_iter().map(|breach| breach.invariant).collect()
    };
    let with_bases = |name: &str, bases: &[(&str, u32)]| {
        let id = ModelId::named(name);
        let mut model = world.state().catalog.models.get(&id).expect("it was added").clone();
        model.bases = bases
            .iter()
            .map(|(base, share)| Edge { base: ModelId::named(base), share_ppm: *share })
            .collect();
        move |state: &mut super::State| state.models.insert(id, model.clone())
    };
    assert_eq!(found(&|_| {}), [""; 0]);
    assert_eq!(found(&with_bases("base", &[("docs", 1)])), ["C1", "C1"], "each is an ancestor of the other");
    assert_eq!(found(&with_bases("base", &[("unknown", 1)])), ["C1"]);
    assert_eq!(found(&with_bases("docs", &[("base", 970_001)])), ["C2"]);
    let offer = OfferId::named("o");
    let from = world.state().catalog.schedules_of(offer).next().expect("it has a price").0;
    assert_eq!(found(&|state| state.timeline.remove(&(offer, from))), ["C3"]);
    assert_eq!(found(&|state| state.sites.remove(&SiteId::named("west"))), ["C3"]);
}
