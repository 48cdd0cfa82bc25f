//! The keys of the bandwidth plugin. A [`Config`] that exists is valid.

use std::num::NonZeroU64;

use netd_model::IpNetwork;
use serde::Deserialize;

use crate::cni::{Error, Request};

/// How long a packet may wait where nothing is said, in milliseconds.
const LATENCY: u32 = 25;

/// The longest that one may wait, in milliseconds.
const MAX_LATENCY: u32 = 60_000;

/// How many subnets one list may have: each is a filter that every packet meets.
pub(super) const MAX_SUBNETS: usize = 256;

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// Of what the container gets.
    pub(super) ingress: Option<Rate>,
    /// Of what it sends.
    pub(super) egress: Option<Rate>,
    /// How long a packet may wait, in milliseconds.
    pub(super) latency: u32,
    pub(super) subnets: Subnets,
}

/// How much passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Bytes in a second.
    pub(super) rate: NonZeroU64,
    /// Bytes at once.
    pub(super) burst: u32,
}

/// Which packets are held back: by the address at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subnets {
    All,
    AllBut(Vec<IpNetwork>),
    Only(Vec<IpNetwork>),
}

/// The keys as they are written, inline and in `runtimeConfig.bandwidth`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    latency: Option<u32>,
    unshaped_subnets: Vec<String>,
    shaped_subnets: Vec<String>,
}

/// What the runtime adds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Added {
    runtime_config: OfRuntime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OfRuntime {
    bandwidth: Keys,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let inline: Keys = request.config()?;
        let Added { runtime_config: OfRuntime { bandwidth: of_runtime } } = request.config()?;
        let rates = if inline.says_rates() { &inline } else { &of_runtime };
        let subnets = if inline.says_subnets() { &inline } else { &of_runtime };
        let latency = inline.latency.or(of_runtime.latency).unwrap_or(LATENCY);
        if latency > MAX_LATENCY {
            return Err(Error::config(format!("latency {latency}: it is at most {MAX_LATENCY} milliseconds")));
        }
        Ok(Self {
            ingress: rate("ingress", rates.ingress_rate, rates.ingress_burst)?,
            egress: rate("egress", rates.egress_rate, rates.egress_burst)?,
            latency,
            subnets: Subnets::of(subnets)?,
        })
    }

    /// Whether nothing is held back.
    pub(super) fn is_unlimited(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

impl Keys {
    fn says_rates(&self) -> bool {
        [self.ingress_rate, self.ingress_burst, self.egress_rate, self.egress_burst].iter().any(Option::is_some)
    }

    fn says_subnets(&self) -> bool {
        !self.unshaped_subnets.is_empty() || !self.shaped_subnets.is_empty()
    }
}

impl Subnets {
    fn of(keys: &Keys) -> Result<Self, Error> {
        let unshaped = subnets("unshapedSubnets", &keys.unshaped_subnets)?;
        let shaped = subnets("shapedSubnets", &keys.shaped_subnets)?;
        match (unshaped.is_empty(), shaped.is_empty()) {
            (true, true) => Ok(Self::All),
            (false, true) => Ok(Self::AllBut(unshaped)),
            (true, false) => Ok(Self::Only(shaped)),
            (false, false) => Err(Error::config(
                "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded",
            )),
        }
    }
}

/// A rate of bits and a burst of bits, of which there are both or none.
fn rate(of: &str, rate: Option<u64>, burst: Option<u64>) -> Result<Option<Rate>, Error> {
    let (bits, burst_bits) = (rate.unwrap_or(0), burst.unwrap_or(0));
    let refused = |text: &str| {
        let values = format!("{of}Rate is {bits}, {of}Burst is {burst_bits}");
        Err(Error::config(text).with_details(values))
    };
    match (NonZeroU64::new(bits / 8), u32::try_from(burst_bits / 8)) {
        _ if bits == 0 && burst_bits == 0 => Ok(None),
        _ if burst_bits == 0 => refused("if rate is set, burst must also be set"),
        _ if bits == 0 => refused("if burst is set, rate must also be set"),
        (_, Err(_) | Ok(u32::MAX)) => refused("burst cannot be more than 4GB"),
        (None, _) => Err(Error::config(format!("{of}Rate {bits}: it is at least 8 bits per second"))),
        (_, Ok(0)) => Err(Error::config(format!("{of}Burst {burst_bits}: it is at least 8 bits"))),
        (Some(rate), Ok(burst)) => Ok(Some(Rate { rate, burst })),
    }
}

/// A list of subnets, as far as their prefixes go.
fn subnets(key: &str, texts: &[String]) -> Result<Vec<IpNetwork>, Error> {
    if texts.len() > MAX_SUBNETS {
        return Err(Error::config(format!("{key}: a list of {} has more than {MAX_SUBNETS}", texts.len())));
    }
    let subnet = |text: &String| {
        let shown: String = text.chars().take(64).collect();
        // Without a prefix it would be an address.
        let parsed = text.contains('/').then(|| text.parse::<IpNetwork>().ok()).flatten();
        let parsed = parsed.and_then(|subnet| IpNetwork::new(subnet.network(), subnet.prefix()).ok());
        parsed.ok_or_else(|| {
            let text = format!("bad subnet {shown:?} provided, details invalid CIDR address: {shown}");
            Error::config(text).with_details(format!("key \"{key}\""))
        })
    };
    texts.iter().map(subnet).collect()
}
