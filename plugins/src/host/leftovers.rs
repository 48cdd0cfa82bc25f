//! What the reference plugins left in tables of their own, for a container that they attached and we detach.
//!
//! Only what names this very container, and only where nothing of ours is recorded. No process is started: the kernel
//! says what there is, and where iptables is the older one (`iptables-legacy`), its rules stay.

use std::net::IpAddr;

use netd_kernel::{ForeignChain, ForeignRule};
use sha2::{Digest, Sha512};

use super::Host;
use crate::cni::{Error, Target};

/// How often what is there is looked at, while others remove some of it.
const LOOKS: u32 = 10;

/// The table of the reference's portmap with its nftables backend, and the chains with rules of containers.
const HOSTPORT: (&str, [&str; 3]) = ("cni_hostport", ["hostports", "hostip_hostports", "masquerading"]);

impl Host {
    /// Removes what the reference's portmap left for a container, by either of its backends.
    pub(crate) fn sweep_published(&mut self, target: &Target) -> Result<(), Error> {
        let id = &target.id;
        let chain = chain_name("CNI-DN-", &[id.network.as_str(), id.container.as_str()]);
        for is_ipv6 in [false, true] {
            self.sweep_commented(is_ipv6, id.container.as_str())?;
            let of = |name: &str| ForeignChain { is_ipv6, table: "nat".to_owned(), name: name.to_owned() };
            self.sweep_chain(&of(&chain), &of("CNI-HOSTPORT-DNAT"))?;
        }
        Ok(())
    }

    /// Removes what the reference's firewall left for an address of a container.
    pub(crate) fn sweep_admitted(&mut self, address: IpAddr) -> Result<(), Error> {
        let (is_ipv6, table, name) = (address.is_ipv6(), "filter".to_owned(), "CNI-FORWARD".to_owned());
        let chain = ForeignChain { is_ipv6, table, name };
        for _ in 0..LOOKS {
            let rules = self.kernel.foreign_rules_of(&chain, address)?;
            if self.kernel.remove_foreign(&rules, None)? {
                break;
            }
        }
        Ok(())
    }

    /// Rules with the container's id as their comment.
    fn sweep_commented(&mut self, is_ipv6: bool, container: &str) -> Result<(), Error> {
        let (table, chains) = HOSTPORT;
        for name in chains {
            let chain = ForeignChain { is_ipv6, table: table.to_owned(), name: name.to_owned() };
            for _ in 0..LOOKS {
                let mut rules = self.kernel.foreign_rules(&chain)?;
                rules.retain(|rule| rule.comment.as_deref() == Some(container));
                if self.kernel.remove_foreign(&rules, None)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A chain of the container's own, and the rules of another chain that lead to it.
    fn sweep_chain(&mut self, chain: &ForeignChain, from: &ForeignChain) -> Result<(), Error> {
        for _ in 0..LOOKS {
            if !self.kernel.has_foreign_chain(chain)? {
                return Ok(());
            }
            let leads = |rule: &ForeignRule| rule.target.as_deref() == Some(&chain.name);
            let rules: Vec<ForeignRule> = self.kernel.foreign_rules(from)?.into_iter().filter(leads).collect();
            if self.kernel.remove_foreign(&rules, Some(chain))? {
                return Ok(());
            }
        }
        Ok(())
    }
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
