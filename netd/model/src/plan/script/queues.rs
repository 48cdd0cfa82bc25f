//! Queueing disciplines and filters as lines of tc(8).

use crate::object::{Filter, Packets, Place, Qdisc, QdiscKind, Verdict, bytes_in};

pub(super) fn qdisc_text(qdisc: &Qdisc, verb: &str) -> String {
    let Qdisc { link, kind, .. } = qdisc;
    let place = match qdisc.place() {
        Place::Root => "root",
        Place::Filters => kind.word(),
    };
    match kind {
        QdiscKind::Tbf { rate, limit, buffer } if verb == "add" => {
            let (bits, burst) = (rate.saturating_mul(8), bytes_in(*rate, *buffer));
            format!("tc qdisc add dev {link} root handle 1: tbf rate {bits}bit burst {burst} limit {limit}")
        }
        QdiscKind::Other(word) if verb == "add" => format!("tc qdisc add dev {link} root {word}"),
        _ => format!("tc qdisc {verb} dev {link} {place}"),
    }
}

pub(super) fn filter_text(filter: &Filter, verb: &str) -> String {
    let Filter { link, direction, priority, packets, verdict, .. } = filter;
    let direction = direction.word();
    if verb == "delete" {
        return format!("tc filter delete dev {link} {direction} pref {priority}");
    }
    let (ip, protocol) = match packets.subnet() {
        Some(subnet) if subnet.is_ipv4() => ("ip", "ip"),
        Some(_) => ("ip6", "ipv6"),
        None => ("", "all"),
    };
    let packets = match packets {
        Packets::From(subnet) => format!("match {ip} src {subnet}"),
        Packets::To(subnet) => format!("match {ip} dst {subnet}"),
        Packets::All | Packets::Other => "match u32 0 0".to_owned(),
    };
    let verdict = match verdict {
        Verdict::Redirect(to) => format!(" action mirred egress redirect dev {to}"),
        Verdict::Pass | Verdict::Other => String::new(),
    };
    let place = format!("dev {link} {direction} protocol {protocol} pref {priority}");
    format!("tc filter add {place} handle ::800 u32 {packets} flowid 1:1{verdict}")
}
