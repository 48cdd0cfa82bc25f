//! Where the kernel shows which interface a device is: sysfs(5). Errors are texts for a person.

use std::{fs, path::Path};

use netd_model::name::LinkName;

/// Drivers that leave a device to a program.
const OF_PROGRAMS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// The first interface in a folder `net`.
pub(super) fn first_of(net: &Path) -> Result<LinkName, String> {
    let mut names = names_in(net).map_err(|why| format!("failed to read directory {}: {why}", net.display()))?;
    names.sort_unstable();
    let first = names.into_iter().find_map(|name| name.parse().ok());
    first.ok_or_else(|| format!("failed to find network device in path {}", net.display()))
}

/// The interface of a PCI device, which one of virtio has one level deeper.
pub(super) fn of_pci(sys: &Path, address: &str) -> Result<LinkName, String> {
    let device = sys.join("bus/pci/devices").join(address);
    let net = device.join("net");
    if net.exists() {
        return first_of(&net);
    }
    let virtio = names_in(&device).unwrap_or_default().into_iter().filter(|name| name.starts_with("virtio"));
    let net = virtio.map(|name| device.join(name).join("net")).find(|net| net.exists());
    first_of(&net.ok_or_else(|| format!("no net directory under pci device {address}"))?)
}

/// The interface of a part of a device.
pub(super) fn of_auxiliary(sys: &Path, name: &str) -> Result<LinkName, String> {
    first_of(&sys.join("bus/auxiliary/devices").join(name).join("net"))
}

/// Whether a PCI device is left to a program, and so is no interface.
pub(super) fn is_driven_by_program(sys: &Path, address: &str) -> Result<bool, String> {
    let link = sys.join("bus/pci/devices").join(address).join("driver");
    let driver = fs::canonicalize(&link).map_err(|why| format!("{}: {why}", link.display()))?;
    let name = driver.file_name().unwrap_or_default();
    Ok(OF_PROGRAMS.iter().any(|driver| name == *driver))
}

fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
