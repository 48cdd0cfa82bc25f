//! Bounds on what is open at one time, in all and for each client, so that one container cannot take the service from
//! the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{ContainerId, NetworkId};

/// Counts permits.
#[derive(Debug)]
pub(crate) struct Limit {
    total: usize,
    per_client: usize,
    held: Mutex<Held>,
}

/// Who asks, as far as that is known: addresses say it alone in one network only, and a container may have several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A container, wherever it is attached.
    Container(ContainerId),
    /// An address, and the network that it asks in.
    Address(Option<NetworkId>, IpAddr),
}

/// Held as long as what it permits is open.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<Limit>,
    client: Client,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_client: HashMap<Client, usize>,
}

impl Limit {
    pub(crate) fn new(total: usize, per_client: usize) -> Arc<Self> {
        Arc::new(Self { total, per_client, held: Mutex::default() })
    }

    /// A permit for `client`; none when it, or all together, have as many as they may.
    pub(crate) fn admit(self: &Arc<Self>, client: Client) -> Option<Permit> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = held.by_client.get(&client).copied().unwrap_or_default();
        if held.total >= self.total || of_client >= self.per_client {
            return None;
        }
        held.total += 1;
        held.by_client.insert(client.clone(), of_client + 1);
        Some(Permit { limit: Arc::clone(self), client })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.limit.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(of_client) = held.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                held.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(network: &str, last: u8) -> Client {
        Client::Address(Some(network.into()), [10, 1, 0, last].into())
    }

    #[test]
    fn a_client_gets_as_many_as_it_may_and_another_still_gets_one() {
        let limit = Limit::new(3, 2);
        let [first, second] = [client("web", 7), client("web", 8)];
        let held = [limit.admit(first.clone()), limit.admit(first.clone())];
        assert!(held.iter().all(Option::is_some));
        assert!(limit.admit(first).is_none());
        let other = limit.admit(second.clone());
        assert!(other.is_some());
        assert!(limit.admit(second).is_none(), "three in all");
    }

    #[test]
    fn the_same_address_in_another_network_is_another_client() {
        let limit = Limit::new(3, 1);
        let held = ["web", "twin"].map(|network| limit.admit(client(network, 7)));
        assert!(held.iter().all(Option::is_some));
    }

    #[test]
    fn a_returned_permit_can_be_had_again_and_nothing_is_remembered() {
        let limit = Limit::new(1, 1);
        for last in 0..=255 {
            let permit = limit.admit(client("web", last));
            assert!(permit.is_some());
        }
        assert!(limit.held.lock().unwrap().by_client.is_empty());
    }
}
