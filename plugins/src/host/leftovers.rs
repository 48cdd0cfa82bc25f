//! What the reference plugins left in tables of their own, for a container that they attached and we detach.
//!
//! Only what names this very container, and only where nothing of ours is recorded. No process is started: the kernel
//! says what there is, and where iptables is the older one (`iptables-legacy`), its rules stay.

use std::net::IpAddr;

use netd_kernel::{
    ForeignChain,
    ForeignFamily::{self, Bridge, Inet, Ipv4, Ipv6},
    ForeignRule,
};
use sha2::{Digest, Sha512};

use super::Host;
use crate::cni::{CniResult, Error, Target};

/// How often what is there is looked at, while others remove some of it.
const LOOKS: u32 = 10;

/// The chains of the reference's portmap with rules of containers, with its nftables backend.
const PUBLISHED: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

impl Host {
    /// Removes what the reference's bridge and ptp left for an interface: what masquerades it, by either of their backends,
    /// and what checks its hardware address.
    ///
    /// Interfaces of one container in one network share a chain of iptables: with a previous result, those that it does
    /// not tell of keep it.
    pub(super) fn sweep_attached(&mut self, target: &Target, previous: Option<&CniResult>) -> Result<(), Error> {
        let (network, container, ifname) =
            (target.id.network.as_str(), target.id.container.as_str(), target.id.ifname.as_str());
        let addresses: Vec<IpAddr> = previous.iter().flat_map(|result| &result.ips).map(|ip| ip.address.ip()).collect();
        let masquerades = masquerade_comment(network, container, ifname);
        let checks = chain(Inet, "cni_plugins_masquerade", "masq_checks");
        self.sweep_commented(&checks, |comment| comment.starts_with(&masquerades))?;
        let name = chain_name("CNI-", &[network, container]);
        for family in [Ipv4, Ipv6] {
            self.sweep_chain(&chain(family, "nat", &name), &chain(family, "nat", "POSTROUTING"), &addresses)?;
        }
        let (of_link, entry) = (format!("cni-br-iface-{container}-{ifname}"), chain(Bridge, "nat", "PREROUTING"));
        let (of_link, of_mac) = (chain(Bridge, "nat", &of_link), chain(Bridge, "nat", &format!("{of_link}-mac")));
        self.sweep_chain(&of_link, &entry, &[])?;
        self.sweep_chain(&of_mac, &of_link, &[])
    }

    /// Removes what the reference's portmap left for a container, by either of its backends.
    pub(crate) fn sweep_published(&mut self, target: &Target) -> Result<(), Error> {
        let (network, container) = (target.id.network.as_str(), target.id.container.as_str());
        let name = chain_name("CNI-DN-", &[network, container]);
        for family in [Ipv4, Ipv6] {
            for published in PUBLISHED.map(|name| chain(family, "cni_hostport", name)) {
                self.sweep_commented(&published, |comment| comment == container)?;
            }
            self.sweep_chain(&chain(family, "nat", &name), &chain(family, "nat", "CNI-HOSTPORT-DNAT"), &[])?;
        }
        Ok(())
    }

    /// Removes what the reference's firewall left for an address of a container.
    pub(crate) fn sweep_admitted(&mut self, address: IpAddr) -> Result<(), Error> {
        let chain = chain(ForeignFamily::of(address), "filter", "CNI-FORWARD");
        for _ in 0..LOOKS {
            let rules = self.kernel.foreign_rules_of(&chain, address)?;
            if self.kernel.remove_foreign(&rules, None)? {
                break;
            }
        }
        Ok(())
    }

    /// Rules whose comment says whose they are.
    fn sweep_commented(&mut self, chain: &ForeignChain, is_its: impl Fn(&str) -> bool) -> Result<(), Error> {
        for _ in 0..LOOKS {
            let mut rules = self.kernel.foreign_rules(chain)?;
            rules.retain(|rule| rule.comment.as_deref().is_some_and(&is_its));
            if self.kernel.remove_foreign(&rules, None)? {
                break;
            }
        }
        Ok(())
    }

    /// Rules of another chain that lead to one of the container's own, of these addresses if there are any; and that, when
    /// no rule leads there any more.
    fn sweep_chain(&mut self, chain: &ForeignChain, from: &ForeignChain, of: &[IpAddr]) -> Result<(), Error> {
        let leads = |rule: &ForeignRule| rule.target.as_deref() == Some(&chain.name);
        for _ in 0..LOOKS {
            if !self.kernel.has_foreign_chain(chain)? {
                return Ok(());
            }
            let mut rules = self.kernel.foreign_rules(from)?;
            rules.retain(leads);
            let all = rules.len();
            if !of.is_empty() {
                rules.clear();
                for address in of.iter().filter(|address| ForeignFamily::of(**address) == chain.family) {
                    rules.extend(self.kernel.foreign_rules_of(from, *address)?.into_iter().filter(leads));
                }
            }
            if self.kernel.remove_foreign(&rules, Some(chain).filter(|_| rules.len() == all))? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn chain(family: ForeignFamily, table: &str, name: &str) -> ForeignChain {
    ForeignChain { family, table: table.to_owned(), name: name.to_owned() }
}

/// How the comment of a rule of the reference's begins that masquerades an interface.
fn masquerade_comment(network: &str, container: &str, ifname: &str) -> String {
    let digits = |of: &str| reference_name("", &[of], 16);
    format!("{}-{},", digits(network), digits(&format!("{ifname}:{container}")))
}

/// The name that the reference gives a chain of a container.
fn chain_name(prefix: &str, parts: &[&str]) -> String {
    reference_name(prefix, parts, 28)
}

/// A name as the reference makes them: a prefix and as much of SHA-512 as makes so many letters.
pub(crate) fn reference_name(prefix: &str, parts: &[&str], length: usize) -> String {
    let digest = Sha512::digest(parts.concat());
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    prefix.chars().chain(digits).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_the_name_that_the_reference_gives_it() {
        let container = "icee6giejonei6sohng6ahngee7laquohquee9shiGo7fohferakah3Feiyoolu2pei7ciPhoh7shaoX6vai3vuf0ahfaeng8yohb9ceu0daez5hashee8ooYai5wa3y";
        assert_eq!(chain_name("CNI-DN-", &["test", container]), "CNI-DN-67e92b96e692a494b6b85");
        assert_eq!(chain_name("CNI-DN-", &["testNetName", container]), "CNI-DN-bfd599665540dd91d5d28");
        assert_eq!(chain_name("CNI-", &["test", "icee6giejonei6so"]), "CNI-022110f36292712c8bb50a90");
    }
}
