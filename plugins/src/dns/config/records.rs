//! Records that no container has.

use std::fmt::Display;

use netd_model::{
    attachment::{StaticData, StaticRecord},
    name::{HostName, ServedName},
};
use serde::Deserialize;

use super::{MAX_TEXT, bounded};
use crate::cni::Error;

/// An entry of `records`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    name: String,
    r#type: String,
    data: String,
}

/// The records of a network with this domain.
///
/// # Errors
/// Names the key and the value that cannot be.
pub(super) fn records(records: &[Record], domain: &HostName) -> Result<Vec<StaticRecord>, Error> {
    bounded("records", records)?;
    let told = |(index, record): (usize, &Record)| {
        let said = record.said(domain);
        said.map_err(|why| Error::config(format!("key \"records[{index}]\": {why}")))
    };
    records.iter().enumerate().map(told).collect()
}

impl Record {
    fn said(&self, domain: &HostName) -> Result<StaticRecord, String> {
        let text = |why: &dyn Display| format!("name: {why}");
        let name = ServedName::written(&self.name).map_err(|why| text(&why))?;
        ServedName::written(&format!("{name}.{domain}")).map_err(|why| text(&why))?;
        let shown: String = self.data.chars().take(64).collect();
        let address = |family: &str| format!("data {shown:?} is no {family} address");
        let data = match &*self.r#type.to_ascii_uppercase() {
            "A" => StaticData::A(self.data.parse().map_err(|_| address("IPv4"))?),
            "AAAA" => StaticData::Aaaa(self.data.parse().map_err(|_| address("IPv6"))?),
            "CNAME" => StaticData::Cname(target(&self.data, domain)?),
            "TXT" if self.data.len() > MAX_TEXT => {
                return Err(format!("data {shown:?} is longer than {MAX_TEXT} bytes"));
            }
            "TXT" => StaticData::Txt(self.data.clone()),
            other => {
                let other: String = other.chars().take(16).collect();
                return Err(format!("type {other:?} is not A, AAAA, CNAME or TXT"));
            }
        };
        Ok(StaticRecord { name, data })
    }
}

/// A name of one label is one of the network's.
fn target(text: &str, domain: &HostName) -> Result<HostName, String> {
    let name = HostName::written(text).map_err(|why| format!("data: {why}"))?;
    if text.contains('.') {
        return Ok(name);
    }
    HostName::written(&format!("{name}.{domain}")).map_err(|why| format!("data: {why}"))
}
