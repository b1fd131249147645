//! The scenarios of permission.
use crate::tests::check;

#[test]
fn each_part_of_the_node_sends_its_own_commands() {
    check(
        "
        founded
        epoch by=gateway
        epoch by=clock
        -> permission.not_permitted
        epoch by=op
        -> permission.not_permitted
        due by=clock
        due by=gateway
        -> permission.not_permitted
        due by=op
        -> permission.not_permitted
        set schedule_notice_seconds 1 by=founder
        -> permission.not_permitted
        found assets=CNY:9 by=op
        -> permission.not_permitted
        ",
    );
}

#[test]
fn only_operators_change_the_books_the_params_and_the_catalogue() {
    check(
        "
        market
        deposit ada 100 by=ada
        -> permission.not_permitted
        payout ada 100 by=ada
        -> permission.not_permitted
        limit ada 100 by=ada
        -> permission.not_permitted
        set schedule_notice_seconds 1 by=ada
        -> permission.not_permitted
        provider q member=pia by=pia
        -> permission.not_permitted
        describe east power_price=1 by=pia
        -> permission.not_permitted
        member eve roles=operator by=ada
        -> permission.not_permitted
        roles ada operator by=ada
        -> permission.not_permitted
        standing pia suspended by=ada
        -> permission.not_permitted
        account second member=ada by=ada
        -> permission.not_permitted
        organisation org by=ada
        -> permission.not_permitted
        deposit ada 100 by=nobody
        -> permission.not_permitted
        ",
    );
}

#[test]
fn a_member_makes_and_revokes_its_own_keys_and_no_others() {
    check(
        "
        market
        key mine member=ada account=ada by=ada
        works? mine
        -> mine works
        revoke mine by=ada
        works? mine
        -> no
        key theirs member=pia by=ada
        -> permission.not_permitted
        revoke opkey by=ada
        -> permission.not_permitted
        revoke unknown by=ada
        -> permission.not_permitted
        standing ada suspended
        revoke k by=ada
        -> permission.not_permitted
        key again member=ada by=ada
        -> permission.not_permitted
        ",
    );
}

#[test]
fn members_say_why() {
    check(
        "
        market
        deposit ada 100 reason=none
        -> permission.reason_missing
        deposit ada 100 reason=
        -> permission.reason_missing
        deposit ada 100 reason=x*513
        -> permission.reason_too_long
        deposit ada 100 reason=x*512
        key mine member=ada by=ada reason=none
        -> permission.reason_missing
        deposit ada 100 by=ada reason=none
        -> permission.not_permitted
        ",
    );
}
