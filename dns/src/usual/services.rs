//! Where a service is: targets with their ports.

use fastrand::Rng;

use crate::Name;
use crate::record::Srv;

/// Targets of one service that are usual.
const MOST: usize = 8;

/// SRV records of one name, each once.
#[derive(Debug)]
pub(crate) struct Services<'a> {
    found: [Option<&'a Srv>; MOST],
    count: usize,
    pub(crate) ttl: u32,
}

impl<'a> Services<'a> {
    pub(super) fn new() -> Self {
        Self { found: [None; MOST], count: 0, ttl: u32::MAX }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes in one more, unless it is there; none if there is no room.
    pub(super) fn add(&mut self, service: &'a Srv) -> Option<()> {
        if !self.found.contains(&Some(service)) {
            *self.found.get_mut(self.count)? = Some(service);
            self.count += 1;
        }
        Some(())
    }

    /// In any order, which is that of [`Self::targets`] no more.
    pub(crate) fn shuffled(&mut self, rng: &mut Rng) -> impl Iterator<Item = &'a Srv> {
        let found = self.found.get_mut(..self.count).unwrap_or_default();
        found.sort_unstable();
        rng.shuffle(found);
        found.iter().filter_map(|service| *service)
    }

    /// Their targets in the order of names, each once.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &'a Name> {
        let mut targets = self.found.map(|service| service.map(|service| &service.target));
        targets.sort_unstable();
        let mut last = None;
        targets.into_iter().flatten().filter(move |target| last.replace(*target) != Some(*target))
    }
}
