//! Decimals: how amounts and ratios are written by people and machines, exactly.
//!
//! Money is a string with a point and never a float: `"0.001234500"`. Writing always shows all of the asset's decimals; reading
//! takes fewer, and refuses more rather than round.
use sycee_core::ids::Amount;

/// Decimals of parts per million.
pub(crate) const PPM_DECIMALS: u8 = 6;

/// Text that is not a decimal of so many places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADecimal {
    text: String,
    decimals: u8,
}

impl std::fmt::Display for NotADecimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a decimal with at most {} places, such as \"1.25\"", self.text, self.decimals)
    }
}

impl std::error::Error for NotADecimal {}

/// The integer of smallest units that `text` says.
///
/// ```
/// assert_eq!(sycee_api::decimal::parse("-1.5", 9), Ok(-1_500_000_000));
/// assert!(sycee_api::decimal::parse("0.0000000001", 9).is_err());
/// ```
pub fn parse(text: &str, decimals: u8) -> Result<Amount, NotADecimal> {
    let wrong = || NotADecimal { text: text.to_owned(), decimals };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = usize::from(decimals);
    let bare_point = digits.contains('.') && fraction.is_empty();
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || bare_point || !all_digits || fraction.len() > places {
        return Err(wrong());
    }
    let units: Amount = format!("{whole}{fraction:0<places$}").parse().map_err(|_| wrong())?;
    Ok(if negative { -units } else { units })
}

/// `units` with all their decimals.
///
/// ```
/// assert_eq!(sycee_api::decimal::format(-1_500, 9), "-0.000001500");
/// ```
pub fn format(units: Amount, decimals: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let places = usize::from(decimals);
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
