//! The rounds: each server is asked in turn, and what counts is the median.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::figures::Series;
use crate::load::{self, Load, Server};
use crate::message;
use crate::peers;
use crate::place::{FOLDER, Place, SERVER};
use crate::store::{Named, Store};

/// The network and its domain.
pub(crate) const NETWORK: &str = "bench";
pub(crate) const DOMAIN: &str = "bench.internal";
/// The domain of names that another server has.
pub(crate) const ELSEWHERE: &str = "example.org";
/// Questions of a second with which latency is measured.
pub(crate) const RATE: u32 = 20_000;

const NAMES: u32 = 1_000;
const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_secs(1);
/// What else the machine does makes the slowest hundredth slower and never faster: the quietest of so many slices counts.
const SLICES: usize = 5;
/// How long a server may take to begin.
pub(crate) const START: Duration = Duration::from_secs(10);

/// The names that every server has.
pub(crate) struct Names;

/// One server in all rounds.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) saturation: Series,
    pub(crate) one_client: Series,
    pub(crate) rate: Series,
}

/// netd and its peers while they run.
pub(crate) struct Running {
    /// netd first, then the one that only answers.
    pub(crate) servers: Vec<Server>,
}

impl Names {
    /// Our names and their addresses.
    #[expect(clippy::unused_self, reason = "they are the same for all")]
    pub(crate) fn ours(&self) -> impl Iterator<Item = (String, Ipv4Addr)> {
        (0..NAMES).map(|index| (format!("name-{index}.{DOMAIN}"), address(index)))
    }

    /// Those that another server has.
    #[expect(clippy::unused_self, reason = "they are the same for all")]
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = (String, Ipv4Addr)> {
        (0..NAMES).map(|index| (format!("www-{index}.{ELSEWHERE}"), Ipv4Addr::from_bits(0xc633_6400 + index % 256)))
    }

    /// A file of questions for dnsperf, in an order that no server has them in.
    fn write(file: &str, names: impl Iterator<Item = (String, Ipv4Addr)>) -> Result<String> {
        let names: Vec<String> = names.map(|(name, _)| format!("{name} A\n")).collect();
        // 619 is no factor of a thousand, so each comes once.
        let shuffled: String =
            (0..names.len()).filter_map(|index| names.get(index * 619 % names.len())).cloned().collect();
        let path = format!("{FOLDER}/{file}");
        std::fs::write(&path, shuffled)?;
        Ok(path)
    }
}

fn address(index: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(SERVER.to_bits() + 1 + index)
}

impl Running {
    /// Starts netd and all peers, and waits until each has the first name and the last.
    pub(crate) fn start(place: &Place, netd: &Path) -> Result<Self> {
        std::fs::create_dir_all(FOLDER)?;
        let store = Store::new(NETWORK)?;
        for (name, address) in Names.ours() {
            let bare = name.trim_end_matches(DOMAIN).trim_end_matches('.');
            let names = [bare.to_owned()];
            let (network, container) = (NETWORK, bare);
            store.write(&Named { network, gateway: SERVER, prefix: 16, container, address, names: &names })?;
        }
        let process = store.start(netd, Some(&peers::upstream()))?;
        let mut servers = vec![Server { name: "netd", port: 53, process }];
        servers.extend(peers::start(&Names)?);
        for server in &servers {
            let socket = place.client_socket((SERVER, server.port).into())?;
            // The one that only answers has one address for all.
            let last = if server.name == "only answers" { 0 } else { NAMES - 1 };
            for index in [0, last] {
                message::until(&socket, &format!("name-{index}.{DOMAIN}"), address(index), START)
                    .with_context(|| format!("{} does not begin, see its log in {FOLDER}", server.name))?;
            }
        }
        Ok(Self { servers })
    }

    /// All servers in three kinds of load.
    pub(crate) fn measure(&self, place: &Place, progress: &dyn Fn(&str)) -> Result<Vec<Measured>> {
        let names = Names::write("names", Names.ours())?;
        let all: Vec<String> = Names.ours().map(|(name, _)| name).collect();
        let empty = |server: &Server| Measured {
            name: server.name,
            saturation: Series::default(),
            one_client: Series::default(),
            rate: Series::default(),
        };
        let mut measured: Vec<Measured> = self.servers.iter().map(empty).collect();
        for round in 1..=ROUNDS {
            progress(&format!("round {round} of {ROUNDS}"));
            for (server, measured) in self.servers.iter().zip(&mut measured) {
                measured.saturation.push(server.ask(place, &names, Load::Saturation, TIME)?);
            }
            for (server, measured) in self.servers.iter().zip(&mut measured) {
                measured.one_client.push(server.ask_slowly(place, &all, SHORT)?);
            }
            let slices: Vec<Vec<_>> = (0..SLICES).map(|_| self.slice(place, &names)).collect::<Result<_>>()?;
            for (index, measured) in measured.iter_mut().enumerate() {
                measured.rate.push_quietest(slices.iter().filter_map(|slice| slice.get(index)));
            }
        }
        Ok(measured)
    }

    /// Each server once, with so many questions a second.
    fn slice(&self, place: &Place, names: &str) -> Result<Vec<load::Measured>> {
        self.servers.iter().map(|server| server.ask(place, names, Load::Rate(RATE), TIME)).collect()
    }

    /// netd and unbound, asked for names that another server has, after they were asked once.
    pub(crate) fn forwarded(&self, place: &Place) -> Result<Vec<(&'static str, Series)>> {
        let names = Names::write("elsewhere", Names.elsewhere())?;
        let both = || self.servers.iter().filter(|server| ["netd", "unbound"].contains(&server.name));
        let mut measured: Vec<(&'static str, Series)> = both().map(|server| (server.name, Series::default())).collect();
        for server in both() {
            server.ask(place, &names, Load::Rate(2_000), SHORT)?;
        }
        for _ in 0..ROUNDS {
            for (server, (_, series)) in both().zip(&mut measured) {
                series.push(server.ask(place, &names, Load::Saturation, TIME)?);
            }
        }
        Ok(measured)
    }
}
