//! The elements of an attachment of which nothing is recorded: those that follow from its names, and from what prevResult tells.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    addr::Mac,
    attachment::AttachmentId,
    element::{Element, Part, Set},
    name::LinkName,
    object::{Object, State},
    overlay::device,
};

use crate::cni::{CniResult, result::Interface};

/// All that it may have, but for published ports, which the configuration alone tells. prevResult does not say whether the
/// network goes on to other hosts.
pub(super) fn elements(id: &AttachmentId, previous: Option<&CniResult>) -> State {
    let host_end = Part::Link(id.host_link());
    let mut keys: Vec<_> =
        [Set::Guarded, Set::GuardedIp, Set::Alone].into_iter().map(|set| (set, vec![host_end.clone()])).collect();
    if let Some(previous) = previous {
        keys.extend(of_addresses(id, previous));
        let macs = macs(id, previous);
        keys.extend(macs.iter().map(|mac| (Set::Mac, vec![host_end.clone(), Part::Mac(*mac)])));
        for ip in previous.ips_inside(&id.ifname) {
            let (set, part) = match ip.address.ip() {
                IpAddr::V4(v4) => (Set::Source4, Part::Ipv4(v4)),
                IpAddr::V6(v6) => (Set::Source6, Part::Ipv6(v6)),
            };
            keys.extend(macs.iter().map(|mac| (set, vec![host_end.clone(), Part::Mac(*mac), part.clone()])));
        }
    }
    keys.into_iter().map(|(set, parts)| Object::Element(Element::of_set(set, parts, id.owner()))).collect()
}

/// What masquerades its addresses, on a bridge or a pair.
fn of_addresses(id: &AttachmentId, previous: &CniResult) -> Vec<(Set, Vec<Part>)> {
    let bridge = previous.interfaces.iter().find(|interface| interface.sandbox.is_none());
    let homes: Vec<LinkName> =
        bridge.map(|bridge| bridge.name.clone()).into_iter().chain([device(&id.network)]).collect();
    let mut keys = Vec::new();
    for ip in &previous.ips {
        let (masquerade, home, inside, part) = match ip.address.ip() {
            IpAddr::V4(v4) => (Set::Masquerade4, Set::Home4, Set::Inside4, Part::Ipv4(v4)),
            IpAddr::V6(v6) => (Set::Masquerade6, Set::Home6, Set::Inside6, Part::Ipv6(v6)),
        };
        let subnet = IpNetwork::new(ip.address.network(), ip.address.prefix()).unwrap_or(ip.address);
        let alone = IpNetwork::from(ip.address.ip());
        keys.extend(homes.iter().map(|link| (home, vec![part.clone(), Part::Link(link.clone())])));
        keys.push((masquerade, vec![part]));
        keys.push((inside, vec![Part::Subnet(alone), Part::Subnet(subnet)]));
    }
    keys
}

/// The hardware addresses that the interface may have been made with: a later plugin may have told another.
fn macs(id: &AttachmentId, previous: &CniResult) -> Vec<Mac> {
    let told = previous.interfaces.iter().filter(|told| told.sandbox.is_some() && told.name == id.ifname);
    let told = told.filter_map(Interface::ethernet);
    let derived = previous.ips.first().map(|first| Mac::of_address(id.network.as_str(), first.address.ip()));
    let mut macs: Vec<Mac> = told.chain(derived).collect();
    macs.dedup();
    macs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cni::Version;

    fn texts(previous: Option<&CniResult>) -> Vec<String> {
        let id = AttachmentId {
            network: "web".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        };
        let element = |object: &Object| match object {
            Object::Element(element) => format!("{:?} {{ {element} }}", element.key.set),
            other => panic!("{other:?} is no element"),
        };
        elements(&id, previous).iter().map(element).collect()
    }

    #[test]
    fn without_a_result_the_names_tell_the_port() {
        assert_eq!(texts(None).len(), 3);
    }

    #[test]
    fn with_a_result_all_that_any_plugin_of_ours_makes_of_it_is_named() {
        let told = json!({
            "interfaces": [{"name": "br-web"}, {"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/run/netns/c1"}],
            "ips": [{"interface": 1, "address": "10.1.0.7/24"}, {"interface": 1, "address": "2001:db8::7/64"}]
        });
        let found = texts(Some(&CniResult::previous(&told, Version::V1_1_0).unwrap()));
        for set in ["Masquerade", "Home", "Inside", "Source"] {
            for family in ["4", "6"] {
                let name = format!("{set}{family} ");
                assert!(found.iter().any(|text| text.starts_with(&name)), "{name} in {found:#?}");
            }
        }
        for text in ["Guarded {", "GuardedIp {", "Alone {", "Mac {"] {
            assert!(found.iter().any(|found| found.starts_with(text)), "{text} in {found:#?}");
        }
        assert!(found.iter().any(|text| text.contains("02:00:00:00:00:07 . 10.1.0.7")), "{found:#?}");
    }
}
