//! How packets of a network cross, as each host says it: where two do not say the same, nothing crosses between them.

use std::collections::BTreeMap;

use netd_model::{
    name::{HostName, NetworkName},
    overlay::{Mode, Overlay, Vni},
};
use serde::{Deserialize, Serialize};

/// What all hosts of a network must say alike, and a file on each of them says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Crossing {
    mode: Mode,
    vni: Vni,
    port: u16,
}

/// That of each network of one host.
pub(super) type Crossings = BTreeMap<NetworkName, Crossing>;

impl Crossing {
    /// That of a network.
    pub(super) fn of(overlay: &Overlay) -> Self {
        Self { mode: overlay.mode, vni: overlay.vni, port: overlay.port }
    }

    /// Where `peer` says something else than this host.
    pub(super) fn difference(self, network: &NetworkName, peer: &HostName, other: Self) -> Option<String> {
        let parts = [
            ("mode", self.mode.to_string(), other.mode.to_string()),
            ("vni", self.vni.to_string(), other.vni.to_string()),
            ("port", self.port.to_string(), other.port.to_string()),
        ];
        let different = parts.into_iter().filter(|(_, here, there)| here != there);
        let (here, there): (Vec<_>, Vec<_>) =
            different.map(|(what, here, there)| (format!("{what} {here}"), format!("{what} {there}"))).unzip();
        let (here, there) = (here.join(" and "), there.join(" and "));
        (self != other)
            .then(|| format!("network {network}: peer {peer} has {there}, this host {here}: make them the same"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_hosts_say_differently_is_named_and_nothing_else() {
        let crossing = |mode, vni: u32, port| Crossing { mode, vni: vni.try_into().unwrap(), port };
        let here = crossing(Mode::L2, 78, 4789);
        let against = |other| here.difference(&"lab".parse().unwrap(), &"h2".parse().unwrap(), other);
        assert_eq!(against(here), None);
        for (other, expected) in [
            (crossing(Mode::Routed, 77, 4789), "peer h2 has mode routed and vni 77, this host mode l2 and vni 78"),
            (crossing(Mode::L2, 78, 8472), "peer h2 has port 8472, this host port 4789"),
        ] {
            assert_eq!(against(other), Some(format!("network lab: {expected}: make them the same")));
        }
    }
}
