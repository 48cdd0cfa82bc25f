//! `resolvConf`: a resolv.conf(5) whose content goes into the result, read as the reference reads it (`dns.go`).

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::cni::{Error, result::Dns};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 16;

/// The file's content; nothing where no file is named.
pub(super) fn read(path: &Path) -> Result<Dns, Error> {
    if path.as_os_str().is_empty() {
        return Ok(Dns::default());
    }
    let failed = |error| Error::config(format!("key \"ipam.resolvConf\": cannot read {}: {error}", path.display()));
    text(path).map(|text| parse(&text)).map_err(failed)
}

/// The text of the file. One that is a FIFO is empty, and does not block.
fn text(path: &Path) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let mut text = String::new();
    let size = file.take(LARGEST + 1).read_to_string(&mut text)?;
    if u64::try_from(size).is_ok_and(|size| size <= LARGEST) {
        return Ok(text);
    }
    Err(io::Error::other(format!("it has more than {LARGEST} bytes")))
}

fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut fields = line.split_whitespace().map(str::to_owned);
        let (Some(keyword), Some(value)) = (fields.next(), fields.next()) else { continue };
        match keyword.as_str() {
            "nameserver" => dns.nameservers.push(value),
            "domain" => dns.domain = value,
            "search" => dns.search.extend([value].into_iter().chain(fields)),
            "options" => dns.options.extend([value].into_iter().chain(fields)),
            _ => {}
        }
    }
    dns
}
