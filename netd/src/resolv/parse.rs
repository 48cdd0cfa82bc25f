//! The text of resolv.conf(5), of which only the servers matter.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// How many servers the host's own resolver asks (`MAXNS` of resolv.h).
const SERVERS: usize = 3;

const PORT: u16 = 53;

/// The servers in order; `index` gives the number of an interface, for addresses such as `fe80::1%eth0`.
pub(super) fn servers(text: &str, index: impl Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    lines.filter_map(|address| server(address, &index)).take(SERVERS).collect()
}

fn server(text: &str, index: impl Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let Some((address, scope)) = text.split_once('%') else {
        return text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    };
    let address = address.parse::<Ipv6Addr>().ok()?;
    let scope = scope.parse().ok().or_else(|| index(scope))?;
    Some(SocketAddrV6::new(address, PORT, 0, scope).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found = servers(text, |name| (name == "eth0").then_some(7));
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn servers_are_taken_in_order_and_all_else_is_passed_over() {
        check(
            "# by hand\nsearch a b\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 # second\n; x\noptions ndots:2",
            &["192.0.2.1:53", "[2001:db8::1]:53"],
        );
        check("nameserver 127.0.0.53", &["127.0.0.53:53"]);
        check("", &[]);
    }

    #[test]
    fn a_link_local_server_keeps_its_interface() {
        check(
            "nameserver fe80::1%eth0\nnameserver fe80::2%3\nnameserver fe80::3%gone",
            &["[fe80::1%7]:53", "[fe80::2%3]:53"],
        );
    }

    #[test]
    fn what_is_no_address_is_passed_over_and_the_fourth_is_not_asked() {
        let text = "nameserver\nnameserver dns.example\nnameserver 1.1.1\nnameserverx 192.0.2.9\n#nameserver 192.0.2.8\n\
                    nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4";
        check(text, &["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"]);
    }
}
