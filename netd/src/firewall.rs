//! Firewalls of others that keep questions from us, and the commands that open them.
//!
//! A packet passes only if no table drops it, so that nothing in a table of ours could let it in.

use std::collections::BTreeSet;

use netd_kernel::{Hook, HookedChain};
use netd_model::name::LinkName;

/// What drops questions from containers on `bridges`, with the commands that let them in; one text per chain.
///
/// Only the policy of a chain is seen, so a rule that lets them in already does not silence this.
pub(crate) fn advice(chains: &[HookedChain], bridges: &BTreeSet<LinkName>) -> impl Iterator<Item = String> {
    let closed = chains.iter().filter(|chain| chain.is_closed(Hook::Input));
    closed.filter(|_| !bridges.is_empty()).map(|chain| {
        let commands: Vec<String> = bridges.iter().flat_map(|bridge| commands(chain, bridge)).collect();
        let HookedChain { family, table, name, .. } = chain;
        format!(
            "chain {name} of table {family} {table} drops what comes to this host; if containers get no answers: {}",
            commands.join("; ")
        )
    })
}

fn commands(chain: &HookedChain, bridge: &LinkName) -> Vec<String> {
    let HookedChain { family, table, name, .. } = chain;
    if chain.is_firewalld() {
        return vec![format!(
            "firewall-cmd --permanent --zone=trusted --add-interface={bridge}; firewall-cmd --reload"
        )];
    }
    let iptables = match (family.as_str(), table.as_str(), name.as_str()) {
        ("ip", "filter", "INPUT") => "iptables",
        ("ip6", "filter", "INPUT") => "ip6tables",
        _ => {
            return vec![format!(
                "nft insert rule {family} {table} {name} iifname {bridge:?} meta l4proto '{{ tcp, udp }}' th dport 53 accept",
                bridge = bridge.as_str()
            )];
        }
    };
    let open = |protocol| format!("{iptables} -I INPUT -i {bridge} -p {protocol} --dport 53 -j ACCEPT");
    vec![open("udp"), open("tcp")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(family: &str, table: &str, name: &str, hook: Hook, drops: bool) -> HookedChain {
        HookedChain { family: family.into(), table: table.into(), name: name.into(), hook, priority: 0, drops }
    }

    fn advice_for(chain: HookedChain) -> Vec<String> {
        advice(&[chain], &BTreeSet::from(["br-web".parse().unwrap()])).collect()
    }

    #[test]
    fn the_command_is_that_of_who_made_the_chain() {
        for (chain, command) in [
            (
                chain("ip", "filter", "INPUT", Hook::Input, true),
                "iptables -I INPUT -i br-web -p udp --dport 53 -j ACCEPT; \
                 iptables -I INPUT -i br-web -p tcp --dport 53 -j ACCEPT",
            ),
            (
                chain("inet", "mine", "in", Hook::Input, true),
                "nft insert rule inet mine in iifname \"br-web\" meta l4proto '{ tcp, udp }' th dport 53 accept",
            ),
            (
                chain("inet", "netdata", "in", Hook::Input, true),
                "nft insert rule inet netdata in iifname \"br-web\" meta l4proto '{ tcp, udp }' th dport 53 accept",
            ),
            (
                chain("inet", "firewalld", "filter_INPUT", Hook::Input, false),
                "firewall-cmd --permanent --zone=trusted --add-interface=br-web; firewall-cmd --reload",
            ),
        ] {
            let advice = advice_for(chain);
            assert!(advice.len() == 1 && advice[0].ends_with(&format!(": {command}")), "{advice:?}");
        }
    }

    #[test]
    fn what_lets_questions_in_needs_no_advice() {
        for open in [
            chain("ip", "filter", "INPUT", Hook::Input, false),
            chain("ip", "filter", "FORWARD", Hook::Forward, true),
            chain("inet", "netd", "input", Hook::Input, true),
            chain("inet", "netd-next", "input", Hook::Input, true),
            chain("arp", "filter", "INPUT", Hook::Input, true),
        ] {
            assert_eq!(advice_for(open.clone()), Vec::<String>::new(), "{open:?}");
        }
        let closed = chain("ip", "filter", "INPUT", Hook::Input, true);
        assert_eq!(advice(&[closed], &BTreeSet::new()).count(), 0);
    }
}
