//! From the options of a server to what a container gets. An option that is malformed is as if it were not there.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::{Decodable, Decoder, DhcpOption, OptionCode};
use ipnetwork::{IpNetwork, Ipv4Network, ipv4_mask_to_prefix};
use netd_model::dhcp::Terms;

use super::Options;
use crate::dhcp::{domain_name, phase::Spans};

/// The most routes, servers and domains of each kind.
const MOST: usize = 64;

/// Address, routes and names; nothing where there is no address that a container can have, or no mask.
pub(super) fn terms(address: Ipv4Addr, options: &Options) -> Option<Terms> {
    let is_usable = !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
    let prefix = ipv4_mask_to_prefix(self::address(options, OptionCode::SubnetMask)?).ok().filter(|prefix| *prefix > 0);
    let gateway = addresses(options, OptionCode::Router).first().copied().map(IpAddr::V4);
    Some(Terms {
        address: Ipv4Network::new(Some(address).filter(|_| is_usable)?, prefix?).ok()?.into(),
        router: gateway,
        routes: routes(options, gateway),
        nameservers: addresses(options, OptionCode::DomainNameServer).into_iter().map(IpAddr::V4).collect(),
        domain: domain(options),
        search: search(options),
    })
}

/// For how long; nothing where there is no time.
pub(super) fn spans(options: &Options) -> Option<Spans> {
    let seconds = |code| number(options, code);
    let whole = seconds(OptionCode::AddressLeaseTime)?;
    Spans::new(whole, seconds(OptionCode::Renewal), seconds(OptionCode::Rebinding))
}

/// An option that is one address.
pub(super) fn address(options: &Options, code: OptionCode) -> Option<Ipv4Addr> {
    let octets = <[u8; 4]>::try_from(options.get(&code.into())?.as_slice()).ok()?;
    Some(octets.into()).filter(|address: &Ipv4Addr| !address.is_unspecified())
}

/// The routes: those of option 121, else those of option 33 and by the router to everywhere (RFC 3442).
fn routes(options: &Options, gateway: Option<IpAddr>) -> Vec<(IpNetwork, Option<IpAddr>)> {
    let classless = classless(options);
    if !classless.is_empty() {
        return classless;
    }
    let pairs = whole(options, OptionCode::StaticRoutingTable, 8).unwrap_or_default();
    let mut routes: Vec<_> = pairs.chunks_exact(8).take(MOST).filter_map(classful).collect();
    let everywhere = IpNetwork::new(Ipv4Addr::UNSPECIFIED.into(), 0).ok();
    routes.extend(everywhere.zip(gateway).map(|(everywhere, gateway)| (everywhere, Some(gateway))));
    routes
}

/// Option 121; the router 0.0.0.0 is the link itself.
fn classless(options: &Options) -> Vec<(IpNetwork, Option<IpAddr>)> {
    let Some(mut rest) = options.get(&OptionCode::ClasslessStaticRoute.into()).map(Vec::as_slice) else {
        return Vec::new();
    };
    let mut routes = Vec::new();
    while let [prefix @ 0..=32, after @ ..] = rest {
        let length = usize::from(prefix.div_ceil(8));
        let Some((significant, after)) = after.split_at_checked(length) else { return Vec::new() };
        let Some((gateway, after)) = after.split_first_chunk::<4>() else { return Vec::new() };
        let mut octets = [0; 4];
        octets.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
        let Ok(network) = Ipv4Network::new(octets.into(), *prefix) else { return Vec::new() };
        let network = IpNetwork::new(network.network().into(), *prefix);
        let gateway = Some(Ipv4Addr::from(*gateway)).filter(|gateway| !gateway.is_unspecified()).map(IpAddr::V4);
        routes.extend(network.ok().map(|network| (network, gateway)));
        rest = after;
    }
    // Half of a list is none: what is missing may be the way home.
    if rest.is_empty() && routes.len() <= MOST { routes } else { Vec::new() }
}

/// One pair of option 33: a network whose class says how long its prefix is, and its router.
fn classful(pair: &[u8]) -> Option<(IpNetwork, Option<IpAddr>)> {
    let (network, router) = pair.split_first_chunk::<4>()?;
    let router = Ipv4Addr::from(<[u8; 4]>::try_from(router).ok()?);
    let prefix = match network {
        [0 | 224..=255, ..] => return None,
        [1..=127, ..] => 8,
        [128..=191, ..] => 16,
        [192..=223, ..] => 24,
    };
    let network = Ipv4Network::new((*network).into(), prefix).ok()?.network();
    Some((IpNetwork::new(network.into(), prefix).ok()?, Some(router.into())))
}

fn number(options: &Options, code: OptionCode) -> Option<u32> {
    options.get(&code.into())?.as_slice().try_into().ok().map(u32::from_be_bytes)
}

fn addresses(options: &Options, code: OptionCode) -> Vec<Ipv4Addr> {
    let octets = whole(options, code, 4).unwrap_or_default();
    let addresses = octets.chunks_exact(4).filter_map(|address| <[u8; 4]>::try_from(address).ok());
    addresses.map(Ipv4Addr::from).filter(|address| !address.is_unspecified()).take(MOST).collect()
}

/// An option that is a list of things of this size.
fn whole(options: &Options, code: OptionCode, size: usize) -> Option<&[u8]> {
    options.get(&code.into()).map(Vec::as_slice).filter(|octets| octets.len().is_multiple_of(size))
}

/// Option 15.
fn domain(options: &Options) -> String {
    let text = options.get(&OptionCode::DomainName.into()).map(Vec::as_slice).unwrap_or_default();
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    str::from_utf8(text).ok().and_then(domain_name).unwrap_or_default()
}

/// Option 119, with names that point into one another (RFC 3397).
fn search(options: &Options) -> Vec<String> {
    let Some(octets) = options.get(&OptionCode::DomainSearch.into()) else { return Vec::new() };
    let length = u8::try_from(octets.len()).unwrap_or(u8::MAX);
    let option = [&[OptionCode::DomainSearch.into(), length], octets.as_slice()].concat();
    match DhcpOption::decode(&mut Decoder::new(&option)) {
        Ok(DhcpOption::DomainSearch(found)) => {
            found.iter().take(MOST).filter_map(|name| domain_name(&name.to_ascii())).collect()
        }
        _ => Vec::new(),
    }
}
