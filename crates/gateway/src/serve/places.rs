//! Places: how many may be connected, in all and from each network.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::network::Network;
use crate::options::Limits;

/// Who is connected.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Networks with at least one connection.
    by_network: BTreeMap<Network, usize>,
}

/// One connection's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    network: Network,
}

/// Which limit a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Network,
}

impl Full {
    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Network => "address",
        }
    }
}

impl Places {
    pub(crate) fn take(self: &Arc<Self>, network: Network, limits: &Limits) -> Result<Place, Full> {
        let mut taken = self.lock();
        if taken.all >= limits.connections_max {
            return Err(Full::All);
        }
        let here = taken.by_network.get(&network).copied().unwrap_or(0);
        if here >= limits.connections_per_address_max {
            return Err(Full::Network);
        }
        taken.all += 1;
        taken.by_network.insert(network, here + 1);
        drop(taken);
        Ok(Place { places: Arc::clone(self), network })
    }

    pub(crate) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().expect("nothing panics while it counts")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(here) = taken.by_network.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_network() {
        let limits = Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() };
        let (places, here, there) = (Arc::new(Places::default()), Network::V4(1), Network::V6(1));
        let first = places.take(here, &limits).unwrap();
        let second = places.take(here, &limits).unwrap();
        assert_eq!(places.take(here, &limits).unwrap_err(), Full::Network);
        let third = places.take(there, &limits).unwrap();
        assert_eq!(places.take(there, &limits).unwrap_err(), Full::All);
        drop(first);
        drop(places.take(here, &limits).unwrap());
        drop((second, third));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().by_network.is_empty(), "who has left is forgotten");
    }
}
