//! The scenarios of the params.
use super::Param;
use crate::tests::{check, stage};

/// The example of the header.
#[test]
fn params_have_values_before_anyone_sets_them() {
    check(
        "
        founded
        param?
        -> schedule_notice_seconds 0
        -> ancestors_cap_ppm 300000
        set schedule_notice_seconds 86_400
        param?
        -> schedule_notice_seconds 86400
        -> ancestors_cap_ppm 300000
        ",
    );
}

#[test]
fn params_stay_within_their_bounds() {
    check(
        "
        founded
        set schedule_notice_seconds 7_776_001
        -> params.out_of_bounds
        set schedule_notice_seconds 7_776_000
        set ancestors_cap_ppm 1_000_001
        -> params.out_of_bounds
        set ancestors_cap_ppm 1_000_000
        set ancestors_cap_ppm 0
        param?
        -> schedule_notice_seconds 7776000
        -> ancestors_cap_ppm 0
        ",
    );
}

/// P1 as the audit reads it.
#[test]
fn the_audit_sees_a_value_out_of_bounds() {
    let mut state = stage("founded").state().clone();
    assert_eq!(super::audit(&state), []);
    state.params.values.insert(Param::AncestorsCapPpm, 1_000_001);
    assert_eq!(super::audit(&state).first().map(|breach| breach.invariant), Some("P1"));
}

#[test]
fn every_param_starts_within_its_bounds() {
    for param in Param::ALL {
        assert!(param.bounds().contains(&param.default_value()), "{}", param.name());
    }
}
