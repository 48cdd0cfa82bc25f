//! What the kernel remembers of flows (conntrack): a flow goes on as it began, whatever ports are published since.
//!
//! TCP begins anew by itself. UDP and SCTP do not: a client that sends on would meet a host where nobody listens, or a
//! container that is no more. `include/uapi/linux/netfilter/nfnetlink_conntrack.h`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use netd_model::{attachment::PublishedPort, element::Transport, object::State};
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::{AF_INET, AF_INET6, address},
    wire::{Attributes, Body, Fault, NESTED, NLM_F_DUMP, Requests, array, u8_of},
};

/// `NFNL_SUBSYS_CTNETLINK`, in the upper byte of every kind of message.
const CTNETLINK: u16 = 1 << 8;
const IPCTNL_MSG_CT_GET: u16 = CTNETLINK + 1;
const IPCTNL_MSG_CT_DELETE: u16 = CTNETLINK + 2;

/// `struct nfgenmsg`.
const HEADER: usize = 4;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_F_PROTO_NUM: u32 = 1 << 3;
const CTA_FILTER_F_PROTO_DST_PORT: u32 = 1 << 5;

/// One flow, as far as it is looked at.
#[derive(Debug)]
struct Flow {
    /// Where its first packet was sent.
    asked: SocketAddr,
    /// Where the answers come from.
    answers: SocketAddr,
    /// What it is found by again, as the kernel said it.
    known_by: Vec<(u16, Vec<u8>)>,
}

/// Which flows are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    /// Those to a port that is published now, but for those that go where it leads.
    Elsewhere,
    /// Those that went by a port that is published no more.
    There,
}

impl Kernel {
    /// Forgets flows that began before these ports were published.
    ///
    /// # Errors
    /// The kernel cannot be asked. One without conntrack netlink remembers nothing that could be forgotten.
    pub fn forget_flows_before(&mut self, published: &State) -> Result<(), Error> {
        self.forget_flows(published, Stale::Elsewhere)
    }

    /// Forgets flows that went by these ports, which are published no more.
    pub fn forget_flows_by(&mut self, published: &State) -> Result<(), Error> {
        self.forget_flows(published, Stale::There)
    }

    /// One look at all flows for each protocol of each family: the kernel walks through all of them whatever it is asked.
    fn forget_flows(&mut self, published: &State, stale: Stale) -> Result<(), Error> {
        let ports: Vec<PublishedPort> = published.iter().filter_map(PublishedPort::of).collect();
        for (family, is_ipv4) in [(AF_INET, true), (AF_INET6, false)] {
            for transport in [Transport::Udp, Transport::Sctp] {
                let is_asked = |port: &&PublishedPort| port.transport == transport && port.to.is_ipv4() == is_ipv4;
                let asked: Vec<&PublishedPort> = ports.iter().filter(is_asked).collect();
                if !asked.is_empty() {
                    self.forget_of(family, transport, &asked, stale)?;
                }
            }
        }
        Ok(())
    }

    fn forget_of(
        &mut self,
        family: u8,
        transport: Transport,
        ports: &[&PublishedPort],
        stale: Stale,
    ) -> Result<(), Error> {
        let mut requests = Requests::new();
        let only = if let [port] = ports { Some(port.at.port()) } else { None };
        requests.push(IPCTNL_MSG_CT_GET, NLM_F_DUMP, |body| filter(body, family, transport, only));
        let is_stale = |flow: &Flow| {
            let of_flow = ports.iter().filter(|port| flow.is_to(port.at));
            let mut led = of_flow.map(|port| port.to == flow.answers).peekable();
            led.peek().is_some()
                && match stale {
                    Stale::Elsewhere => led.all(|is_there| !is_there),
                    Stale::There => led.any(|is_there| is_there),
                }
        };
        let read = |body: &[u8]| Flow::read(body, transport).filter(is_stale);
        let mut flows = match self.nft()?.dump(&mut requests, read) {
            Ok(flows) => flows,
            // Nobody has registered for conntrack.
            Err(Fault::Refused(_, refusal)) if matches!(refusal.errno, Errno::INVAL | Errno::OPNOTSUPP) => {
                return Ok(());
            }
            Err(fault) => return Err(Error::at(fault, |_| format!("conntrack -L -p {transport}"))),
        };
        if stale == Stale::Elsewhere && !flows.is_empty() {
            // The same port of other hosts is theirs.
            let ours = self.all_addresses()?;
            flows.retain(|flow| flow.asked.ip().is_loopback() || ours.contains(&flow.asked.ip()));
        }
        let mut requests = Requests::new();
        for flow in &flows {
            requests.push_forgiving(IPCTNL_MSG_CT_DELETE, 0, &[Errno::NOENT], |body| {
                body.fixed(&[family, 0, 0, 0]);
                for (kind, value) in &flow.known_by {
                    body.bytes(*kind, value);
                }
            });
        }
        let attempt = |_| format!("conntrack -D -p {transport}");
        self.nft()?.change(&mut requests).map_err(|fault| Error::at(fault, attempt))
    }

