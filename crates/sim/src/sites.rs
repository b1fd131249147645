//! The recorded facts of the demo's three sites: two in the west where power is cheap, one on the coast.
//!
//! The machines are simulated, the figures are not made up: each says where it was read and how far it can be
//! trusted. Power prices and PUE were collected for the eight national computing hubs; a figure from a secondary
//! source counts as published, one without a source as assumed. Joules per token are for the machine, before PUE:
//!
//! - H800: 10.2 kW for a node of eight, which served 73.7 thousand input or 14.8 thousand output tokens a second
//!   over the 24 hours of 27–28 February 2025 that its operator published, so 0.138 and 0.689 joules.
//! - Ascend 910C: 0.218 and 0.749 joules, as published.
//!
//! Such figures vary fifty-fold with model, precision, length and load; these hold for the conditions named.

use sycee_core::catalog::{Basis, SiteFacts};

use crate::provider::{Behaviour, ProviderConfig};

/// A simulated site and the recorded facts it stands on.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Short and stable, for file names and configuration.
    pub key: &'static str,
    /// Data, the same in every language, so it says in both that the site is simulated.
    pub name: &'static str,
    pub region: &'static str,
    pub region_zh: &'static str,
    /// Thousandths of a degree east.
    pub longitude_millidegrees: i32,
    pub power: Figure,
    pub pue: Figure,
    pub chip: Chip,
    /// Assumed, and nothing but the liveliness of a demo depends on them.
    pub first_token_ms: u64,
    pub tokens_per_second: u32,
}

/// A number with its origin.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Power: billionths of a yuan per kilowatt hour. PUE: parts per million.
    pub value: u32,
    pub basis: Basis,
    pub source: &'static str,
}

/// A chip class and what a token costs it at the machine.
#[derive(Clone, Copy, Debug)]
pub struct Chip {
    pub name: &'static str,
    pub microjoules_input: u32,
    pub microjoules_output: u32,
    pub basis: Basis,
    pub source: &'static str,
}

const H800: Chip = Chip {
    name: "H800",
    microjoules_input: 138_000,
    microjoules_output: 689_000,
    basis: Basis::Published,
    source: "DeepSeek, throughput of 27–28 February 2025; nameplate 10.2 kW for a node of eight",
};

const ASCEND_910C: Chip = Chip {
    name: "Ascend 910C",
    microjoules_input: 218_000,
    microjoules_output: 749_000,
    basis: Basis::Published,
    source: "published figure; model and load were not recorded with it",
};

const fn secondary(value: u32, source: &'static str) -> Figure {
    Figure { value, basis: Basis::Published, source }
}

const fn assumed(value: u32) -> Figure {
    Figure { value, basis: Basis::Assumed, source: "assumption, to be replaced by the site's own figure" }
}

/// The demo's sites, from west to east.
pub const SITES: [Site; 3] = [
    Site {
        key: "zhongwei",
        name: "Zhongwei (simulated 模拟)",
        region: "Ningxia",
        region_zh: "宁夏",
        longitude_millidegrees: 105_190,
        power: secondary(360_000_000, "price published for Zhongwei in 2020 and repeated since"),
        pue: secondary(1_100_000, "secondary sources on the Zhongwei cluster"),
        chip: ASCEND_910C,
        first_token_ms: 30,
        tokens_per_second: 160,
    },
    Site {
        key: "qingyang",
        name: "Qingyang (simulated 模拟)",
        region: "Gansu",
        region_zh: "甘肃",
        longitude_millidegrees: 107_640,
        power: secondary(398_000_000, "secondary sources on the Qingyang cluster, 2026"),
        pue: secondary(1_070_000, "secondary sources on the Qingyang cluster, 2026"),
        chip: H800,
        first_token_ms: 25,
        tokens_per_second: 200,
    },
    Site {
        key: "coast",
        name: "Coast (simulated 模拟)",
        region: "Shanghai",
        region_zh: "上海",
        longitude_millidegrees: 121_470,
        power: assumed(650_000_000),
        pue: assumed(1_350_000),
        chip: H800,
        first_token_ms: 12,
        tokens_per_second: 220,
    },
];

impl Site {
    /// The facts as the catalog keeps them; their badge is that of the weakest figure.
    pub fn facts(&self) -> SiteFacts {
        let bases = [self.power.basis, self.pue.basis, self.chip.basis];
        let weakest = if bases.contains(&Basis::Assumed) { Basis::Assumed } else { Basis::Published };
        SiteFacts {
            region: self.region.to_owned(),
            region_zh: self.region_zh.to_owned(),
            longitude_millidegrees: self.longitude_millidegrees,
            power_price: u64::from(self.power.value),
            pue_ppm: self.pue.value,
            microjoules_input: u64::from(self.chip.microjoules_input),
            microjoules_output: u64::from(self.chip.microjoules_output),
            basis: weakest,
            simulated: true,
        }
    }

    /// A provider that stands at this site, with its speed and its joules.
    pub fn provider(&self, seed: u64) -> ProviderConfig {
        ProviderConfig {
            name: format!("sycee-docs at {}", self.key),
            seed,
            joules_per_input_token: f64::from(self.chip.microjoules_input) / 1e6,
            joules_per_output_token: f64::from(self.chip.microjoules_output) / 1e6,
            behaviour: Behaviour {
                first_token_ms: self.first_token_ms,
                tokens_per_second: f64::from(self.tokens_per_second),
                jitter: 0.3,
                ..Behaviour::default()
            },
            ..ProviderConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SITES;
    use crate::provider::Provider;

    #[test]
    fn sites_are_simulated_by_name_and_ordered_from_west_to_east() {
        assert!(SITES.is_sorted_by_key(|site| site.longitude_millidegrees));
        for site in SITES {
            assert!(site.name.ends_with("(simulated 模拟)"), "{}", site.key);
            assert!(site.facts().simulated && !site.power.source.is_empty());
        }
    }

    #[test]
    fn h800_joules_follow_from_power_and_throughput() {
        for (tokens_per_second, microjoules) in [(73_700.0, 138_000.0), (14_800.0, 689_000.0)] {
            let exact: f64 = 10_200.0 / tokens_per_second * 1e6;
            assert!((exact - microjoules).abs() < 1_000.0, "{exact}");
        }
    }

    #[tokio::test]
    async fn all_sites_run_in_one_process() {
        let mut running = Vec::new();
        for site in SITES {
            running.push(Provider::bind(site.provider(7)).await.unwrap());
        }
        let mut addresses: Vec<_> = running.iter().map(Provider::address).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), 3);
    }
}
