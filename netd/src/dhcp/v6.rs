//! `DHCPv6` as a client speaks it: what is sent and what is read, as a pure function of the lease. RFC 8415.
//!
//! One address (`IA_NA`) for each interface. Routers are not said by it: they advertise themselves.

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use dhcproto::{
    Decodable, Decoder, Encodable,
    v6::{
        CLIENT_PORT, DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, ORO, OptionCode, SERVER_PORT, Status,
    },
};
use etherparse::PacketBuilder;
use netd_model::{
    IpNetwork,
    dhcp::{Lease, Octets, Terms, Wish},
};

use super::{domain_name, phase::Spans};

/// The port that answers come to.
pub(super) const PORT: u16 = CLIENT_PORT;

/// All servers and relays on the link.
pub(super) const SERVERS: (Ipv6Addr, u16) = (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), SERVER_PORT);

/// The hardware address of that group, RFC 2464, 7.
const SERVERS_MAC: [u8; 6] = [0x33, 0x33, 0, 1, 0, 2];

/// The one association of an interface: clients of other interfaces have other identifiers.
const ASSOCIATION: u32 = 1;

const HOP_LIMIT: u8 = 1;

/// The most servers and domains.
const MOST: usize = 64;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say<'l> {
    /// Which server has an address, best this one?
    Solicit(Option<Ipv6Addr>),
    /// I take what this server offered.
    Request(&'l Lease),
    /// May I keep it? For the server that gave it.
    Renew(&'l Lease),
    /// May I keep it? For all servers.
    Rebind(&'l Lease),
    /// I need it no more.
    Release(&'l Lease),
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// It has an address.
    Advertise(Given),
    /// It is the client's.
    Give(Given),
    /// It is not.
    Refuse,
}

/// What a server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// The server's DUID.
    pub(super) server: Octets,
    /// Address and names.
    pub(super) terms: Terms,
    /// For how long.
    pub(super) spans: Spans,
}

/// The message in which a client says so, `elapsed` after it began to.
pub(super) fn message(wish: &Wish, xid: u32, elapsed: Duration, say: Say<'_>) -> Vec<u8> {
    let (kind, lease, address) = match say {
        Say::Solicit(wanted) => (MessageType::Solicit, None, wanted),
        Say::Request(lease) => (MessageType::Request, Some(lease), address(lease)),
        Say::Renew(lease) => (MessageType::Renew, Some(lease), address(lease)),
        Say::Rebind(lease) => (MessageType::Rebind, None, address(lease)),
        Say::Release(lease) => (MessageType::Release, Some(lease), address(lease)),
    };
    let mut message = Message::new(kind);
    message.set_xid_num(xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(client(wish)));
    if let Some(lease) = lease {
        options.insert(DhcpOption::ServerId(lease.server.as_slice().to_vec()));
    }
    let hundredths = u16::try_from(elapsed.as_millis() / 10).unwrap_or(u16::MAX);
    options.insert(DhcpOption::ElapsedTime(hundredths));
    let mut association = IANA { id: ASSOCIATION, t1: 0, t2: 0, opts: DhcpOptions::new() };
    if let Some(addr) = address {
        let address = IAAddr { addr, preferred_life: 0, valid_life: 0, opts: DhcpOptions::new() };
        association.opts.insert(DhcpOption::IAAddr(address));
    }
    options.insert(DhcpOption::IANA(association));
    if kind != MessageType::Release {
        let opts = vec![OptionCode::DomainNameServers, OptionCode::DomainSearchList];
        options.insert(DhcpOption::ORO(ORO { opts }));
    }
    message.to_vec().unwrap_or_default()
}

/// The frame that gives an address back, from the interface's own address.
pub(super) fn release(lease: &Lease, xid: u32, own: Ipv6Addr) -> Vec<u8> {
    let message = message(&lease.wish, xid, Duration::ZERO, Say::Release(lease));
    let (group, port) = SERVERS;
    let builder = PacketBuilder::ethernet2(lease.wish.mac.octets(), SERVERS_MAC);
    let builder = builder.ipv6(own.octets(), group.octets(), HOP_LIMIT).udp(CLIENT_PORT, port);
    let mut frame = Vec::new();
    // Into memory, and far below the longest packet: it cannot fail.
    drop(builder.write(&mut frame, &message));
    frame
}

/// What a message says to a client in this exchange; nothing where it says nothing that can be used.
pub(super) fn read(wish: &Wish, xid: u32, octets: &[u8]) -> Option<Reply> {
    let message = Message::decode(&mut Decoder::new(octets)).ok()?;
    let options = message.opts();
    let is_for_us = message.xid_num() == xid
        && matches!(options.get(OptionCode::ClientId), Some(DhcpOption::ClientId(found)) if *found == client(wish));
    let Some(DhcpOption::ServerId(server)) = options.get(OptionCode::ServerId).filter(|_| is_for_us) else {
        return None;
    };
    let given = given(options).filter(|_| is_success(options));
    let given = given.map(|(terms, spans)| Given { server: server.clone().into(), terms, spans });
    match message.msg_type() {
        MessageType::Advertise => given.map(Reply::Advertise),
        MessageType::Reply => Some(given.map_or(Reply::Refuse, Reply::Give)),
        _ => None,
    }
}

/// The address of our association, and for how long; nothing where the server gives none.
fn given(options: &DhcpOptions) -> Option<(Terms, Spans)> {
    let associations = options.get_all(OptionCode::IANA).unwrap_or_default();
    let association = associations.iter().find_map(|option| match option {
        DhcpOption::IANA(association) if association.id == ASSOCIATION && is_success(&association.opts) => {
            Some(association)
        }
        _ => None,
    })?;
    let given = association.opts.get_all(OptionCode::IAAddr)?.iter().find_map(|option| match option {
        DhcpOption::IAAddr(given) if given.valid_life > 0 && is_success(&given.opts) => Some(given),
        _ => None,
    })?;
    let is_usable = !given.addr.is_unspecified() && !given.addr.is_multicast() && !given.addr.is_loopback();
    let address = Some(IpNetwork::from(IpAddr::V6(given.addr))).filter(|_| is_usable)?;
    let said = |seconds: u32| Some(seconds).filter(|seconds| *seconds > 0);
    let spans = Spans::new(given.valid_life, said(association.t1), said(association.t2))?;
    let (nameservers, search) = (nameservers(options), search(options));
    let terms = Terms { address, router: None, routes: Vec::new(), nameservers, domain: String::new(), search };
    Some((terms, spans))
}

fn nameservers(options: &DhcpOptions) -> Vec<IpAddr> {
    match options.get(OptionCode::DomainNameServers) {
        Some(DhcpOption::DomainNameServers(servers)) => servers.iter().take(MOST).copied().map(IpAddr::V6).collect(),
        _ => Vec::new(),
    }
}

fn search(options: &DhcpOptions) -> Vec<String> {
    match options.get(OptionCode::DomainSearchList) {
        Some(DhcpOption::DomainSearchList(names)) => {
            names.iter().take(MOST).filter_map(|name| domain_name(&name.to_ascii())).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether no status says otherwise.
fn is_success(options: &DhcpOptions) -> bool {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => code.status == Status::Success,
        _ => true,
    }
}

/// The client's identifier (DUID-UUID, RFC 6355): a function of the attachment, so that it stays the same for ever.
fn client(wish: &Wish) -> Vec<u8> {
    const UUID: [u8; 2] = [0, 4];
    [UUID.as_slice(), wish.digest().as_slice()].concat()
}

fn address(lease: &Lease) -> Option<Ipv6Addr> {
    match lease.terms.address.ip() {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}
