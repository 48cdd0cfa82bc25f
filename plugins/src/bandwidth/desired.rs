//! What the bandwidth plugin wants in the kernel: a function of the limits and of the interface where packets meet them.

use netd_model::{
    IpNetwork,
    addr::{Mac, Mtu},
    attachment::{AttachmentId, Section},
    name::LinkName,
    object::{Direction, Filter, GROUP, Link, LinkKind, Object, Packets, Qdisc, QdiscKind, Side, State, Verdict},
};

use super::config::{Config, MAX_SUBNETS, Rate, Subnets};

/// Ticks of the kernel's packet scheduler, of 64 ns, in a millisecond.
const TICKS_IN_A_MILLISECOND: u128 = 15_625;

/// The interface on which packets are held back.
pub(super) struct Spot {
    pub(super) side: Side,
    pub(super) link: LinkName,
    pub(super) mtu: Option<Mtu>,
}

/// The limit of one direction.
pub(super) struct Limit<'c> {
    /// As the container sees it.
    direction: Direction,
    /// As the interface sees it.
    here: Direction,
    rate: Rate,
    latency: u32,
    subnets: &'c Subnets,
}

impl Spot {
    /// What the container sends, then what it gets. The host's end of a pair gets what the container sends.
    pub(super) fn limits<'c>(&self, config: &'c Config) -> Vec<Limit<'c>> {
        let limit = |direction: Direction, rate: Option<Rate>| {
            let here = match (self.side, direction) {
                (Side::Container, direction) => direction,
                (Side::Host, Direction::Egress) => Direction::Ingress,
                (Side::Host, Direction::Ingress) => Direction::Egress,
            };
            let Config { latency, subnets, .. } = config;
            rate.map(|rate| Limit { direction, here, rate, latency: *latency, subnets })
        };
        let both = [limit(Direction::Egress, config.egress), limit(Direction::Ingress, config.ingress)];
        both.into_iter().flatten().collect()
    }

    /// The IFB of a limit, beside the interface.
    pub(super) fn ifb(&self, id: &AttachmentId, limit: &Limit<'_>) -> Link {
        let name = id.ifb(limit.direction);
        Link {
            mac: Some(Mac::derived(&[id.container.as_str(), id.ifname.as_str(), name.as_str()])),
            mtu: self.mtu,
            group: Some(GROUP),
            alias: Some(id.owner()),
            link_local: Some(false),
            up: Some(true),
            ..Link::new(self.side, name, LinkKind::Ifb)
        }
    }
}

impl Limit<'_> {
    /// Whether packets go round by an IFB: there is no queue for what comes in, and before one for what leaves none is
    /// let by.
    pub(super) fn needs_ifb(&self) -> bool {
        self.here == Direction::Ingress || *self.subnets != Subnets::All
    }

    /// The queue, as the reference plugin has it.
    fn queue(&self) -> QdiscKind {
        let rate = self.rate.rate.get();
        let waiting = u128::from(rate) * u128::from(self.latency) / 1000 + u128::from(self.rate.burst);
        let microseconds = u128::from(self.rate.burst) * 1_000_000 / u128::from(rate);
        let buffer = if microseconds < 1000 {
            // The reference counts whole microseconds, of which a packet takes few where the rate is high.
            (u128::from(self.rate.burst) * TICKS_IN_A_MILLISECOND * 1000).div_ceil(u128::from(rate))
        } else {
            microseconds.min(u32::MAX.into()) * TICKS_IN_A_MILLISECOND / 1000
        };
        let number = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
        QdiscKind::Tbf { rate, limit: number(waiting), buffer: number(buffer) }
    }

    /// Which packets go which way, in the order in which they are asked.
    fn ways(&self, ifb: &LinkName) -> Vec<(Packets, Verdict)> {
        let to_ifb = || Verdict::Redirect(ifb.clone());
        // The other end is where packets to the container come from.
        let of = |subnet: &IpNetwork| match self.direction {
            Direction::Ingress => Packets::From(*subnet),
            Direction::Egress => Packets::To(*subnet),
        };
        match self.subnets {
            Subnets::All => vec![(Packets::All, to_ifb())],
            Subnets::AllBut(subnets) => {
                let exempt = subnets.iter().map(|subnet| (of(subnet), Verdict::Pass));
                exempt.chain([(Packets::All, to_ifb())]).collect()
            }
            Subnets::Only(subnets) => subnets.iter().map(|subnet| (of(subnet), to_ifb())).collect(),
        }
    }

    /// The priority of its first filter: those of one interface have each its own.
    fn first(&self) -> u16 {
        let others = u16::try_from(MAX_SUBNETS).unwrap_or(u16::MAX / 2) + 1;
        if self.here == Direction::Ingress { 1 } else { 1 + others }
    }
}

/// What is recorded and made.
pub(super) fn section(id: &AttachmentId, spot: &Spot, limits: &[Limit<'_>]) -> Section {
    let qdisc = |link: &LinkName, kind| Object::Qdisc(Qdisc { side: spot.side, link: link.clone(), kind });
    let mut own = State::default();
    for limit in limits {
        if !limit.needs_ifb() {
            own.insert(qdisc(&spot.link, limit.queue()));
            continue;
        }
        let ifb = spot.ifb(id, limit);
        own.insert(qdisc(&ifb.name, limit.queue()));
        own.extend((limit.first()..).zip(limit.ways(&ifb.name)).map(|(priority, (packets, verdict))| {
            let (side, link, direction) = (spot.side, spot.link.clone(), limit.here);
            Object::Filter(Filter { side, link, direction, priority, packets, verdict })
        }));
        own.insert(Object::Link(ifb));
    }
    let filtered = |here: Direction| limits.iter().any(|limit| limit.needs_ifb() && limit.here == here);
    if filtered(Direction::Egress) {
        own.insert(qdisc(&spot.link, QdiscKind::Clsact));
    } else if filtered(Direction::Ingress) {
        own.insert(qdisc(&spot.link, QdiscKind::Ingress));
    }
    Section { own, ..Section::default() }
}
