//! What went wrong, as a runtime is told: CNI 1.1 section 5, Error.

use std::fmt;

use serde::Serialize;

use super::{Version, decode::DecodeError};

/// What kind of failure: what a runtime or a person can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The configuration has a version that the plugin or the command does not take.
    Version,
    /// A key or value that we know and cannot do.
    Unsupported,
    /// The container does not exist.
    ContainerGone,
    /// An environment variable is missing or invalid.
    Environment,
    /// The kernel, a file or a process failed.
    Io,
    /// Something is no JSON, or not of the form it should have.
    Decode,
    /// The configuration is wrong.
    Config,
    /// The container's network namespace cannot be used.
    Netns,
    /// What may pass by itself: a lock is held, a pool is full, a lease is not there yet, the ruleset is newer.
    TryAgain,
    /// The host lacks what every ADD needs.
    Unavailable,
    /// The host holds packets back: ADD would work, and not all that it makes.
    Limited,
    /// The attachment, or an interface of that name, is there already.
    Exists,
    /// A port of the host is taken.
    PortTaken,
    /// The kernel lacks a feature.
    Feature,
    /// CHECK found something of ADD missing or changed.
    Drift,
    /// What a delegate said.
    Delegate(u32),
}

/// A failure, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// What was attempted, on what, and why it failed.
    pub msg: String,
    /// What else helps to understand it.
    pub details: Option<String>,
}

/// A failure as JSON.
#[derive(Serialize)]
pub(super) struct Report<'e> {
    #[serde(rename = "cniVersion")]
    version: Version,
    code: u32,
    msg: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'e str>,
}

impl Kind {
    /// The number that stands for it. 0 to 99 are the specification's.
    pub fn code(self) -> u32 {
        match self {
            Self::Version => 1,
            Self::Unsupported => 2,
            Self::ContainerGone => 3,
            Self::Environment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::Config => 7,
            Self::Netns => 8,
            Self::TryAgain => 11,
            Self::Unavailable => 50,
            Self::Limited => 51,
            Self::Exists => 100,
            Self::PortTaken => 101,
            Self::Feature => 102,
            Self::Drift => 103,
            Self::Delegate(code) => code,
        }
    }
}

impl Error {
    /// A failure without details.
    pub fn new(kind: Kind, msg: impl fmt::Display) -> Self {
        Self { kind, msg: msg.to_string(), details: None }
    }

    /// A mistake in the configuration.
    pub fn config(msg: impl fmt::Display) -> Self {
        Self::new(Kind::Config, msg)
    }

    /// The plugin runs in the container's own namespace: on the host it would change the wrong one.
    pub fn same_netns() -> Self {
        Self::new(Kind::Netns, "plugin's netns and netns from CNI_NETNS should not be the same")
    }

    /// Adds what else helps.
    #[must_use]
    pub fn with_details(mut self, details: impl fmt::Display) -> Self {
        self.details = Some(details.to_string());
        self
    }

    /// Says what was being done.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.msg = format!("{what}: {}", self.msg);
        self
    }

    /// All failures as one, or success if there are none. The first decides the code.
    ///
    /// DEL and GC go on after a failure, and say everything that failed.
    pub fn collect(failures: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let mut failures = failures.into_iter();
        let Some(first) = failures.next() else { return Ok(()) };
        Err(failures.fold(first, |mut all, next| {
            all.msg = format!("{}; {}", all.msg, next.msg);
            all.details = match (all.details, next.details) {
                (Some(all), Some(next)) => Some(format!("{all}; {next}")),
                (all, next) => all.or(next),
            };
            all
        }))
    }

    pub(super) fn report(&self, version: Version) -> Report<'_> {
        Report { version, code: self.kind.code(), msg: &self.msg, details: self.details.as_deref() }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        match &self.details {
            Some(details) => write!(f, "; {details}"),
            None => Ok(()),
        }
    }
}

/// What cannot be read is in the configuration, unless somebody says otherwise.
impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::config(error)
    }
}

/// Files: what another process holds or a newer program wrote may pass by itself.
impl From<netd_store::Error> for Error {
    fn from(error: netd_store::Error) -> Self {
        let kind = match error {
            netd_store::Error::Locked { .. } | netd_store::Error::Newer { .. } => Kind::TryAgain,
            netd_store::Error::Io { .. } | netd_store::Error::Malformed { .. } => Kind::Io,
        };
        Self::new(kind, chain(&error))
    }
}

/// The kernel: what it lacks, what is there already, what a newer program made.
impl From<netd_kernel::Error> for Error {
    fn from(error: netd_kernel::Error) -> Self {
        let kind = match &error {
            netd_kernel::Error::MissingFeature { .. } => Kind::Feature,
            netd_kernel::Error::NoNft { .. } => Kind::Unavailable,
            netd_kernel::Error::Conditions { .. } => Kind::Config,
            netd_kernel::Error::NewerProgram { .. } => Kind::TryAgain,
            error if error.is_exists() => Kind::Exists,
            error if error.is_gone() => Kind::TryAgain,
            _ => Kind::Io,
        };
        Self::new(kind, chain(&error))
    }
}

/// What was attempted, and why it failed, and why that.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_are_one_that_says_them_all() {
        assert_eq!(Error::collect([]), Ok(()));
        let held = Error::new(Kind::TryAgain, "lock is held");
        assert_eq!(Error::collect([held.clone()]), Err(held.clone()));
        let all = Error::collect([held, Error::config("no pool").with_details("10.1.0.0/30")]).unwrap_err();
        assert_eq!((all.kind.code(), &*all.msg), (11, "lock is held; no pool"));
        assert_eq!(all.details.as_deref(), Some("10.1.0.0/30"));
    }

    #[test]
    fn a_failure_is_an_object_with_version_code_and_text() {
        let json = |error: &Error| serde_json::to_string(&error.report(Version::V0_4_0)).unwrap();
        let error = Error::config("missing network name").context("bridge");
        assert_eq!(json(&error), r#"{"cniVersion":"0.4.0","code":7,"msg":"bridge: missing network name"}"#);
        let error = Error::new(Kind::Delegate(2000), "no").with_details("d");
        assert_eq!(json(&error), r#"{"cniVersion":"0.4.0","code":2000,"msg":"no","details":"d"}"#);
    }
}
