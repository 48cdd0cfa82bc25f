//! The one place that writes to standard output and standard error.
//!
//! Standard output gets exactly one JSON document for ADD, VERSION and errors, and nothing otherwise: a runtime parses
//! all of it. CNI 1.1 section 2.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;
use serde_json::json;

use super::{About, CniResult, Error, Version};

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// DEL, CHECK, GC or STATUS succeeded.
    Done,
    /// ADD made this.
    Result(CniResult, Version),
    /// VERSION: what the plugin says about itself.
    Versions(About),
    /// No command: the same for people.
    Usage(About),
    /// Something failed.
    Failure(Error, Version),
    /// A person asked and is told.
    Told(String),
    /// A person asked for what cannot be done.
    Refused(String),
}

/// Writes the outcome and says how the process ends.
pub fn print(outcome: &Outcome) -> ExitCode {
    let written = write(outcome, &mut io::stdout().lock(), &mut io::stderr().lock());
    match (outcome, written) {
        (Outcome::Failure(..) | Outcome::Refused(_), _) | (_, Err(_)) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Writes the outcome where it is told.
///
/// # Errors
/// The runtime has not got its document: it will undo what was done.
pub fn write(outcome: &Outcome, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<()> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Result(result, version) => match result.document(*version) {
            Ok(document) => document_to(stdout, &document),
            Err(error) => {
                document_to(stdout, &error.report(*version))?;
                Err(io::Error::other(error))
            }
        },
        Outcome::Versions(about) => {
            let supported: Vec<Version> = about.supported().collect();
            document_to(stdout, &json!({"cniVersion": Version::CURRENT, "supportedVersions": supported}))
        }
        Outcome::Usage(about) => {
            let supported: Vec<&str> = about.supported().map(Version::as_str).collect();
            writeln!(stderr, "CNI {} plugin v{}", about.name, env!("CARGO_PKG_VERSION"))?;
            writeln!(stderr, "CNI protocol versions supported: {}", supported.join(", "))
        }
        Outcome::Failure(error, version) => document_to(stdout, &error.report(*version)),
        Outcome::Told(text) => stdout.write_all(text.as_bytes()),
        Outcome::Refused(text) => writeln!(stderr, "{text}"),
    }
}

fn document_to(stdout: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    stdout.write_all(&bytes)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About { name: "firewall", oldest: Version::V1_0_0, capabilities: Some(&[]) };

    fn written(outcome: &Outcome) -> (String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let _told = write(outcome, &mut stdout, &mut stderr);
        (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    #[test]
    fn standard_output_has_one_document_or_nothing() {
        assert_eq!(written(&Outcome::Done), (String::new(), String::new()));
        let result = written(&Outcome::Result(CniResult::default(), Version::V1_1_0));
        assert_eq!(result.0, "{\n    \"cniVersion\": \"1.1.0\"\n}\n");
        let versions = written(&Outcome::Versions(ABOUT)).0;
        let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
        assert_eq!(versions, json!({"cniVersion": "1.1.0", "supportedVersions": ["1.0.0", "1.1.0"]}));
        let unfit = written(&Outcome::Result(CniResult::default(), Version::V0_2_0)).0;
        let unfit: serde_json::Value = serde_json::from_str(&unfit).unwrap();
        assert_eq!((&unfit["cniVersion"], &unfit["code"]), (&json!("0.2.0"), &json!(1)));
    }

    #[test]
    fn people_are_told_what_this_is() {
        let (stdout, stderr) = written(&Outcome::Usage(ABOUT));
        assert!(stdout.is_empty());
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(stderr, format!("CNI firewall plugin v{version}\nCNI protocol versions supported: 1.0.0, 1.1.0\n"));
    }
}
