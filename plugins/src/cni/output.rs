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
}

/// Writes the outcome and says how the process ends.
pub fn print(outcome: &Outcome) -> ExitCode {
    let written = write(outcome, &mut io::stdout().lock(), &mut io::stderr().lock());
    match (outcome, written) {
        (Outcome::Failure(..), _) | (_, Err(_)) => ExitCode::FAILURE,
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
