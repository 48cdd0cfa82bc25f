//! Which notices are about overlay networks.

use std::collections::BTreeSet;

use netd_model::object::{LinkKind, Side};

use super::{AF_BRIDGE, link::Found, route};
use crate::wire::{NLM_F_REPLACE, array, u32_of};

/// The VXLAN devices that we made, by their numbers, as the kernel tells of them.
pub(crate) struct Devices(BTreeSet<u32>);

impl Devices {
    /// Those of these interfaces.
    pub(crate) fn of(links: &[Found]) -> Self {
        Self(links.iter().filter(|found| is_device(found)).map(|found| found.index).collect())
    }

    /// Whether a notice says that a device changed, that something on one went, or that a route as we make them went or
    /// made place for another. What other interfaces have in their neighbour tables comes and goes with traffic.
    pub(crate) fn matters(&mut self, kind: u16, flags: u16, body: &[u8]) -> bool {
        const RTM_NEWLINK: u16 = 16;
        const RTM_DELLINK: u16 = 17;
        const RTM_DELADDR: u16 = 21;
        const RTM_NEWROUTE: u16 = 24;
        const RTM_DELROUTE: u16 = 25;
        const RTM_DELNEIGH: u16 = 29;
        // At the same place in all but routes: `ifi_index`, `ifa_index`, `ndm_ifindex`.
        let index = || body.get(4..).and_then(u32_of).unwrap_or_default();
        match kind {
            RTM_NEWLINK | RTM_DELLINK if body.first() == Some(&AF_BRIDGE) => false,
            RTM_NEWLINK => {
                let is_new = Found::read(Side::Host, body).is_some_and(|found| is_device(&found));
                let was = if is_new { !self.0.insert(index()) } else { self.0.remove(&index()) };
                was || is_new
            }
            RTM_DELLINK => self.0.remove(&index()),
            // What a device or its bridge learned goes by itself.
            RTM_DELNEIGH if body.first() == Some(&AF_BRIDGE) && !is_permanent(body) => false,
            RTM_DELADDR | RTM_DELNEIGH => self.0.contains(&index()),
            RTM_DELROUTE => route::is_as_ours(body),
            RTM_NEWROUTE => flags & NLM_F_REPLACE != 0 && route::is_as_ours(body),
            _ => false,
        }
    }
}

/// Whether a forwarding entry is one that somebody made: `ndm_state`.
fn is_permanent(body: &[u8]) -> bool {
    const NUD_PERMANENT: u16 = 0x80;
    let state = body.get(8..10).and_then(array).map(u16::from_ne_bytes);
    state.is_some_and(|state| state & NUD_PERMANENT != 0)
}

fn is_device(found: &Found) -> bool {
    found.link.is_ours() && matches!(found.link.kind, LinkKind::Vxlan { .. })
}
