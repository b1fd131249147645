//! Decimals: what is written can be read, and nothing else.
use crate::decimal::{format, parse};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read_back(units in any::<i64>().prop_map(i128::from), decimals in 0..=18u8) {
        let text = format(units, decimals);
        prop_assert_eq!(parse(&text, decimals), Ok(units));
        let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert_eq!(places, usize::from(decimals), "all decimals are shown: {}", text);
    }

    #[test]
    fn nothing_is_rounded(whole in 0..1_000_000u32, fraction in "[0-9]{1,12}", decimals in 0..=9u8) {
        let read = parse(&std::format!("{whole}.{fraction}"), decimals);
        prop_assert_eq!(read.is_ok(), fraction.len() <= usize::from(decimals));
        if let Ok(units) = read {
            let shown = format(units, decimals);
            let all_places = std::format!("{whole}.{fraction:0<places$}", places = usize::from(decimals));
            prop_assert_eq!(shown, all_places);
        }
    }

    #[test]
    fn other_text_is_refused(text in "[0-9a-fx+ ,.'_-]{0,8}") {
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let decimal = digits_only(whole) && fraction.is_none_or(digits_only);
        prop_assert_eq!(parse(&text, 9).is_ok(), decimal, "{}", text);
    }
}
