//! The keys of the host-device plugin. A [`Config`] that exists is valid.

use std::path::{Component, Path, PathBuf};

use netd_model::{addr::Mac, name::LinkName};
use serde::Deserialize;

use crate::cni::{Error, Request, result::Dns};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) device: Device,
    /// The result's `dns`.
    pub(super) dns: Dns,
}

/// How an interface of the host is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Device {
    /// By its name.
    Name(LinkName),
    /// By its hardware address.
    Mac(Mac),
    /// By a folder below `/sys/devices`.
    Path(PathBuf),
    /// By the address of a PCI device: `0000:04:00.0`.
    Pci(String),
    /// By the name of a part of a device, on the auxiliary bus: `mlx5_core.sf.4`.
    Auxiliary(String),
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    device: String,
    hwaddr: String,
    kernelpath: String,
    #[serde(rename = "pciBusID")]
    pci: String,
    dns: Dns,
    #[serde(rename = "runtimeConfig")]
    runtime_config: Wishes,
}

/// What may be asked for one container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wishes {
    #[serde(rename = "deviceID")]
    device: String,
}

impl Config {
    /// Reads it. What the runtime says comes before `pciBusID`; after that the order is the reference's.
    ///
    /// # Errors
    /// A key that does not fit, or none that names a device.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let Keys { device, hwaddr, kernelpath, pci, dns, runtime_config } = request.config()?;
        let invalid = |key: &str, why: &dyn std::fmt::Display| Error::config(format!("{key}: {why}"));
        let asked = (!runtime_config.device.is_empty()).then(|| of_runtime(&runtime_config.device)).transpose()?;
        let device = if !device.is_empty() {
            Device::Name(device.parse().map_err(|why| invalid("device", &why))?)
        } else if !hwaddr.is_empty() {
            Device::Mac(hwaddr.parse().map_err(|why| invalid("hwaddr", &why))?)
        } else if !kernelpath.is_empty() {
            Device::Path(kernel_path(&kernelpath)?)
        } else if let Some(asked) = asked {
            asked
        } else if !pci.is_empty() {
            Device::Pci(plain("pciBusID", &pci)?)
        } else {
            let text = r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#;
            return Err(Error::config(text));
        };
        Ok(Self { device, dns })
    }
}

/// A PCI device, if there is one of that address, else a part of one.
fn of_runtime(id: &str) -> Result<Device, Error> {
    let id = plain("runtimeConfig.deviceID", id)?;
    if Path::new("/sys/bus/pci/devices").join(&id).exists() {
        return Ok(Device::Pci(id));
    }
    if Path::new("/sys/bus/auxiliary/devices").join(&id).exists() {
        return Ok(Device::Auxiliary(id));
    }
    Err(Error::config(format!("runtime config DeviceID {id} not found or unsupported")))
}

fn kernel_path(text: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(text);
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if is_plain && path.starts_with("/sys/devices") && path != Path::new("/sys/devices") {
        return Ok(path);
    }
    let shown: String = text.chars().take(200).collect();
    let text = format!("kernel device path {shown:?} must be absolute and begin with /sys/devices/");
    Err(Error::config(text).with_details("key \"kernelpath\""))
}

/// A name of one file.
fn plain(key: &str, text: &str) -> Result<String, Error> {
    let is_plain = text.len() <= 200 && !matches!(text, "." | "..");
    if is_plain && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":._-".contains(&byte)) {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(64).collect();
    Err(Error::config(format!("{key}: {shown:?} is no address of a device")))
}
