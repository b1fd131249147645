//! Quiet: tries what may break an invariant, and keeps the message instead of printing it.
//!
//! An intact but dishonest log can hold anything, and the core stops at the first thing that cannot be. For whoever reads such
//! a log that is a finding and no accident, so it does not belong on the terminal.
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `act` returns, or the message of the invariant that it broke. Whatever it was changing must not be used afterwards.
pub(crate) fn attempt<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                former(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(act));
    QUIET.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "no message".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{QUIET, attempt};

    #[test]
    fn the_message_is_kept_and_silence_ends_with_the_attempt() {
        assert_eq!(attempt(|| 5), Ok(5));
        let broken: Result<(), String> = attempt(|| panic!("L1: {}", "short"));
        assert_eq!(broken, Err("L1: short".to_owned()));
        let (ledger, missing) = (vec![1_u8], 3);
        let found = attempt(|| *ledger.get(missing).expect("L2: there"));
        assert_eq!(found, Err("L2: there".to_owned()));
        assert!(!QUIET.get());
        let inner =
            attempt(|| (attempt(|| panic!("inner")) == Err::<(), _>("inner".to_owned()), QUIET.get()));
        assert_eq!(inner, Ok((true, true)));
    }
}
