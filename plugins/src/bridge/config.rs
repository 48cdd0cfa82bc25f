//! The keys of the bridge plugin. A [`Config`] that exists is valid.

use netd_model::{
    addr::{Mac, Mtu},
    element::Family,
    name::LinkName,
};
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    ipam,
    keys::{self, Args, Wishes},
};

/// A VLAN id: 0 (none) to 4094, IEEE 802.1Q 9.6.
const VLANS: std::ops::RangeInclusive<i64> = 0..=4094;

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub bridge: LinkName,
    pub gateway: bool,
    pub default_gateway: bool,
    pub force_address: bool,
    pub masquerade: bool,
    pub mtu: Option<Mtu>,
    pub hairpin: bool,
    pub promiscuous: bool,
    pub vlan: Option<u16>,
    /// Each VLAN id of the trunk once, in order.
    pub trunk: Vec<u16>,
    pub preserve_default_vlan: bool,
    /// `<bridge>.<vlan>`, which holds the gateway addresses of a VLAN.
    pub gateway_link: Option<LinkName>,
    /// The port of the bridge at the other end of `gateway_link`.
    pub gateway_port: Option<LinkName>,
    pub mac_spoof_check: bool,
    pub detect_duplicates: bool,
    pub disable_container_interface: bool,
    pub port_isolation: bool,
    /// The result's `dns`, where the configuration says any of it.
    pub dns: Option<Dns>,
    pub mac: Option<Mac>,
}

/// The keys as they are written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    bridge: String,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    hairpin_mode: bool,
    promisc_mode: bool,
    vlan: i64,
    vlan_trunk: Vec<Trunk>,
    preserve_default_vlan: bool,
    macspoofchk: bool,
    enabledad: bool,
    disable_container_interface: bool,
    port_isolation: bool,
    dns: Option<Dns>,
    args: Args,
    runtime_config: Wishes,
}

/// One entry of `vlanTrunk`: an id, or the first and the last of a range.
#[derive(Debug, Deserialize)]
struct Trunk {
    id: Option<i64>,
    #[serde(rename = "minID")]
    min: Option<i64>,
    #[serde(rename = "maxID")]
    max: Option<i64>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            bridge: "cni0".to_owned(),
            is_gateway: false,
            is_default_gateway: false,
            force_address: false,
            ip_masq: false,
            ip_masq_backend: None,
            mtu: 0,
            hairpin_mode: false,
            promisc_mode: false,
            vlan: 0,
            vlan_trunk: vec![],
            preserve_default_vlan: false,
            macspoofchk: false,
            enabledad: false,
            disable_container_interface: false,
            port_isolation: false,
            dns: None,
            args: Args::default(),
            runtime_config: Wishes::default(),
        }
    }
}

impl Config {
    /// Reads it, for the attachment that the request is about, if there is one.
    ///
    /// # Errors
    /// A key that does not fit, or two that exclude each other.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        let of_arguments = request.target().map(keys::mac_of_arguments).transpose()?.unwrap_or_default();
        let invalid = |text: String| Error::config(text);
        let bridge: LinkName = keys.bridge.parse().map_err(|error| invalid(format!("bridge: {error}")))?;
        if keys.hairpin_mode && keys.promisc_mode {
            return Err(invalid("cannot set hairpin mode and promiscuous mode at the same time.".to_owned()));
        }
        if ipam::configured(request)? && keys.disable_container_interface {
            return Err(invalid("cannot use IPAM when DisableContainerInterface flag is set".to_owned()));
        }
        keys::masquerade_backend(keys.ip_masq_backend.as_deref())?;
        let vlan = match u16::try_from(keys.vlan) {
            Ok(vlan) if VLANS.contains(&keys.vlan) => Some(vlan).filter(|vlan| *vlan != 0),
            _ => return Err(invalid(format!("invalid VLAN ID {} (must be between 0 and 4094)", keys.vlan))),
        };
        let gateway = keys.is_gateway || keys.is_default_gateway;
        let gateway_link = vlan.filter(|_| gateway).map(|vlan| gateway_link(&bridge, vlan)).transpose()?;
        Ok(Self {
            gateway_port: gateway_link.as_ref().map(gateway_port),
            gateway_link,
            gateway,
            bridge,
            default_gateway: keys.is_default_gateway,
            force_address: keys.force_address,
            masquerade: keys.ip_masq,
            mtu: keys::mtu(keys.mtu)?,
            hairpin: keys.hairpin_mode,
            promiscuous: keys.promisc_mode,
            vlan,
            trunk: trunk(&keys.vlan_trunk)?,
            preserve_default_vlan: keys.preserve_default_vlan,
            mac_spoof_check: keys.macspoofchk,
            detect_duplicates: keys.enabledad,
            disable_container_interface: keys.disable_container_interface,
            port_isolation: keys.port_isolation,
            dns: keys::dns(request, keys.dns),
            mac: keys::mac([&*keys.runtime_config.mac, &*keys.args.cni.mac, of_arguments])?,
        })
    }
}

impl Config {
    /// Whether frames are kept within their VLAN.
    pub(super) fn filters_vlans(&self) -> bool {
        self.vlan.is_some() || !self.trunk.is_empty()
    }

    /// The families whose program an attachment has elements of.
    pub(super) fn families(&self, has_addresses: bool) -> impl Iterator<Item = Family> + use<> {
        let families = [(Family::Inet, self.masquerade && has_addresses), (Family::Bridge, self.mac_spoof_check)];
        families.into_iter().filter_map(|(family, is_wanted)| is_wanted.then_some(family))
    }
}

fn gateway_link(bridge: &LinkName, vlan: u16) -> Result<LinkName, Error> {
    let name = format!("{bridge}.{vlan}");
    name.parse().map_err(|error| Error::config(format!("bridge {bridge} with vlan {vlan} and a gateway: {error}")))
}

/// A function of the other end's name, so that every attachment means the same one.
fn gateway_port(gateway: &LinkName) -> LinkName {
    netd_model::name::derived_link(netd_model::name::Derived::Veth, &[gateway.as_str(), "port"])
}

fn trunk(entries: &[Trunk]) -> Result<Vec<u16>, Error> {
    let mut vids = std::collections::BTreeSet::new();
    for entry in entries {
        let range = match (entry.min, entry.max) {
            (Some(min), Some(max)) => {
                let (min, max) = (vid("minID", min)?, vid("maxID", max)?);
                if max < min {
                    return Err(Error::config(format!("minID {min} is greater than maxID {max} in trunk parameter")));
                }
                Some((min, max))
            }
            (Some(_), None) => {
                return Err(Error::config("minID and maxID should be configured simultaneously, maxID is missing"));
            }
            (None, Some(_)) => {
                return Err(Error::config("minID and maxID should be configured simultaneously, minID is missing"));
            }
            (None, None) => None,
        };
        if let Some((min, max)) = range {
            vids.extend(min..=max);
        }
        if let Some(id) = entry.id {
            vids.insert(vid("id", id)?);
        }
    }
    Ok(vids.into_iter().collect())
}

fn vid(key: &str, value: i64) -> Result<u16, Error> {
    let vid = u16::try_from(value).ok().filter(|_| value != 0 && VLANS.contains(&value));
    vid.ok_or_else(|| Error::config(format!("incorrect trunk {key} parameter: {value} (must be between 1 and 4094)")))
}
