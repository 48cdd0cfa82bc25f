//! Other firewalls of the host: whether they hold back what containers are sent, whether they let it through, and what an
//! operator may do about it.
//!
//! A packet passes only if no table drops it, so that nothing in a table of ours could let it through. Chains of
//! `iptables-legacy` are not seen here.

use std::{collections::BTreeSet, net::IpAddr};

use netd_model::{
    IpNetwork,
    name::LinkName,
    object::{Gate, Opening, Side},
};

use crate::{
    error::Error,
    kernel::Kernel,
    nft::{
        chain::{Hook, HookedChain},
        gate,
    },
    wire::Requests,
};

impl Kernel {
    /// Those of these gates that are on this host, and that hold packets back.
    pub fn closed_gates<'g>(&mut self, gates: &'g [Gate]) -> Result<Vec<&'g Gate>, Error> {
        let mut requests = Requests::new();
        for one in gates {
            gate::get_gate(&mut requests, one);
        }
        let found = self.nft()?.get(&mut requests, |_, body| Some(gate::drops(body)));
        let found = found.map_err(|fault| Error::at(fault, |_| "read the chains of other firewalls".to_owned()))?;
        let holds = |gate: &Gate, found: &[Option<bool>]| match (gate, found) {
            (Gate::Firewalld(_), [Some(_), _]) => true,
            (_, [Some(drops), Some(_)]) => *drops,
            _ => false,
        };
        Ok(gates.iter().zip(found.chunks(2)).filter(|(gate, found)| holds(gate, found)).map(|(gate, _)| gate).collect())
    }

    /// Whether packets of the interface pass: they are let through, or nobody is there who holds them.
    pub(crate) fn is_open(&mut self, opening: &Opening) -> Result<bool, Error> {
        let gates = [opening.gate.clone()];
        Ok(self.closed_gates(&gates)?.is_empty() || self.lets_through(opening)?)
    }

    /// Whether the gate has a rule for the interface.
    pub(crate) fn lets_through(&mut self, opening: &Opening) -> Result<bool, Error> {
        let mut requests = Requests::new();
        gate::get_rules(&mut requests, &opening.gate);
        let found = self.nft()?.dump(&mut requests, |body| gate::is_of(body, opening).then_some(()));
        let found = found.map_err(|fault| Error::at(fault, |_| "read the rules of another firewall".to_owned()))?;
        Ok(!found.is_empty())
    }

    /// What of all chains that have a hook drops packets that are forwarded from or to these interfaces, with the commands that let them through; one
    /// text for each chain and interface.
    ///
    /// Only the policy of a chain is seen, and whether any rule of its table names the interface or its subnet.
    pub fn held_back(&mut self, chains: &[HookedChain], links: &BTreeSet<LinkName>) -> Result<Vec<String>, Error> {
        let mut advice = Vec::new();
        for chain in chains.iter().filter(|chain| chain.is_closed(Hook::Forward)) {
            let is_ufw = self.has_ufw(chain)?;
            for link in links {
                let addresses = self.router_addresses(link, chain)?;
                if !addresses.is_empty() && !self.names(chain, link, &addresses)? {
                    let HookedChain { family, table, name, .. } = chain;
                    let commands = commands(chain, link, is_ufw);
                    advice.push(format!(
                        "chain {name} of table {family} {table} drops what is forwarded; to let packets of {link} through: \
                         {commands}"
                    ));
                }
            }
        }
        Ok(advice)
    }

    /// The addresses of the chain's family that the host has as a router on an interface: without, nothing is forwarded.
    fn router_addresses(&mut self, link: &LinkName, chain: &HookedChain) -> Result<Vec<IpNetwork>, Error> {
        let is_of_family = |address: IpAddr| match address {
            IpAddr::V4(_) => chain.family != "ip6",
            IpAddr::V6(address) => chain.family != "ip" && !address.is_unicast_link_local(),
        };
        let mut addresses = self.addresses(Side::Host, link)?;
        addresses.retain(|address| is_of_family(address.ip()));
        Ok(addresses)
    }

    /// Whether any rule of the chain's table names an interface, or a subnet that these addresses are in.
    fn names(&mut self, chain: &HookedChain, link: &LinkName, addresses: &[IpNetwork]) -> Result<bool, Error> {
        let mut requests = Requests::new();
        gate::get_table(&mut requests, &chain.family, &chain.table);
        let found = self.nft()?.dump(&mut requests, |body| gate::names(body, link.as_str(), addresses).then_some(()));
        let attempt = |_| format!("nft list table {} {}", chain.family, chain.table);
        Ok(!found.map_err(|fault| Error::at(fault, attempt))?.is_empty())
    }

    /// Whether ufw made the chain what it is.
    fn has_ufw(&mut self, chain: &HookedChain) -> Result<bool, Error> {
        if !is_of_iptables(chain) {
            return Ok(false);
        }
        let mut requests = Requests::new();
        gate::get_ufw(&mut requests, &chain.family);
        let found = self.nft()?.get(&mut requests, |_, _| Some(()));
        Ok(found.map_err(|fault| Error::at(fault, |_| "read the chains of ufw".to_owned()))?.contains(&Some(())))
    }
}

fn is_of_iptables(chain: &HookedChain) -> bool {
    matches!((chain.family.as_str(), chain.table.as_str(), chain.name.as_str()), ("ip" | "ip6", "filter", "FORWARD"))
}

fn commands(chain: &HookedChain, link: &LinkName, is_ufw: bool) -> String {
    let HookedChain { family, table, name, .. } = chain;
    if chain.is_firewalld() {
        return format!("firewall-cmd --permanent --zone=trusted --add-interface={link}; firewall-cmd --reload");
    }
    if is_ufw {
        return format!("ufw route allow in on {link}; ufw route allow out on {link}");
    }
    if is_of_iptables(chain) {
        let iptables = if family == "ip" { "iptables" } else { "ip6tables" };
        return format!("{iptables} -I FORWARD -i {link} -j ACCEPT; {iptables} -I FORWARD -o {link} -j ACCEPT");
    }
    let rule = |word| format!("nft insert rule {family} {table} {name} {word} {:?} accept", link.as_str());
    [rule("iifname"), rule("oifname")].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_that_of_who_made_the_chain() {
        let command = |family: &str, table: &str, name: &str, is_ufw| {
            let (family, table, name) = (family.to_owned(), table.to_owned(), name.to_owned());
            let chain = HookedChain { family, table, name, hook: Hook::Forward, priority: 0, drops: true };
            commands(&chain, &"br-web".parse().unwrap(), is_ufw)
        };
        for (command, expected) in [
            (
                command("ip6", "filter", "FORWARD", false),
                "ip6tables -I FORWARD -i br-web -j ACCEPT; ip6tables -I FORWARD -o br-web -j ACCEPT",
            ),
            (command("ip", "filter", "FORWARD", true), "ufw route allow in on br-web; ufw route allow out on br-web"),
            (
                command("inet", "firewalld", "filter_FORWARD", false),
                "firewall-cmd --permanent --zone=trusted --add-interface=br-web; firewall-cmd --reload",
            ),
            (
                command("inet", "mine", "fwd", false),
                "nft insert rule inet mine fwd iifname \"br-web\" accept; \
                 nft insert rule inet mine fwd oifname \"br-web\" accept",
            ),
        ] {
            assert_eq!(command, expected);
        }
    }
}
