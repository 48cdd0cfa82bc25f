//! A plan as a script of the tools that people know: it is shown, and tests read it.

mod queues;

use std::fmt;

use super::{Plan, Step};
use std::net::IpAddr;

use crate::{
    name::LinkName,
    object::{
        Address, Admin, Conditions, Fdb, Gate, Link, LinkKind, Moved, Neighbour, Object, Opening, Port, Route, Rule,
        Side, Vlan,
    },
    overlay::Vni,
};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing to do");
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(object) => object_line(f, object, "add"),
            Self::Delete(object) => object_line(f, object, "delete"),
            Self::AddPair(host, peer) => {
                write!(f, "{}ip link add{}", side(host.side), attributes(host))?;
                write!(f, " type veth peer{} in {}", attributes(peer), side(peer.side).trim_end())
            }
            Self::Set(link) => {
                write!(f, "{}ip link set{}", side(link.side), attributes(link))?;
                if let LinkKind::Bridge { vlan_filtering: Some(filtering) } = link.kind {
                    write!(f, " type bridge vlan_filtering {}", u8::from(filtering))?;
                }
                Ok(())
            }
        }
    }
}

fn object_line(f: &mut fmt::Formatter<'_>, object: &Object, verb: &str) -> fmt::Result {
    write!(f, "{}", side(object.side()))?;
    match object {
        Object::Program(program) => {
            write!(f, "nft {verb} table {} netd # version {}", program.family.word(), program.version)
        }
        Object::Conditions(Conditions { chain, rule: None }) => write!(f, "nft {verb} chain inet netd {chain}"),
        Object::Conditions(Conditions { chain, rule: Some(rule) }) => {
            let rule = format!("add rule inet netd {chain} {rule} goto translate comment \"netd {chain}\"");
            write!(f, "nft '{verb} chain inet netd {chain}; {rule}'")
        }
        Object::Admin(Admin { chain }) => {
            write!(f, "nft '{verb} chain inet netd {chain}; {verb} rule inet netd admin jump {chain}' # and policies")
        }
        Object::Opening(opening) => f.write_str(&opening_text(opening, verb)),
        Object::Element(element) => {
            let (family, set) = (element.key.set.family().word(), element.key.set.name());
            write!(f, "nft {verb} element {family} netd {set} {{ {element} }} # {}", element.owner)
        }
        Object::Sysctl(sysctl) => write!(f, "sysctl {}={}", sysctl.path, sysctl.value),
        Object::Link(link) if verb == "delete" => write!(f, "ip link delete dev {}", link.name),
        Object::Link(link) => {
            if let LinkKind::Tap { .. } = link.kind {
                return write!(f, "ip tuntap add mode tap{}{}", attributes(link), kind_text(&link.kind));
            }
            let parent = link.kind.parent().map(|parent| parent_text(link.side, parent)).unwrap_or_default();
            let (attributes, word) = (attributes(link), link.kind.word());
            write!(f, "ip link add{parent}{attributes} type {word}{}", kind_text(&link.kind))
        }
        Object::Vlan(vlan) => write!(f, "bridge vlan {verb} {}", vlan_text(vlan)),
        Object::Point(Address { link, address, .. }) => {
            let nodad = if address.is_ipv6() && verb == "add" { " nodad" } else { "" };
            let alone = if verb == "add" { " noprefixroute" } else { "" };
            write!(f, "ip address {verb} {address} dev {link}{nodad}{alone}")
        }
        Object::Address(Address { link, address, detect_duplicates, deprecated, .. }) => {
            let says = |word, is_so: bool| if address.is_ipv6() && is_so && verb == "add" { word } else { "" };
            let (nodad, deprecated) = (says(" nodad", !detect_duplicates), says(" preferred_lft 0", *deprecated));
            write!(f, "ip address {verb} {address} dev {link}{nodad}{deprecated}")
        }
        Object::Neighbour(Neighbour { link, address, mac }) if verb == "add" => {
            write!(f, "ip neighbour replace {address} lladdr {mac} dev {link} nud permanent")
        }
        Object::Neighbour(Neighbour { link, address, .. }) => write!(f, "ip neighbour delete {address} dev {link}"),
        Object::Fdb(fdb) => f.write_str(&fdb_text(fdb, verb)),
        Object::Route(route) => write!(f, "ip route {verb} {}", route_text(route)),
        Object::Rule(Rule { source, table, .. }) => {
            let family = if source.is_ipv6() { " -6" } else { "" };
            write!(f, "ip{family} rule {verb} from {source} table {table}")
        }
        Object::Moved(moved) => f.write_str(&moved_text(moved, verb)),
        Object::Qdisc(qdisc) => f.write_str(&queues::qdisc_text(qdisc, verb)),
        Object::Filter(filter) => f.write_str(&queues::filter_text(filter, verb)),
    }
}

fn opening_text(opening: &Opening, verb: &str) -> String {
    let Opening { gate, link } = opening;
    let (iptables, way) = match gate {
        Gate::DockerUser4(way) => ("iptables", *way),
        Gate::DockerUser6(way) => ("ip6tables", *way),
        Gate::Firewalld(zone) => {
            let verb = if verb == "add" { "add" } else { "remove" };
            return format!("firewall-cmd --zone={zone} --{verb}-interface={link}");
        }
    };
    let verb = if verb == "add" { "-I" } else { "-D" };
    // A comment has spaces.
    let words = opening.rule(way).into_iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { word });
    format!("{iptables} {verb} DOCKER-USER {}", words.collect::<Vec<_>>().join(" "))
}

