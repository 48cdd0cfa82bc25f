//! Names whose meaning is fixed for everybody: RFC 6761, RFC 6303, RFC 6762, RFC 7686. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::answer::{existing, reverse_answer};
use crate::name::{QuestionName, relative};
use crate::record::{Answer, Data, Kind, Question, Record, Soa};
use crate::reverse::Reverse;
use crate::zone::TTL;

const LOCALHOST: &[u8] = b"\x09localhost";

const HOST: [&[u8]; 2] = [b"\x04host\x06docker\x08internal", b"\x04host\x0acontainers\x08internal"];

/// Top-level names that no upstream may be asked for: RFC 6761 6.4, RFC 7686, RFC 6762 3, and the one for private use.
///
/// Not `test` (RFC 6761 6.2) nor `home.arpa` (RFC 8375 4): who serves them is the developer's resolver and the home's
/// router, just those that a host there asks. Other resolvers answer that there is no such name. Who wants them to stay here
/// makes them split domains of nobody's.
const NEVER_FORWARDED: [&[u8]; 4] = [b"\x07invalid", b"\x05onion", b"\x05local", b"\x08internal"];

/// The answer for `localhost`, names below it (RFC 6761 6.3), and the reverse names of addresses that are on no network.
pub(crate) fn loopback(question: &Question, soa: Soa) -> Option<Answer> {
    if is_below(&question.name, LOCALHOST) {
        let data = match question.kind {
            Kind::A => Some(Data::A(Ipv4Addr::LOCALHOST)),
            Kind::AAAA => Some(Data::Aaaa(Ipv6Addr::LOCALHOST)),
            _ => None,
        };
        return Some(existing(question, data.map(|data| Record { ttl: TTL, data }).into_iter().collect(), soa));
    }
    let reverse = Reverse::parse(&question.name).filter(|reverse| is_on_no_network(reverse.prefix))?;
    let is_localhost = reverse
        .address()
        .is_some_and(|address| [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].contains(&address));
    let names = "localhost".parse().ok().filter(|_| is_localhost).map(|name| (name, TTL));
    Some(reverse_answer(question, reverse, names.into_iter().collect(), soa))
}

/// Whether it is a name that Docker and Podman have for the host of a container; none where it is not above one either.
pub(crate) fn is_host_or_above(name: &QuestionName) -> Option<bool> {
    let name = Some(name.octets()).filter(|octets| !octets.is_empty())?;
    HOST.iter().find_map(|host| Some(relative(host, name)?.is_empty()))
}

/// Whether the name must not leave this host.
pub(crate) fn is_never_forwarded(name: &QuestionName) -> bool {
    NEVER_FORWARDED.iter().any(|top| is_below(name, top))
}

fn is_below(name: &QuestionName, domain: &[u8]) -> bool {
    name.relative_to(domain).is_some()
}

/// 0/8, 127/8 and 255/8 (RFC 6303 4.2), `::` and `::1` (RFC 6303 4.3).
fn is_on_no_network(prefix: IpNetwork) -> bool {
    match prefix {
        IpNetwork::V4(v4) => v4.prefix() >= 8 && [0, 127, 255].contains(&v4.ip().to_bits().to_be_bytes()[0]),
        IpNetwork::V6(v6) => v6.prefix() == 128 && (v6.ip().is_loopback() || v6.ip().is_unspecified()),
    }
}
