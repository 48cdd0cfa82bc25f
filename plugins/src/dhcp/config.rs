//! The keys of dhcp. A [`Config`] that exists is valid.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use netd_model::dhcp::{Family, Octets, SOCKET, Terms};
use serde::Deserialize;

use crate::{
    cni::{
        CniResult, Error, Request,
        result::{Ip, Route},
    },
    inside::SCOPE_LINK,
};

/// Names of options as in dhcp-options(5), those that the reference knows.
const NAMES: [(&str, u8); 6] = [
    ("dhcp-client-identifier", 61),
    ("subnet-mask", 1),
    ("routers", 3),
    ("host-name", 12),
    ("user-class", 77),
    ("vendor-class-identifier", 60),
];

/// What a server is asked for if nothing else is said: mask, routes (121 goes before 33 and 3, RFC 3442), names.
const ASKED: [u8; 7] = [1, 121, 33, 3, 6, 15, 119];

/// Options that the exchange itself says: address, type, server, what is asked for, and those that are not ones.
const OWN: [u8; 8] = [0, 50, 52, 53, 54, 55, 57, 255];

/// The longest value of an option, in bytes.
const LONGEST: usize = 255;

/// More options than all servers know.
const MOST: usize = 64;

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// Where the keeper listens.
    pub(super) socket: PathBuf,
    /// The kinds of addresses.
    pub(super) families: BTreeSet<Family>,
    /// Options that are asked for.
    pub(super) request: Vec<u8>,
    /// Options that are told.
    pub(super) provide: BTreeMap<u8, Octets>,
    /// The metric of the routes.
    pub(super) priority: Option<u32>,
    /// Whether a router is left out, and the routes to everywhere with it.
    pub(super) without_gateway: bool,
}

/// The keys as they are written.
#[derive(Debug, Deserialize)]
struct Keys {
    #[serde(default)]
    ipam: Option<Ipam>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ipam {
    daemon_socket_path: String,
    provide: Vec<Provide>,
    request: Vec<Ask>,
    priority: u32,
    suppress: Vec<String>,
    families: Option<Vec<String>>,
}

/// An option that the server is told.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Provide {
    option: String,
    value: String,
    from_arg: String,
}

/// An option that the server is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ask {
    skip_default: bool,
    option: String,
}

impl Config {
    /// Reads the configuration of a request.
    ///
    /// # Errors
    /// Names the key and the value that do not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        let ipam = keys.ipam.ok_or_else(|| Error::config("IPAM config missing 'ipam' key"))?;
        for (key, length) in [("request", ipam.request.len()), ("provide", ipam.provide.len())] {
            if length > MOST {
                return Err(Error::config(format!("key \"ipam.{key}\": more than {MOST} options")));
            }
        }
        Ok(Self {
            socket: socket(&ipam.daemon_socket_path)?,
            families: families(ipam.families)?,
            request: asked(&ipam.request)?,
            provide: provided(request, &ipam.provide)?,
            priority: Some(ipam.priority).filter(|priority| *priority > 0),
            without_gateway: suppressed(&ipam.suppress)?,
        })
    }

    /// Adds what a server gave.
    pub(super) fn add_to(&self, result: &mut CniResult, terms: Terms) {
        let gateway = terms.router.filter(|_| !self.without_gateway);
        result.ips.push(Ip { interface: None, address: terms.address, gateway });
        let wanted = terms.routes.into_iter().filter(|(dst, _)| !(self.without_gateway && dst.prefix() == 0));
        result.routes.extend(wanted.map(|(dst, gw)| Route {
            priority: self.priority,
            scope: gw.is_none().then_some(SCOPE_LINK),
            ..Route::new(dst, gw)
        }));
        result.dns.nameservers.extend(terms.nameservers.iter().map(ToString::to_string));
        if result.dns.domain.is_empty() {
            result.dns.domain = terms.domain;
        }
        for domain in terms.search {
            if !result.dns.search.contains(&domain) {
                result.dns.search.push(domain);
            }
        }
    }
}

/// Where the keeper listens, which is all that DEL and GC need to know.
pub(super) fn socket_of(request: &Request) -> Result<PathBuf, Error> {
    let keys: Keys = request.config()?;
    socket(&keys.ipam.unwrap_or_default().daemon_socket_path)
}

fn socket(text: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(if text.is_empty() { SOCKET } else { text });
    // `sun_path` of unix(7), with the zero at its end.
    if path.is_absolute() && text.len() < 108 {
        return Ok(path);
    }
    let shown: String = text.chars().take(64).collect();
    Err(Error::config(format!("key \"ipam.daemonSocketPath\": {shown:?} is not an absolute path of a socket")))
}

fn families(words: Option<Vec<String>>) -> Result<BTreeSet<Family>, Error> {
    let Some(words) = words else { return Ok([Family::Ipv4].into()) };
    let family = |word: &String| Family::ALL.into_iter().find(|family| family.word() == word);
    let families: Option<BTreeSet<Family>> = words.iter().map(family).collect();
    let wrong = || Error::config(format!("key \"ipam.families\": {words:?} is not of \"ipv4\" and \"ipv6\""));
    families.filter(|families| !families.is_empty()).ok_or_else(wrong)
}

fn asked(list: &[Ask]) -> Result<Vec<u8>, Error> {
    let mut asked = if list.iter().any(|ask| ask.skip_default) { Vec::new() } else { ASKED.to_vec() };
    // An entry may say `skipDefault` alone.
    for Ask { option, .. } in list.iter().filter(|ask| !(ask.option.is_empty() && ask.skip_default)) {
        let code = number("request", option)?;
        if !asked.contains(&code) {
            asked.push(code);
        }
    }
    Ok(asked)
}

fn provided(request: &Request, list: &[Provide]) -> Result<BTreeMap<u8, Octets>, Error> {
    let mut provided = BTreeMap::new();
    for Provide { option, value, from_arg } in list {
        let code = number("provide", option)?;
        if OWN.contains(&code) {
            return Err(Error::config(format!("key \"ipam.provide\": option {option:?} is not for others to say")));
        }
        let of_argument =
            request.target().and_then(|target| target.args.find(from_arg)).filter(|_| !from_arg.is_empty());
        let value = of_argument.or(Some(value.as_str()).filter(|value| !value.is_empty()));
        if value.is_some_and(|value| value.len() > LONGEST) {
            return Err(Error::config(format!("key \"ipam.provide\": value too long for option {option:?}")));
        }
        provided.extend(value.map(|value| (code, Octets::from(value.as_bytes().to_vec()))));
    }
    Ok(provided)
}

/// The number of an option, which may be said by name.
fn number(key: &str, option: &str) -> Result<u8, Error> {
    let named = NAMES.iter().find(|(name, _)| *name == option).map(|(_, number)| *number);
    let wrong = || {
        let shown: String = option.chars().take(64).collect();
        Error::config(format!("key \"ipam.{key}\": Can not parse option {shown:?}"))
    };
    named.or_else(|| option.parse().ok()).ok_or_else(wrong)
}

fn suppressed(list: &[String]) -> Result<bool, Error> {
    match list.iter().find(|word| *word != "gateway") {
        Some(other) => Err(Error::config(format!("key \"ipam.suppress\": {other:?} is not \"gateway\""))),
        None => Ok(!list.is_empty()),
    }
}
