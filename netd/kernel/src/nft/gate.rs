//! Other firewalls of the host as `nf_tables` shows them: whether they hold back what is forwarded, and whether they let
//! through what is ours.

use netd_model::{
    IpNetwork,
    object::{Gate, Opening},
};

use super::{NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, chain, rule};
use crate::wire::Requests;

/// A table of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Foreign {
    family: u8,
    table: &'static str,
}

const IPV4: Foreign = Foreign { family: NFPROTO_IPV4, table: "filter" };
const IPV6: Foreign = Foreign { family: NFPROTO_IPV6, table: "filter" };
const FIREWALLD: Foreign = Foreign { family: NFPROTO_INET, table: "firewalld" };

/// The chain that Docker leaves to its users.
pub(crate) const DOCKER_USER: &str = "DOCKER-USER";

/// The table of a gate and, where it is one chain of that, the chain.
fn place(gate: &Gate) -> (Foreign, Option<&'static str>) {
    match gate {
        Gate::DockerUser4(_) => (IPV4, Some(DOCKER_USER)),
        Gate::DockerUser6(_) => (IPV6, Some(DOCKER_USER)),
        Gate::Firewalld(_) => (FIREWALLD, None),
    }
}

/// Asks for the chains by which a gate is known: that which holds back, that which lets through.
pub(crate) fn get_gate(requests: &mut Requests, gate: &Gate) {
    let (Foreign { family, table }, user) = place(gate);
    let holding = if user.is_some() { "FORWARD" } else { "filter_FORWARD" };
    chain::get_of(requests, family, table, holding);
    chain::get_of(requests, family, table, user.unwrap_or(holding));
}

/// Asks for the rules of a gate.
pub(crate) fn get_rules(requests: &mut Requests, gate: &Gate) {
    let (Foreign { family, table }, chain) = place(gate);
    rule::get_of(requests, family, table, chain);
}

/// Whether a rule of a gate, in the body of an answer, is this opening's.
pub(crate) fn is_of(body: &[u8], opening: &Opening) -> bool {
    match opening.gate {
        Gate::DockerUser4(way) | Gate::DockerUser6(way) => rule::says(body, &opening.comment(way)),
        Gate::Firewalld(_) => rule::says(body, opening.link.as_str()),
    }
}

/// Asks for all rules of a table, whatever its program, as [`super::chain::HookedChain`] names it.
pub(crate) fn get_table(requests: &mut Requests, family: &str, table: &str) {
    let family = match family {
        "ip" => NFPROTO_IPV4,
        "ip6" => NFPROTO_IPV6,
        _ => NFPROTO_INET,
    };
    rule::get_of(requests, family, table, None);
}

/// Whether a rule, in the body of an answer to [`get_table`], names an interface or one of its subnets.
pub(crate) fn names(body: &[u8], link: &str, addresses: &[IpNetwork]) -> bool {
    rule::says(body, link) || addresses.iter().any(|address| rule::covers(body, address.ip(), address.prefix()))
}

/// Asks for the chain by which ufw is known.
pub(crate) fn get_ufw(requests: &mut Requests, family: &str) {
    let (family, name) =
        if family == "ip6" { (NFPROTO_IPV6, "ufw6-user-forward") } else { (NFPROTO_IPV4, "ufw-user-forward") };
    chain::get_of(requests, family, "filter", name);
}

/// Whether the chain in an answer drops what no rule accepts.
pub(crate) fn drops(body: &[u8]) -> bool {
    chain::read_drops(body)
}