/// Of an interface below: its name, and where it is if that is elsewhere.
fn parent_text(own: Side, (side, name): &(Side, LinkName)) -> String {
    let elsewhere = if *side == own { "" } else { " in host" };
    format!(" link {name}{elsewhere}")
}

fn moved_text(Moved { mark, home, name, .. }: &Moved, verb: &str) -> String {
    if verb == "delete" {
        return format!("ip link set dev {mark} netns host name {home}");
    }
    format!("ip link property add dev {home} altname {mark} && ip link set dev {mark} netns container name {name}")
}

/// What only one kind has.
fn kind_text(kind: &LinkKind) -> String {
    let say = |word: &str, value: Option<String>| value.map(|value| format!(" {word} {value}")).unwrap_or_default();
    let number = |value: &Option<u32>| value.map(|value| value.to_string());
    match kind {
        LinkKind::Bridge { vlan_filtering } => {
            say("vlan_filtering", vlan_filtering.map(|filtering| u8::from(filtering).to_string()))
        }
        LinkKind::Vxlan { vni, local, port, learning } => vxlan_text(*vni, *local, *port, *learning),
        LinkKind::Macvlan { mode, queue, .. } => {
            say("mode", mode.map(|mode| mode.word().to_owned())) + &say("bcqueuelen", number(queue))
        }
        LinkKind::Ipvlan { mode, .. } => say("mode", mode.map(|mode| mode.word().to_owned())),
        LinkKind::Vlan { id, .. } => say("id", id.map(|id| id.to_string())),
        LinkKind::Vrf { table } => say("table", number(table)),
        LinkKind::Tap { owner, group, multi_queue, .. } => {
            let queues = if *multi_queue == Some(true) { " multi_queue" } else { "" };
            say("user", number(owner)) + &say("group", number(group)) + queues
        }
        _ => String::new(),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Host => "host       ",
        Side::Container => "container  ",
    }
}

fn attributes(link: &Link) -> String {
    let switch = |on: bool| if on { "on" } else { "off" };
    let mut text = format!(" dev {}", link.name);
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            text.extend([" ", word, " ", &value]);
        }
    };
    say("address", link.mac.map(|mac| mac.to_string()));
    say("mtu", link.mtu.map(|mtu| mtu.to_string()));
    say("group", link.group.map(|group| if link.is_ours() { "netd".to_owned() } else { group.to_string() }));
    say("alias", link.alias.clone());
    say("promisc", link.promiscuous.map(|on| switch(on).to_owned()));
    say("allmulticast", link.all_multicast.map(|on| switch(on).to_owned()));
    say("txqueuelen", link.queue_length.map(|length| length.to_string()));
    say("addrgenmode", link.link_local.map(|on| if on { "eui64" } else { "none" }.to_owned()));
    say("tx", link.checksum_offload.map(|on| switch(on).to_owned()));
    if let Some(Port { bridge, hairpin, isolated }) = &link.port {
        say("master", Some(bridge.to_string()));
        say("hairpin", hairpin.map(|on| switch(on).to_owned()));
        say("isolated", isolated.map(|on| switch(on).to_owned()));
    }
    if let Some(up) = link.up {
        text.push_str(if up { " up" } else { " down" });
    }
    text
}

fn vxlan_text(vni: Option<Vni>, local: Option<IpAddr>, port: Option<u16>, learning: Option<bool>) -> String {
    let words = [
        vni.map(|vni| format!(" id {vni}")),
        local.map(|local| format!(" local {local}")),
        port.map(|port| format!(" dstport {port}")),
    ];
    let learning = if learning == Some(true) { " learning" } else { " nolearning" };
    words.into_iter().flatten().chain([learning.to_owned()]).collect()
}

fn fdb_text(fdb: &Fdb, verb: &str) -> String {
    let mac = fdb.mac.map_or_else(|| "00:00:00:00:00:00".to_owned(), |mac| mac.to_string());
    let verb = match (verb, fdb.mac) {
        ("add", Some(_)) => "replace",
        ("add", None) => "append",
        _ => "delete",
    };
    format!("bridge fdb {verb} {mac} dev {} dst {} self permanent", fdb.link, fdb.destination)
}

fn vlan_text(vlan: &Vlan) -> String {
    let pvid = if vlan.pvid { " pvid" } else { "" };
    let untagged = if vlan.untagged { " untagged" } else { "" };
    format!("dev {} vid {}{pvid}{untagged}", vlan.port, vlan.vid)
}

fn route_text(route: &Route) -> String {
    let mut text = match route.destination {
        destination if destination.prefix() == 0 && destination.is_ipv4() => "default".to_owned(),
        destination => destination.to_string(),
    };
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            text.extend([" ", word, " ", &value]);
        }
    };
    say("via", route.gateway.map(|gateway| gateway.to_string()));
    say("dev", Some(route.link.to_string()));
    if route.onlink {
        text.push_str(" onlink");
    }
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            text.extend([" ", word, " ", &value]);
        }
    };
    say("table", route.table.map(|table| table.to_string()));
    say("metric", route.priority.map(|priority| priority.to_string()));
    say("scope", route.scope.map(|scope| scope.to_string()));
    say("mtu", route.mtu.map(|mtu| mtu.to_string()));
    say("advmss", route.advmss.map(|advmss| advmss.to_string()));
    text
}
