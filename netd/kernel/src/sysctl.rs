//! Kernel parameters, as files below `/proc/sys`: those of the namespace that the calling thread is in.

use std::{fs, io, path::PathBuf};

use netd_model::object::SysctlPath;

/// Whether this kernel has IPv6; `ipv6.disable=1` takes it away.
pub fn has_ipv6() -> bool {
    PathBuf::from("/proc/sys/net/ipv6").exists()
}

/// The value, its words one space apart (the kernel writes tabs); none if there is no such parameter.
pub(crate) fn read(path: &SysctlPath) -> io::Result<Option<String>> {
    match fs::read_to_string(file(path)) {
        Ok(value) => Ok(Some(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a parameter a value.
pub(crate) fn write(path: &SysctlPath, value: &str) -> io::Result<()> {
    use io::Write;
    // One write, and no file is made where there is no parameter.
    fs::OpenOptions::new().write(true).open(file(path))?.write_all(value.as_bytes())
}

fn file(path: &SysctlPath) -> PathBuf {
    PathBuf::from("/proc/sys").join(path.as_str())
}
