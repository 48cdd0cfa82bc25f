//! Asks the daemon on its control socket.

use std::{path::Path, time::Duration};

use anyhow::Context;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use netd_model::name::ContainerId;
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

/// How long the daemon is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// A question of DNS that a container might ask.
pub(crate) struct Inquiry<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) from: &'a ContainerId,
}

/// What the container hears, and why, for people or as JSON.
///
/// # Errors
/// The daemon does not answer, or says why not.
pub(crate) fn query(run_dir: &Path, inquiry: &Inquiry, json: bool) -> anyhow::Result<String> {
    let [from, name, kind] = [inquiry.from.as_str(), inquiry.name, inquiry.kind].map(encoded);
    let path = format!("/v1/dns/query?from={from}&name={name}&type={kind}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { timeout(PATIENCE, get(run_dir, &path)).await });
    let answer = answer.context("the daemon does not answer in time")??;
    if json { Ok(serde_json::to_string_pretty(&answer)? + "\n") } else { Ok(text(inquiry, &answer)) }
}

async fn get(run_dir: &Path, path: &str) -> anyhow::Result<Value> {
    let socket = run_dir.join("netd.sock");
    let stream = UnixStream::connect(&socket).await;
    let stream = stream.with_context(|| format!("connect to {}: does netd run?", socket.display()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, "netd").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let is_good = answer.status().is_success();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| anyhow::anyhow!(error))?;
    connection.abort();
    let said: Value = serde_json::from_slice(&body.to_bytes()).context("read what the daemon says")?;
    if !is_good {
        anyhow::bail!("{}", said.get("error").and_then(Value::as_str).unwrap_or("the daemon refuses"));
    }
    Ok(said)
}

/// As a value in a query (RFC 3986 2.1).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The answer, a line for each thing that it says.
fn text(inquiry: &Inquiry, answer: &Value) -> String {
    let said = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or("-");
    let list = |key: &str| -> Vec<&str> {
        answer.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut lines = vec![
        format!("{} at {} asks {} on {}", inquiry.from, said("source"), said("listener"), said("link")),
        format!("it sees {}", list("networks").join(", ")),
        format!("{} {}: {}", inquiry.name, inquiry.kind, said("rule")),
    ];
    lines.extend(answer.get("found").and_then(Value::as_array).into_iter().flatten().map(found));
    if answer.get("upstreams").is_some_and(Value::is_array) {
        let asked = list("upstreams").join(", ");
        lines.push(format!("asked of {}", if asked.is_empty() { "nobody: there is no upstream" } else { &asked }));
    } else {
        lines.push(said("status").to_owned());
    }
    lines.extend(list("records").into_iter().map(str::to_owned));
    if let Some(ttl) = answer.get("negative_ttl").and_then(Value::as_u64) {
        lines.push(format!("nothing, for {ttl} s"));
    }
    lines.join("\n") + "\n"
}

/// A line about what says what is heard.
fn found(found: &Value) -> String {
    let said = |key: &str| found.get(key).and_then(Value::as_str);
    let of = said("network").map(|network| format!(" of {network}")).unwrap_or_default();
    format!("found: {} {}{of}", said("what").unwrap_or("-"), said("name").unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_told_line_by_line() {
        let from = "c1".parse().unwrap();
        let inquiry = Inquiry { name: "db", kind: "A", from: &from };
        let place = json!({"listener": "10.1.0.1", "link": "br-web", "source": "10.1.0.7", "networks": ["web/web.internal"],
            "rule": "because",
            "found": [{"what": "wildcard", "name": "*.web.internal", "network": "web/web.internal"},
                {"what": "special", "name": "localhost", "network": null}], "status": "NOERROR", "records": ["db 5 A 10.1.0.9"], "negative_ttl": null, "upstreams": null});
        let head = "c1 at 10.1.0.7 asks 10.1.0.1 on br-web\nit sees web/web.internal\ndb A: because\nfound: wildcard *.web.internal of web/web.internal\nfound: special localhost\n";
        assert_eq!(text(&inquiry, &place), format!("{head}NOERROR\ndb 5 A 10.1.0.9\n"));
        let mut nothing = place.clone();
        (nothing["status"], nothing["records"], nothing["negative_ttl"]) = (json!("NXDOMAIN"), json!([]), json!(5));
        assert_eq!(text(&inquiry, &nothing), format!("{head}NXDOMAIN\nnothing, for 5 s\n"));
        let mut forwarded = place;
        (forwarded["status"], forwarded["records"], forwarded["upstreams"]) =
            (json!(null), json!([]), json!(["192.0.2.53:53"]));
        assert_eq!(text(&inquiry, &forwarded), format!("{head}asked of 192.0.2.53:53\n"));
        forwarded["upstreams"] = json!([]);
        assert_eq!(text(&inquiry, &forwarded), format!("{head}asked of nobody: there is no upstream\n"));
    }

    #[test]
    fn what_is_asked_for_arrives_as_it_was_written() {
        assert_eq!(encoded("db-1.web_x"), "db-1.web_x");
        assert_eq!(encoded("a&b=c d\u{e9}"), "a%26b%3Dc%20d%C3%A9");
    }
}
