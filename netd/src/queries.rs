//! The log of queries: what containers ask, one line of JSON each, in a file of its own.
//!
//! Not in the log of netd: the journal keeps so many lines of a service and no more, and what netd says of itself must not
//! be among those that it drops. A thread writes, and may wait for the disk; nobody waits for the thread.

use std::{fs::OpenOptions, io::Write, net::IpAddr, os::unix::fs::OpenOptionsExt, path::Path, thread};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{settings::QueryLog, zones};

#[cfg(test)]
mod tests;

/// Bytes that are written at once, and what one more line may add.
const AT_ONCE: usize = 64 << 10;

/// One line.
#[derive(Serialize)]
struct Line<'n> {
    time: String,
    network: Option<String>,
    container: Option<String>,
    source: IpAddr,
    name: Option<&'n str>,
    r#type: Option<&'n str>,
    outcome: &'static str,
    rcode: Option<String>,
    duration_us: u64,
}

/// Logs what is asked of this server from now on, as the settings want it. The file is opened anew, so that one that was
/// moved away is left.
pub(crate) fn log(server: &dns::Server, wanted: Option<&QueryLog>) {
    let Some(QueryLog { file, sample }) = wanted else {
        server.take_no_notes();
        return;
    };
    let (notes, file) = (server.take_notes(*sample), file.clone());
    if let Err(error) = thread::Builder::new().name("queries".to_owned()).spawn(move || take(&notes, &file)) {
        tracing::error!(%error, "queries are not logged");
    }
}

/// Writes all notes; without a file they are lost, and counted.
fn take(notes: &dns::Notes, path: &Path) {
    // Who asks for what is nobody else's business.
    match OpenOptions::new().create(true).append(true).mode(0o600).open(path) {
        Ok(file) => write(notes, file, path),
        Err(error) => tracing::error!(path = %path.display(), %error, "queries are not logged"),
    }
}

fn write(notes: &dns::Notes, mut file: impl Write, path: &Path) {
    let mut fails = false;
    while let Ok(first) = notes.next() {
        // What failed may have ended within a line.
        let (mut lines, mut count) = (if fails { "\n" } else { "" }.to_owned() + &line(&first), 1);
        while lines.len() < AT_ONCE
            && let Ok(next) = notes.waiting()
        {
            lines += &line(&next);
            count += 1;
        }
        let written = file.write_all(lines.as_bytes());
        if let Err(error) = &written {
            notes.lose(count);
            if !fails {
                tracing::error!(path = %path.display(), %error, "queries are not logged");
            }
        }
        fails = written.is_err();
    }
}

fn line(note: &dns::Note) -> String {
    let time = OffsetDateTime::from(note.at);
    let time = time.replace_nanosecond(time.nanosecond() / 1000 * 1000).unwrap_or(time);
    let (name, kind) = note.question.as_ref().map(|(name, kind)| (name.as_str(), kind.as_str())).unzip();
    let line = Line {
        time: time.format(&Rfc3339).unwrap_or_default(),
        network: note.network.as_ref().map(zones::network_of),
        container: note.container.as_ref().map(ToString::to_string),
        source: note.source,
        name,
        r#type: kind,
        outcome: note.outcome.name(),
        rcode: note.code.map(rcode),
        duration_us: u64::try_from(note.took.as_micros()).unwrap_or(u64::MAX),
    };
    // It is made of texts and numbers, and cannot fail.
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

/// The name of a response code (RFC 6895 2.3).
fn rcode(code: u16) -> String {
    let name = match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        16 => "BADVERS",
        _ => return format!("RCODE{code}"),
    };
    name.to_owned()
}
