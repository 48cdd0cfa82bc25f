//! What is different where a few hosts of a network are others than before: of thousands, one changes at a time.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use netd_model::{object::State, overlay::Member, plan::Desired};

use super::{Here, Ways, to_peer};
use crate::cluster::changes;

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
        if before == here {
            return Some(Self { here, came: vec![], went: vec![] });
        }
        if (Here { peers: here.peers.clone(), ..before.clone() }) != *here {
            return None;
        }
        let (mut came, mut went): (Vec<&Member>, Vec<&Member>) = (Vec::new(), Vec::new());
        for (old, new) in changes(&before.peers, &here.peers) {
            went.extend(old.map(Arc::as_ref));
            came.extend(new.map(Arc::as_ref));
            if came.len() + went.len() > FEW {
                return None;
            }
        }
        let taken_over = here.peers.values().filter(|peer| went.iter().any(|gone| have_in_common(gone, peer)));
        for peer in taken_over.map(Arc::as_ref) {
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

    /// Addresses at which a host was that is not there now, also where another one is.
    pub(crate) fn left(&self) -> BTreeSet<IpAddr> {
        let is_still = |gone: &Member| self.came.iter().any(|peer| peer.host == gone.host && peer.vtep == gone.vtep);
        self.went.iter().filter(|gone| !is_still(gone)).map(|gone| gone.vtep).collect()
    }

    /// What should be, and what should no longer be.
    pub(crate) fn desired(&self, ways: &Ways) -> Desired {
        let of =
            |peers: &[&Member]| -> State { peers.iter().flat_map(|peer| to_peer(self.here, ways, peer)).collect() };
        let (present, mut absent) = (of(&self.came), of(&self.went));
        absent.retain(|object| present.find(&object.key()).is_none());
        Desired { present, absent }
    }
}

/// Whether two hosts have objects in common.
fn have_in_common(one: &Member, other: &Member) -> bool {
    one.vtep == other.vtep || one.mac == other.mac || other.subnets.iter().any(|subnet| one.subnets.contains(subnet))
}

#[cfg(test)]
mod tests {
    use netd_model::plan::plan;

    use super::*;
    use crate::overlay::{
        tests::{here, member, of, ways},
        wanted,
    };

    fn with(peers: Vec<Member>) -> Here {
        Here { peers: of(peers), ..here(&["10.40.0.0/16"]) }
    }

    fn peer(number: u8) -> Member {
        member(number, &[&format!("10.40.{number}.0/24")])
    }

    /// The steps of a change, which lead where a look at everything leads.
    fn steps(before: &Here, after: &Here) -> Vec<String> {
        let (old, new) = (wanted(before, &ways(1450)), wanted(after, &ways(1450)));
        let desired = Change::between(before, after).unwrap().desired(&ways(1450));
        let observed: State = desired.keys().filter_map(|key| old.find(key).cloned()).collect();
        let absent = old.iter().filter(|object| new.find(&object.key()).is_none()).cloned().collect();
        let change = plan(&desired, &observed);
        assert_eq!(change, plan(&Desired { present: new, absent }, &old));
        let device = after.overlay.device();
        change.steps.iter().map(|step| step.to_string().replace(device.as_str(), "DEVICE")).collect()
    }

    #[test]
    fn who_comes_goes_or_changes_is_all_that_is_changed() {
        let [two, three, four] = [2, 3, 4].map(peer);
        let before = with(vec![two.clone(), three.clone()]);
        assert_eq!(steps(&before, &before.clone()), Vec::<String>::new());
        let came = steps(&before, &with(vec![two.clone(), three.clone(), four.clone()]));
        assert_eq!(came.len(), 4, "{came:?}");
        assert!(came.iter().all(|step| step.contains("10.40.4.0") || step.contains("192.168.50.4")), "{came:?}");
        let went = steps(&before, &with(vec![three.clone()]));
        assert_eq!(went.len(), 4, "{went:?}");
        assert!(went.iter().all(|step| step.contains("del")), "{went:?}");
        let moved = Member { vtep: [192, 168, 50, 30].into(), ..three.clone() };
        let left = |after: Vec<Member>| Change::between(&before, &with(after)).unwrap().left();
        assert_eq!(left(vec![two.clone(), moved.clone()]), [three.vtep].into());
        let moved = steps(&before, &with(vec![two.clone(), moved]));
        assert_eq!(moved.len(), 4, "{moved:?}");
        assert!(moved.iter().all(|step| step.contains("192.168.50.3")), "{moved:?}");
        let silent = Member { mtu: Some(1400.try_into().unwrap()), ..two.clone() };
        assert_eq!(left(vec![silent.clone(), three.clone()]), [].into());
        let exchanged = [Member { vtep: three.vtep, ..two.clone() }, Member { vtep: two.vtep, ..three.clone() }];
        assert_eq!(left(exchanged.to_vec()), [two.vtep, three.vtep].into());
        let smaller = steps(&before, &with(vec![silent, three]));
        assert!(smaller.len() == 2 && smaller.iter().all(|step| step.contains("ip route")), "{smaller:?}");
    }

    #[test]
    fn what_a_host_that_stays_shares_with_one_that_goes_stays() {
        let twin = Member { host: "h9".parse().unwrap(), subnets: vec![], ..peer(2) };
        let gone = steps(&with(vec![peer(2), twin.clone()]), &with(vec![twin]));
        assert!(gone.iter().all(|step| !step.contains("element") && !step.contains("fdb")), "{gone:?}");
        assert_eq!(gone.len(), 2, "{gone:?}");
    }

    #[test]
    fn many_changes_and_those_of_the_network_itself_are_no_change_of_few() {
        let before = with((2..250).map(peer).collect());
        assert_eq!(Change::between(&before, &with(vec![peer(2)])), None);
        assert_eq!(Change::between(&before, &Here { direct: true, ..before.clone() }), None);
        assert_eq!(Change::between(&before, &Here { own: peer(251), ..before.clone() }), None);
    }
}
