//! Which parameters of the kernel an operator lets configurations set.

use std::{fs, io};

use regex_lite::Regex;

use super::config::Config;
use crate::cni::{Error, Kind};

/// One expression a line; a parameter that any of them is found in is allowed. Without the file all are.
const FILE: &str = "/etc/cni/tuning/allowlist.conf";

/// Refuses a parameter that is not allowed.
pub(super) fn admit(config: &Config) -> Result<(), Error> {
    match fs::read_to_string(FILE) {
        Ok(text) => admitted(&text, config.written.iter().map(String::as_str)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Error::new(Kind::Io, format!("read {FILE}: {error}"))),
    }
}

pub(super) fn admitted<'k>(text: &str, keys: impl IntoIterator<Item = &'k str>) -> Result<(), Error> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let expression = |line: &&str| {
        Regex::new(line).map_err(|error| Error::config(format!("{FILE}: the expression {line:?}: {error}")))
    };
    let expressions = lines.iter().map(expression).collect::<Result<Vec<Regex>, Error>>()?;
    for key in keys {
        if !expressions.iter().any(|expression| expression.is_match(key)) {
            let allowed = lines.join(" ");
            return Err(Error::config(format!(
                "Sysctl {key} is not allowed. Only the following sysctls are allowed: [{allowed}]"
            )));
        }
    }
    Ok(())
}
