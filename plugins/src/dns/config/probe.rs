//! How netd asks a container whether it does its work, as the container's labels say.

use netd_model::health::{Ask, Probe};

use super::Label;
use crate::cni::Error;

/// The label without which nothing is asked.
const ASK: &str = "netd.health";

/// Each other label: its key, what holds where it is not there, and the most that it may be; the least is 1.
const INTERVAL: (&str, u16, u16) = ("netd.health.interval", 5, 3600);
const TIMEOUT: (&str, u16, u16) = ("netd.health.timeout", 2, 60);
const RETRIES: (&str, u16, u16) = ("netd.health.retries", 3, 100);

/// The longest path that is asked for, in bytes.
const LONGEST_PATH: usize = 1024;

/// The probe of a container with these labels; of several with one key the last counts.
///
/// # Errors
/// Names the label and the value that cannot be.
pub(super) fn probe(labels: &[Label]) -> Result<Option<Probe>, Error> {
    let said = |key: &str| labels.iter().rfind(|label| label.key == key).map(|label| label.value.as_str());
    let refuse = |key: &str, value: &str, why: &str| {
        let shown: String = value.chars().take(64).collect();
        Error::config(format!("label \"{key}\": {shown:?} {why}"))
    };
    let number = |(key, default, most): (&str, u16, u16)| match said(key) {
        None => Ok(default),
        Some(value) => {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| refuse(key, value, &format!("is not 1 to {most}")))
        }
    };
    let (interval, timeout, retries) = (number(INTERVAL)?, number(TIMEOUT)?, number(RETRIES)?);
    let Some(value) = said(ASK) else { return Ok(None) };
    let (ask, port) = asked(value).ok_or_else(|| {
        refuse(ASK, value, "is nothing to ask: like tcp:80 or http:80/path, with a port of 1 to 65535")
    })?;
    Ok(Some(Probe { ask, port, interval, timeout, retries }))
}

fn asked(value: &str) -> Option<(Ask, u16)> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    if let Some(rest) = value.strip_prefix("tcp:") {
        return Some((Ask::Tcp, port(rest)?));
    }
    let rest = value.strip_prefix("http:")?;
    let (number, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let is_sound = path.len() <= LONGEST_PATH && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_sound.then_some((Ask::Http(path.to_owned()), port(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[(&str, &str)]) -> Result<Option<Probe>, String> {
        let label = |(key, value): &(&str, &str)| Label { key: (*key).to_owned(), value: (*value).to_owned() };
        probe(&labels.iter().map(label).collect::<Vec<_>>()).map_err(|error| error.msg)
    }

    #[test]
    fn labels_say_what_is_asked_and_how_often() {
        let http = |path: &str| Ask::Http(path.to_owned());
        for (value, ask, port) in [
            ("tcp:80", Ask::Tcp, 80),
            ("http:8080", http("/"), 8080),
            ("http:80/", http("/"), 80),
            ("http:80/up?deep=1", http("/up?deep=1"), 80),
        ] {
            let probe = Probe { ask, port, interval: 5, timeout: 2, retries: 3 };
            assert_eq!(of(&[("netd.health", value)]), Ok(Some(probe)), "{value}");
        }
        let all = [
            ("netd.health", "tcp:1"),
            ("netd.health", "tcp:65535"),
            ("netd.health.interval", "3600"),
            ("netd.health.timeout", "1"),
            ("netd.health.retries", "100"),
        ];
        let probe = Probe { ask: Ask::Tcp, port: 65535, interval: 3600, timeout: 1, retries: 100 };
        assert_eq!(of(&all), Ok(Some(probe)));
        assert_eq!(of(&[("netd.name", "db"), ("netd.health.interval", "1")]), Ok(None));
    }

    #[test]
    fn a_label_that_cannot_be_is_refused_by_its_key_and_value() {
        for value in [
            "",
            "tcp",
            "tcp:",
            "tcp:0",
            "tcp:65536",
            "tcp:80/",
            "udp:53",
            "http:/x",
            "http:80/a b",
            "http:80/#x",
            "exec:ls",
        ] {
            let refusal = of(&[("netd.health", value)]).unwrap_err();
            assert!(refusal.starts_with(&format!("label \"netd.health\": {value:?} is nothing to ask")), "{refusal}");
        }
        for (key, value) in
            [("interval", "0"), ("interval", "3601"), ("timeout", "61"), ("retries", "-1"), ("retries", "5s")]
        {
            let key = format!("netd.health.{key}");
            let refusal = of(&[("netd.health", "tcp:80"), (&key, value)]).unwrap_err();
            assert!(refusal.starts_with(&format!("label \"{key}\": {value:?} is not 1 to ")), "{refusal}");
        }
    }
}
