//! The settings: a TOML file, read at the start and again at SIGHUP.

use std::{
    ffi::OsString,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de};
use thiserror::Error;

/// Where the settings are when nothing else is said; it need not exist.
const FILE: &str = "/etc/netd/netd.toml";

/// Where the run directory is when nothing else is said.
const RUN_DIR: &str = "/run/netd";

/// A settings file is a few lines.
const MAX_BYTES: u64 = 1 << 16;

/// What an operator may choose.
///
/// ```toml
/// run_dir = "/run/netd"          # as the plugins' `runDir`; else NETD_RUN_DIR
/// state_dir = "/var/lib/netd"
/// upstreams = ["192.0.2.53", "[2001:db8::53]:5353"]  # instead of those of /etc/resolv.conf
/// log = "info"                   # tracing-subscriber's EnvFilter
/// gc = true                      # take back what dead containers left
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where plugins and netd meet.
    pub(crate) run_dir: PathBuf,
    /// What netd itself must remember over a reboot.
    pub(crate) state_dir: PathBuf,
    /// Who is asked for names that are not ours; the host's resolvers where there are none.
    pub(crate) upstreams: Vec<SocketAddr>,
    /// What is logged.
    pub(crate) log: String,
    /// Whether what dead containers left is taken back without being asked.
    pub(crate) gc: bool,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("read settings {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file says something that is no setting.
    #[error("settings {path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What, and on which line.
        source: Box<toml::de::Error>,
    },
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "directory")]
    run_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "directory")]
    state_dir: Option<PathBuf>,
    #[serde(default)]
    upstreams: Vec<Upstream>,
    #[serde(default)]
    log: Option<Filter>,
    #[serde(default)]
    gc: Option<bool>,
}

/// `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Upstream(SocketAddr);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Filter(String);

impl Settings {
    /// The settings in `file`, or in the default one where there is one; `environment` is `NETD_RUN_DIR`.
    pub(crate) fn read(file: Option<&Path>, environment: Option<OsString>) -> Result<Self, Error> {
        let path = file.unwrap_or(Path::new(FILE));
        let written = match bounded_text(path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source: source.into() })?
            }
            Err(source) if file.is_none() && source.kind() == io::ErrorKind::NotFound => Written::default(),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        Ok(Self::resolve(written, environment))
    }

    fn resolve(written: Written, environment: Option<OsString>) -> Self {
        let environment = environment.filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            run_dir: written.run_dir.or(environment).unwrap_or_else(|| RUN_DIR.into()),
            state_dir: written.state_dir.unwrap_or_else(|| "/var/lib/netd".into()),
            upstreams: written.upstreams.into_iter().map(|Upstream(address)| address).collect(),
            log: written.log.map_or_else(|| "info".to_owned(), |Filter(filter)| filter),
            gc: written.gc.unwrap_or(true),
        }
    }
}

impl TryFrom<String> for Upstream {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        let address = address.or_else(|_| text.parse::<SocketAddr>());
        address.map(Self).map_err(|_| format!("{text:?} is not an IP address, nor one with a port"))
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match tracing_subscriber::EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("{text:?} is not a log filter, as in \"info,dns=debug\": {error}")),
        }
    }
}

/// A path that means the same whatever directory a program was started in.
fn directory<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(de::Error::custom(format!("{} is not an absolute path", path.display())))
    }
}

fn bounded_text(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(io::Error::other(format!("is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environment: Option<&str>) -> Result<Settings, String> {
        let written = toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(Settings::resolve(written, environment.map(OsString::from)))
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let settings = parse("", None).unwrap();
        let expected = Settings {
            run_dir: "/run/netd".into(),
            state_dir: "/var/lib/netd".into(),
            upstreams: vec![],
            log: "info".to_owned(),
            gc: true,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn the_run_directory_is_the_files_then_the_environments_then_the_default() {
        let run_dir = |text, environment| parse(text, environment).unwrap().run_dir;
        assert_eq!(run_dir("run_dir = '/a'", Some("/b")), Path::new("/a"));
        assert_eq!(run_dir("", Some("/b")), Path::new("/b"));
        assert_eq!(run_dir("", Some("")), Path::new("/run/netd"));
    }

    #[test]
    fn an_upstream_is_an_address_with_or_without_a_port() {
        let text = "upstreams = ['192.0.2.53', '192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]:5353']";
        let expected = ["192.0.2.53:53", "192.0.2.53:5353", "[2001:db8::53]:53", "[2001:db8::53]:5353"];
        assert_eq!(parse(text, None).unwrap().upstreams, expected.map(|address| address.parse().unwrap()));
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (bad, words) in [
            ("log = 'info'\nrun_dri = '/x'", ["line 2", "run_dri"]),
            ("\nrun_dir = 'run/netd'", ["line 2", "run/netd is not an absolute path"]),
            ("run_dir = 1", ["line 1", "run_dir"]),
            ("upstreams = ['dns.example']", ["line 1", "dns.example"]),
            ("gc = 'yes'", ["line 1", "gc"]),
            ("log = 'a=b=c'", ["line 1", "a=b=c"]),
        ] {
            let error = parse(bad, None).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{bad}: {error}");
        }
    }

    #[test]
    fn only_the_default_file_may_be_absent() {
        let error = Settings::read(Some(Path::new("/nowhere/netd.toml")), None).unwrap_err();
        assert_eq!(error.to_string(), "read settings /nowhere/netd.toml");
    }
}
