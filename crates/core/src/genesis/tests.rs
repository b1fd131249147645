//! The scenarios of genesis.
use crate::tests::check;

#[test]
fn a_log_is_founded_once() {
    check(
        "
        found assets=CNY:9
        assets?
        -> CNY 9
        members?
        -> op Active operator
        works? opkey
        -> opkey works
        balances?
        -> none
        found assets=CNY:9
        -> genesis.already_founded
        position?
        -> 1
        ",
    );
}

#[test]
fn a_charter_needs_assets_and_an_origin() {
    check(
        "
        found
        -> genesis.bad_assets
        found assets=cny:9
        -> genesis.bad_assets
        found assets=THIRTEENBYTES:9
        -> genesis.bad_assets
        found assets=CNY:19
        -> genesis.bad_assets
        found assets=A:0,A1:0,A2:0,A3:0,A4:0,A5:0,A6:0,A7:0,A8:0,A9:0,B:0,B1:0,B2:0,B3:0,B4:0,B5:0,B6:0,B7:0,B8:0,B9:0,C:0,C1:0,C2:0,C3:0,C4:0,C5:0,C6:0,C7:0,C8:0,C9:0,D:0,D1:0,D2:0,D3:0,D4:0,D5:0,D6:0,D7:0,D8:0,D9:0,E:0,E1:0,E2:0,E3:0,E4:0,E5:0,E6:0,E7:0,E8:0,E9:0,F:0,F1:0,F2:0,F3:0,F4:0,F5:0,F6:0,F7:0,F8:0,F9:0,G:0,G1:0,G2:0,G3:0,G4:0
        -> genesis.bad_assets
        found assets=CNY:9 origin=
        -> genesis.bad_origin
        found assets=CNY:9 origin=a~b
        -> genesis.bad_origin
        found assets=CNY:9 origin=a+b
        -> genesis.bad_origin
        found assets=CNY:9 origin=x*97
        -> genesis.bad_origin
        found assets=CNY:9 operator=
        -> membership.name_not_allowed
        assets?
        -> none
        position?
        -> 0
        ",
    );
}

/// Codes name assets, so two assets of one code could not be told apart.
#[test]
fn codes_are_unlike() {
    check(
        "
        found assets=CNY:9,CNY:2
        -> genesis.bad_assets
        ",
    );
}

/// G1: whatever comes first, the first entry is the genesis.
#[test]
fn nothing_comes_before_genesis() {
    check(
        "
        epoch
        -> permission.not_permitted
        due
        -> permission.not_permitted
        deposit ada 100
        -> permission.not_permitted
        position?
        -> 0
        founded
        epoch
        due
        position?
        -> 3
        ",
    );
}
