//! What is different where a few hosts of a network are others than before: of thousands, one changes at a time.

use std::collections::BTreeSet;

use netd_model::{object::State, overlay::Member, plan::Desired};

use super::{Here, Ways, to_peer};

/// If more hosts changed than these, to look at everything is as quick.
const FEW: usize = 64;

/// The hosts that came and went; one that changed did both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    here: &'a Here,
    /// Those that are there now, with those that have something in common with who went.
    pub(crate) came: Vec<&'a Member>,
    went: Vec<&'a Member>,
}

impl<'a> Change<'a> {
    /// What changed from `before` to `here`. None where that is more than a few hosts.
    pub(crate) fn between(before: &'a Here, here: &'a Here) -> Option<Self> {
        if (Here { peers: here.peers.clone(), ..before.clone() }) != *here {
            return None;
        }
        let (mut came, went) = (except(&here.peers, &before.peers), except(&before.peers, &here.peers));
        if came.len() + went.len() > FEW {
            return None;
        }
        let taken_over = here.peers.iter().filter(|peer| went.iter().any(|gone| have_in_common(gone, peer)));
        for peer in taken_over.collect::<Vec<_>>() {
            if !came.contains(&peer) {
                came.push(peer);
            }
        }
        Some(Self { here, came, went })
    }

    /// Whether nothing changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.came.is_empty() && self.went.is_empty()
    }

    /// What should be, and what should no longer be.
    pub(crate) fn desired(&self, ways: &Ways) -> Desired {
        let of = |peers: &[&Member]| -> State {
            peers.iter().flat_map(|peer| to_peer(&self.here.overlay, ways, peer)).collect()
        };
        let (present, mut absent) = (of(&self.came), of(&self.went));
        absent.retain(|object| present.find(&object.key()).is_none());
        Desired { present, absent }
    }
}

/// The members of `these` that `those` have not, or not so. Both are in the order of their names.
fn except<'a>(these: &'a [Member], those: &[Member]) -> Vec<&'a Member> {
    let same = |member: &Member| {
        let place = those.binary_search_by(|other| other.host.cmp(&member.host)).ok();
        place.and_then(|place| those.get(place)) == Some(member)
    };
    these.iter().filter(|member| !same(member)).collect()
}

/// Whether two hosts have objects in common.
fn have_in_common(one: &Member, other: &Member) -> bool {
    let subnets: BTreeSet<_> = one.subnets.iter().collect();
    one.vtep == other.vtep || one.mac == other.mac || other.subnets.iter().any(|subnet| subnets.contains(subnet))
}
