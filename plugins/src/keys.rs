//! Keys that several plugins take, with one meaning and one text of refusal.

use netd_model::{
    addr::{Mac, Mtu},
    name::LinkName,
};
use serde::Deserialize;

use crate::cni::{Error, Request, Target, decode::find, result::Dns};

/// `args`, of which `cni` is for plugins: CNI conventions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Args {
    pub(crate) cni: Wishes,
}

/// What may be asked for one container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wishes {
    pub(crate) mac: String,
}

/// A number of bytes; 0 is none.
pub(crate) fn mtu(bytes: i64) -> Result<Option<Mtu>, Error> {
    if bytes == 0 {
        return Ok(None);
    }
    let mtu = u32::try_from(bytes).ok().and_then(|bytes| Mtu::try_from(bytes).ok());
    mtu.map(Some).ok_or_else(|| Error::config(format!("invalid mtu {bytes} (must be between 68 and 65535)")))
}

/// The same of an interface on another, before that is known: what it carries, [`mtu_within`] asks.
pub(crate) fn mtu_above(bytes: i64) -> Result<i64, Error> {
    mtu(bytes).map(|_| bytes)
}

/// The same of an interface on another, which carries no larger packets.
pub(crate) fn mtu_within(bytes: i64, most: Option<Mtu>) -> Result<Option<Mtu>, Error> {
    let Some(most) = most.map(u32::from) else { return mtu(bytes) };
    if bytes < 0 || bytes > i64::from(most) {
        return Err(Error::config(format!("invalid MTU {bytes}, must be [0, master MTU({most})]")));
    }
    mtu(bytes)
}

/// The first of several wishes that is one; the texts are in the order of their weight.
pub(crate) fn mac<'w>(wishes: impl IntoIterator<Item = &'w str>) -> Result<Option<Mac>, Error> {
    let wish = wishes.into_iter().find(|wish| !wish.is_empty());
    wish.map(|wish| wish.parse().map_err(|error| Error::config(format!("mac: {error}")))).transpose()
}

/// `MAC` of `CNI_ARGS`, or nothing; the other keys are for IPAM.
pub(crate) fn mac_of_arguments(target: &Target) -> Result<&str, Error> {
    let args = target.args.values(&["MAC", "IP", "GATEWAY"])?;
    Ok(args.get("MAC").copied().unwrap_or(""))
}

/// The result's `dns`, where the configuration says any of it, be it an empty list.
pub(crate) fn dns(request: &Request, dns: Option<Dns>) -> Option<Dns> {
    let said = find(request.raw(), "dns").and_then(serde_json::Value::as_object);
    dns.filter(|_| said.is_some_and(|said| said.values().any(|value| !value.is_null())))
}

/// `ipMasqBackend` is one of the reference's; which one makes no difference.
pub(crate) fn masquerade_backend(backend: Option<&str>) -> Result<(), Error> {
    match backend {
        None | Some("" | "iptables" | "nftables") => Ok(()),
        Some(other) => Err(Error::config(format!(
            "unknown ipMasqBackend {other:?}: it is iptables or nftables, and both use nftables"
        ))),
    }
}

/// The name of an interface under a key; nothing where the text is empty.
pub(crate) fn link(key: &str, text: &str) -> Result<Option<LinkName>, Error> {
    let name = Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose();
    name.map_err(|error: netd_model::name::InvalidName| Error::config(format!("{key}: {error}")))
}
