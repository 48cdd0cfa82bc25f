//! Names in the DNS.

use serde::{Deserialize, Serialize};

use super::{InvalidName, text};

/// A name that containers look up, or a domain that such names stand in: labels of 1 to 63 letters, digits, `-` and `_`
/// between dots, 253 characters at most, kept in lower case and without a final dot.
///
/// Source: RFC 1035 2.3.4, RFC 1123 2.1; `_` because containers' names have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

text!(HostName, |value| {
    let invalid = |rule| Err(InvalidName { what: "host name", rule, value: value.to_owned() });
    if value.len() > 253 {
        return invalid("is longer than 253 characters");
    }
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return invalid("is not in lower case");
    }
    for label in value.split('.') {
        let edge = |c: Option<char>| c == Some('-');
        match label.len() {
            0 => return invalid("has an empty label"),
            1..=63 => {}
            _ => return invalid("has a label longer than 63 characters"),
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return invalid("has a character other than letters, digits, - and _");
        }
        if edge(label.chars().next()) || edge(label.chars().next_back()) {
            return invalid("has a label that starts or ends with -");
        }
    }
    Ok(())
});

impl HostName {
    /// The name as people write it: any case, perhaps with the final dot of an absolute name.
    pub fn written(text: &str) -> Result<Self, InvalidName> {
        text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase().parse()
    }
}
