//! `DHCPv4` as a client speaks it: what is sent and what is read, as a pure function of the lease. RFC 2131.
//!
//! dhcproto encodes and decodes. The state machine is ours: of the libraries that have one, mozim (netavark's) sends no
//! option that its caller chooses, takes no DHCPNAK to a renewal for an answer, asks for a renewal in the words of a
//! first request, and gives a lease up that no server confirms after a restart, though hours of it are left.

mod terms;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use dhcproto::{
    Encodable,
    v4::{
        CLIENT_PORT, DhcpOption, Flags, Message, MessageType, OptionCode, SERVER_PORT, UnknownOption,
        borrowed::Message as Received,
    },
};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use netd_model::{
    addr::Mac,
    dhcp::{Lease, Octets, Terms, Wish},
};

use super::phase::Spans;

/// The port that answers come to.
pub(super) const PORT: u16 = CLIENT_PORT;

/// The longest message that we take, RFC 2132, 9.10: what fits into a frame.
const LONGEST: u16 = 1472;

const TIME_TO_LIVE: u8 = 64;

const EVERYBODY: [u8; 6] = [0xff; 6];

/// The options of a message by number; one that came in parts is whole.
type Options = BTreeMap<u8, Vec<u8>>;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say<'l> {
    /// Which server has an address, best this one?
    Discover(Option<Ipv4Addr>),
    /// I take what this server offered.
    Request(&'l Lease),
    /// May I keep it? To the server that gave it.
    Renew(&'l Lease),
    /// May I keep it? To all servers.
    Rebind(&'l Lease),
    /// Is it still mine? To all servers, by a client that does not know.
    Reboot(&'l Lease),
    /// I need it no more.
    Release(&'l Lease),
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// It has an address.
    Offer(Given),
    /// It is the client's.
    Acknowledge(Given),
    /// It is not.
    Refuse,
}

/// What a server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// The server's identifier.
    pub(super) server: Ipv4Addr,
    /// Who sent the frame.
    pub(super) mac: Option<Mac>,
    /// Address, routes and names.
    pub(super) terms: Terms,
    /// For how long.
    pub(super) spans: Spans,
}

/// The frame in which a client says so, `elapsed` after it began to.
pub(super) fn frame(wish: &Wish, xid: u32, elapsed: Duration, say: Say<'_>) -> Vec<u8> {
    let message = message(wish, xid, elapsed, say).to_vec().unwrap_or_default();
    let mac = wish.mac.octets();
    let (from, to, to_mac) = match say {
        Say::Discover(_) | Say::Request(_) | Say::Reboot(_) => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, EVERYBODY),
        Say::Rebind(lease) => (address(lease), Ipv4Addr::BROADCAST, EVERYBODY),
        // Where the frame's way is not known, everybody hears it, and the server takes it by its own address.
        Say::Renew(lease) | Say::Release(lease) => {
            (address(lease), server(lease), lease.server_mac.map_or(EVERYBODY, Mac::octets))
        }
    };
    let builder = PacketBuilder::ethernet2(mac, to_mac).ipv4(from.octets(), to.octets(), TIME_TO_LIVE);
    let mut frame = Vec::new();
    // Into memory, and far below the longest packet: it cannot fail.
    drop(builder.udp(CLIENT_PORT, SERVER_PORT).write(&mut frame, &message));
    frame
}

/// What a frame says to a client with this hardware address in this exchange; nothing where it says nothing that can be
/// used.
pub(super) fn read(wish: &Wish, xid: u32, frame: &[u8]) -> Option<Reply> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(NetSlice::Ipv4(_)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else {
        return None;
    };
    let message = Received::new(udp.payload()).ok()?;
    let is_for_us = message.opcode() == dhcproto::v4::Opcode::BootReply
        && message.xid() == xid
        // The length first: it says how much is read as the address.
        && message.hlen() == 6
        && message.chaddr() == wish.mac.octets();
    if !is_for_us {
        return None;
    }
    let options: Options = message.opts().map(|option| (option.code().into(), option.data().to_vec())).collect();
    let kind = match options.get(&u8::from(OptionCode::MessageType))?.as_slice() {
        [kind] => MessageType::from(*kind),
        _ => return None,
    };
    if kind == MessageType::Nak {
        return Some(Reply::Refuse);
    }
    let given = Given {
        server: terms::address(&options, OptionCode::ServerIdentifier)?,
        mac: frame.get(6..12).and_then(|mac| <[u8; 6]>::try_from(mac).ok()).and_then(|mac| mac.try_into().ok()),
        terms: terms::terms(message.yiaddr(), &options)?,
        spans: terms::spans(&options)?,
    };
    match kind {
        MessageType::Offer => Some(Reply::Offer(given)),
        MessageType::Ack => Some(Reply::Acknowledge(given)),
        _ => None,
    }
}

fn message(wish: &Wish, xid: u32, elapsed: Duration, say: Say<'_>) -> Message {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, none, none, none, none, &wish.mac.octets());
    message.set_secs(elapsed.as_secs().try_into().unwrap_or(u16::MAX));
    if wish.broadcast {
        message.set_flags(Flags::default().set_broadcast());
    }
    let kind = match say {
        Say::Discover(_) => MessageType::Discover,
        Say::Release(_) => MessageType::Release,
        Say::Request(_) | Say::Renew(_) | Say::Rebind(_) | Say::Reboot(_) => MessageType::Request,
    };
    if let Say::Renew(lease) | Say::Rebind(lease) | Say::Release(lease) = say {
        message.set_ciaddr(address(lease));
    }
    let options = message.opts_mut();
    let client = [&[0], wish.client().as_slice()].concat();
    options.insert(DhcpOption::ClientIdentifier(client));
    if !matches!(say, Say::Release(_)) {
        options.insert(DhcpOption::MaxMessageSize(LONGEST));
        let request = wish.request.iter().map(|code| OptionCode::from(*code)).collect::<Vec<_>>();
        options.insert(DhcpOption::ParameterRequestList(request));
    }
    for (code, value) in &wish.provide {
        // What belongs to the exchange itself is said below.
        options.remove(OptionCode::from(*code));
        let value = UnknownOption::new(OptionCode::Unknown(*code), value.as_slice().to_vec());
        options.insert(DhcpOption::Unknown(value));
    }
    options.insert(DhcpOption::MessageType(kind));
    match say {
        Say::Discover(Some(wanted)) => drop(options.insert(DhcpOption::RequestedIpAddress(wanted))),
        Say::Request(lease) | Say::Reboot(lease) => {
            options.insert(DhcpOption::RequestedIpAddress(address(lease)));
        }
        _ => {}
    }
    if let Say::Request(lease) | Say::Release(lease) = say {
        options.insert(DhcpOption::ServerIdentifier(server(lease)));
    }
    message
}

fn address(lease: &Lease) -> Ipv4Addr {
    match lease.terms.address.ip() {
        std::net::IpAddr::V4(address) => address,
        std::net::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

fn server(lease: &Lease) -> Ipv4Addr {
    <[u8; 4]>::try_from(lease.server.as_slice()).map_or(Ipv4Addr::BROADCAST, Ipv4Addr::from)
}

/// The server's identifier as a document has it.
pub(super) fn identifier(server: Ipv4Addr) -> Octets {
    server.octets().to_vec().into()
}
