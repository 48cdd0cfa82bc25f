//! One exchange with servers, over a socket that is there for it alone: to get a lease, or to go on with one.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use netd_kernel::{Netns, Talk};
use netd_model::dhcp::{Family, Lease, Octets, Stage, Terms, VERSION, Wish};
use netd_store::{Store, uptime};

use super::{
    line::Line,
    phase::{Phase, Spans},
    v4, v6,
};
use crate::logs::chain;

/// The pause before a server that refused what it had offered is asked again.
const REFUSED: Duration = Duration::from_secs(1);

/// Why there is no lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The container, or its interface, is no more.
    Gone(String),
    /// A server says that the address is not the client's.
    Refused,
    /// No server says anything.
    Silent(String),
}

/// A client that speaks over an interface.
pub(super) struct Client<'w> {
    wish: &'w Wish,
    boot: &'w str,
    line: Line,
    /// The interface's own address; of `DHCPv6` alone.
    own: Option<Ipv6Addr>,
    xid: u32,
}

/// What of a server's words makes a lease.
struct Given {
    server: Octets,
    mac: Option<netd_model::addr::Mac>,
    terms: Terms,
    spans: Spans,
}

/// What was heard.
enum Heard {
    Given(Given),
    Refused,
}

impl<'w> Client<'w> {
    /// Opens a socket in the container.
    pub(super) fn open(wish: &'w Wish, family: Family, boot: &'w str) -> Result<Self, Failure> {
        let path = &wish.netns.path;
        let netns = Netns::open(path).map_err(|error| Failure::Gone(chain(&error)))?;
        let is_same = |netns: &Netns| *netns.identity() == wish.netns;
        let gone = || Failure::Gone(format!("{} is no more the namespace that it was", path.display()));
        let netns = netns.filter(is_same).ok_or_else(gone)?;
        let link = &wish.id.ifname;
        let failed = |error: netd_kernel::Error| match &error {
            netd_kernel::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Failure::Gone(chain(&error))
            }
            _ => Failure::Silent(chain(&error)),
        };
        let (socket, own, to) = match family {
            Family::Ipv4 => (netns.frames(link, Some(v4::PORT)).map_err(failed)?, None, None),
            Family::Ipv6 => {
                let Talk { socket, own, to } = netns.neighbours(link, v6::PORT, v6::SERVERS).map_err(failed)?;
                (socket.into(), Some(own), Some(to))
            }
        };
        let socket = Line::new(socket, to).map_err(|error| Failure::Silent(error.to_string()))?;
        Ok(Self { wish, boot, line: socket, own, xid: fastrand::u32(1..1 << 24) })
    }

    /// Gets a lease, best of the address `wanted`. It is recorded before the server is told that it is taken.
    pub(super) async fn acquire(
        &self,
        wanted: Option<IpAddr>,
        until: Instant,
        store: &Store,
    ) -> Result<Lease, Failure> {
        loop {
            let asked = self.discover(wanted, until).await?;
            let recorded = store.write_dhcp_lease(&asked);
            recorded.map_err(|error| Failure::Silent(chain(&error)))?;
            match self.request(&asked, until).await {
                // It would offer the same again, as fast as we ask.
                Err(Failure::Refused) => tokio::time::sleep(REFUSED).await,
                taken => return taken,
            }
        }
    }

    /// Asks whether the client may go on with a lease.
    pub(super) async fn extend(&self, lease: &Lease, phase: Phase, until: Instant) -> Result<Lease, Failure> {
        let heard = match lease.family {
            Family::Ipv4 => {
                let say = match phase {
                    Phase::Rest(_) | Phase::Renew => v4::Say::Renew(lease),
                    Phase::Rebind => v4::Say::Rebind(lease),
                    Phase::Lost => v4::Say::Reboot(lease),
                };
                self.ask4(say, until).await
            }
            Family::Ipv6 => {
                let say = match phase {
                    Phase::Rest(_) | Phase::Renew => v6::Say::Renew(lease),
                    Phase::Rebind | Phase::Lost => v6::Say::Rebind(lease),
                };
                self.ask6(say, until).await
            }
        };
        match heard? {
            Heard::Given(given) if given.terms.address.ip() == lease.terms.address.ip() => {
                Ok(self.lease(lease.family, given, Stage::Held))
            }
            Heard::Given(_) | Heard::Refused => Err(Failure::Refused),
        }
    }

    async fn discover(&self, wanted: Option<IpAddr>, until: Instant) -> Result<Lease, Failure> {
        let family = self.family();
        let (wanted4, wanted6) = match wanted {
            Some(IpAddr::V4(wanted)) => (Some(wanted), None),
            Some(IpAddr::V6(wanted)) => (None, Some(wanted)),
            None => (None, None),
        };
        let heard = match family {
            Family::Ipv4 => self.ask4(v4::Say::Discover(wanted4), until).await?,
            Family::Ipv6 => self.ask6(v6::Say::Solicit(wanted6), until).await?,
        };
        match heard {
            // An offer of another address is of no use to who has one already.
            Heard::Given(given) if wanted.is_none_or(|wanted| wanted == given.terms.address.ip()) => {
                // Whoever wants this one uses it, and goes on doing so.
                Ok(self.lease(family, given, if wanted.is_some() { Stage::Lost } else { Stage::Asked }))
            }
            Heard::Given(_) | Heard::Refused => Err(Failure::Refused),
        }
    }

    async fn request(&self, asked: &Lease, until: Instant) -> Result<Lease, Failure> {
        let heard = match asked.family {
            Family::Ipv4 => self.ask4(v4::Say::Request(asked), until).await?,
            Family::Ipv6 => self.ask6(v6::Say::Request(asked), until).await?,
        };
        match heard {
            Heard::Given(given) => Ok(self.lease(asked.family, given, Stage::Held)),
            Heard::Refused => Err(Failure::Refused),
        }
    }

    async fn ask4(&self, say: v4::Say<'_>, until: Instant) -> Result<Heard, Failure> {
        let is_discovery = matches!(say, v4::Say::Discover(_));
        let read = |frame: &[u8]| match v4::read(self.wish, self.xid, frame)? {
            v4::Reply::Offer(given) if is_discovery => Some(Heard::Given(given.into())),
            v4::Reply::Acknowledge(given) if !is_discovery => Some(Heard::Given(given.into())),
            v4::Reply::Refuse if !is_discovery => Some(Heard::Refused),
            _ => None,
        };
        let question = |elapsed| v4::frame(self.wish, self.xid, elapsed, say);
        self.line.ask(question, until, read).await.map_err(Failure::Silent)
    }

    async fn ask6(&self, say: v6::Say<'_>, until: Instant) -> Result<Heard, Failure> {
        let is_solicitation = matches!(say, v6::Say::Solicit(_));
        let read = |octets: &[u8]| match v6::read(self.wish, self.xid, octets)? {
            v6::Reply::Advertise(given) if is_solicitation => Some(Heard::Given(given.into())),
            v6::Reply::Give(given) if !is_solicitation => Some(Heard::Given(given.into())),
            v6::Reply::Refuse if !is_solicitation => Some(Heard::Refused),
            _ => None,
        };
        let question = |elapsed| v6::message(self.wish, self.xid, elapsed, say);
        self.line.ask(question, until, read).await.map_err(Failure::Silent)
    }

    fn family(&self) -> Family {
        if self.own.is_some() { Family::Ipv6 } else { Family::Ipv4 }
    }

    fn lease(&self, family: Family, given: Given, stage: Stage) -> Lease {
        let mut lease = Lease {
            version: VERSION,
            stage,
            family,
            boot: self.boot.to_owned(),
            wish: self.wish.clone(),
            server: given.server,
            server_mac: given.mac,
            terms: given.terms,
            times: given.spans.from(uptime()),
            release: Octets::default(),
        };
        lease.release = match self.own {
            None => v4::frame(self.wish, self.xid, Duration::ZERO, v4::Say::Release(&lease)).into(),
            Some(own) => v6::release(&lease, self.xid, own).into(),
        };
        lease
    }
}

impl From<v4::Given> for Given {
    fn from(v4::Given { server, mac, terms, spans }: v4::Given) -> Self {
        Self { server: v4::identifier(server), mac, terms, spans }
    }
}

impl From<v6::Given> for Given {
    fn from(v6::Given { server, terms, spans }: v6::Given) -> Self {
        Self { server, mac: None, terms, spans }
    }
}
