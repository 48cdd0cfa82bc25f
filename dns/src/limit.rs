//! Bounds on what is open at one time, in all and for each source, so that one container cannot take the service from
//! the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts permits.
#[derive(Debug)]
pub(crate) struct Limit {
    total: usize,
    per_source: usize,
    held: Mutex<Held>,
}

/// Held as long as what it permits is open.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<Limit>,
    source: IpAddr,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl Limit {
    pub(crate) fn new(total: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self { total, per_source, held: Mutex::default() })
    }

    /// A permit for `source`; none when it, or all together, have as many as they may.
    pub(crate) fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Permit> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = held.by_source.get(&source).copied().unwrap_or_default();
        if held.total >= self.total || of_source >= self.per_source {
            return None;
        }
        held.total += 1;
        held.by_source.insert(source, of_source + 1);
        Some(Permit { limit: Arc::clone(self), source })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.limit.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(of_source) = held.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                held.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_as_many_as_it_may_and_another_still_gets_one() {
        let limit = Limit::new(3, 2);
        let [first, second] = ["10.1.0.7", "10.1.0.8"].map(|text| text.parse().unwrap());
        let held = [limit.admit(first), limit.admit(first)];
        assert!(held.iter().all(Option::is_some));
        assert!(limit.admit(first).is_none());
        let other = limit.admit(second);
        assert!(other.is_some());
        assert!(limit.admit(second).is_none(), "three in all");
    }

    #[test]
    fn a_returned_permit_can_be_had_again_and_nothing_is_remembered() {
        let limit = Limit::new(1, 1);
        for octet in 0..=255 {
            let permit = limit.admit(IpAddr::from([10, 0, 0, octet]));
            assert!(permit.is_some());
        }
        assert!(limit.held.lock().unwrap().by_source.is_empty());
    }
}