    /// All addresses of the host.
    fn all_addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        let mut requests = Requests::new();
        address::get_all(&mut requests);
        let found = self.host.socket()?.dump(&mut requests, address::Found::read);
        let found = found.map_err(|fault| Error::at(fault, |_| "ip address show".to_owned()))?;
        Ok(found.into_iter().map(|found| found.address.ip()).collect())
    }
}

impl Flow {
    /// Whether it was sent to the port.
    fn is_to(&self, at: SocketAddr) -> bool {
        self.asked.port() == at.port() && (at.ip().is_unspecified() || at.ip() == self.asked.ip())
    }

    fn read(body: &[u8], transport: Transport) -> Option<Self> {
        let attributes = Attributes::after(body, HEADER);
        let (asked, answers) = (attributes.find(CTA_TUPLE_ORIG)?, attributes.find(CTA_TUPLE_REPLY)?);
        // A kernel before 5.8 knows no filter.
        let protocol = Attributes::of(Attributes::of(asked).find(CTA_TUPLE_PROTO)?).find(CTA_PROTO_NUM)?;
        if u8_of(protocol) != Some(transport.number()) {
            return None;
        }
        let known_by = [(CTA_TUPLE_ORIG, NESTED), (CTA_ID, 0), (CTA_ZONE, 0)];
        let known_by =
            known_by.into_iter().filter_map(|(kind, flag)| Some((kind | flag, attributes.find(kind)?.to_vec())));
        Some(Self { asked: end(asked, 1)?, answers: end(answers, 0)?, known_by: known_by.collect() })
    }
}

/// Address and port of the source (0) or the destination (1) of a tuple.
fn end(tuple: &[u8], which: u16) -> Option<SocketAddr> {
    let parts = Attributes::of(tuple);
    let addresses = Attributes::of(parts.find(CTA_TUPLE_IP)?);
    let protocol = Attributes::of(parts.find(CTA_TUPLE_PROTO)?);
    let ipv4 = addresses.find(CTA_IP_V4_SRC + which).and_then(array::<4>).map(IpAddr::from);
    let ipv6 = || addresses.find(CTA_IP_V6_SRC + which).and_then(array::<16>).map(IpAddr::from);
    let port = protocol.find(CTA_PROTO_SRC_PORT + which).and_then(array).map(u16::from_be_bytes)?;
    Some(SocketAddr::new(ipv4.or_else(ipv6)?, port))
}

/// Flows of a protocol, to one port where only one is asked for.
fn filter(body: &mut Body<'_>, family: u8, transport: Transport, port: Option<u16>) {
    let flags = CTA_FILTER_F_PROTO_NUM | port.map_or(0, |_| CTA_FILTER_F_PROTO_DST_PORT);
    body.fixed(&[family, 0, 0, 0]);
    body.nest(NESTED | CTA_TUPLE_ORIG, |body| {
        body.nest(NESTED | CTA_TUPLE_PROTO, |body| {
            body.u8(CTA_PROTO_NUM, transport.number());
            if let Some(port) = port {
                body.bytes(CTA_PROTO_DST_PORT, &port.to_be_bytes());
            }
        });
    });
    body.nest(NESTED | CTA_FILTER, |body| {
        body.u32(CTA_FILTER_ORIG_FLAGS, flags);
    });
}
