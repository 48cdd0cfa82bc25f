use std::{collections::BTreeSet, os::unix::fs::MetadataExt, path::PathBuf};

use netd_model::{
    attachment::{Attachment, Progress},
    health::Health,
    overlay::KnownPeers,
};
use netd_store::Snapshot;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::*;
use crate::{
    health::{Heard, Sick},
    sample,
    settings::Settings,
};

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/// A daemon's desk with its socket, and what it knows.
struct Lab {
    folder: tempfile::TempDir,
    known: Arc<ArcSwap<Known>>,
    dns: Arc<dns::Server>,
    server: JoinHandle<()>,
}

impl Lab {
    /// Two containers, an overlay network, and another host in it.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        for (network, container, address) in [("web", "c1", "10.1.0.7"), ("lab", "c2", "10.2.0.8")] {
            let boot = netd_store::boot_id().unwrap();
            store.write(&Attachment { boot, ..sample::attachment(network, container, address) }).unwrap();
        }
        let member = json!({"version": 1, "host": "h2", "network": "lab", "vtep": "192.0.2.2",
            "mac": "02:00:00:00:00:02", "subnets": ["10.40.2.0/24"]});
        let peer = json!({"member": member, "alive": true, "since": 7, "containers": 1});
        let peers = json!({"version": 1, "peers": [peer], "errors": []});
        store.write_known_peers(&serde_json::from_value::<KnownPeers>(peers).unwrap()).unwrap();
        let known: Arc<ArcSwap<Known>> = Arc::default();
        let control = Control::bind(folder.path()).unwrap();
        let dns = Arc::new(dns::Server::new());
        let (events, words) = mpsc::channel(1);
        tokio::spawn(hear(words));
        let desk = Desk::new(store, sample::BOOT.into(), Arc::clone(&dns), Arc::clone(&known), events);
        Self { folder, known, dns, server: tokio::spawn(control.serve(desk)) }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("netd.sock")
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut client = UnixStream::connect(self.socket()).await.unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: netd\r\nContent-Type: application/json\r\n");
        client.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Who is answered before all was read is hung up on.
        let _ = client.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

/// The loop: it knows one container.
async fn hear(mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let Event::Health(word) = event else { panic!("{event:?}") };
        let is_known = word.id.container.as_str() == "c1" && word.health == Health::Starting;
        word.reply.send(if is_known { Heard::Served } else { Heard::Unknown }).unwrap();
    }
}

fn openapi() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// What is not as a schema says, of the words that our schemas use.
fn fault(api: &Value, schema: &Value, value: &Value) -> Option<String> {
    for (word, said) in schema.as_object().unwrap() {
        let holds = match &**word {
            "$ref" => {
                let target = api.pointer(said.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                return fault(api, target, value);
            }
            "type" => {
                let kinds = said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
                kinds.iter().any(|kind| match kind.as_str().unwrap() {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("type {other}"),
                })
            }
            "enum" => said.as_array().unwrap().contains(value),
            "required" => said.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                assert_eq!(said, false);
                value.as_object().unwrap().keys().all(|key| schema["properties"].get(key).is_some())
            }
            "properties" => {
                let found = said.as_object().unwrap().iter().filter_map(|(key, of)| Some((of, value.get(key)?)));
                let faults: Vec<String> = found.filter_map(|(of, value)| fault(api, of, value)).collect();
                if !faults.is_empty() {
                    return Some(faults.join("; "));
                }
                true
            }
            "items" => {
                let faults = value.as_array().into_iter().flatten().filter_map(|value| fault(api, said, value));
                let faults: Vec<String> = faults.collect();
                if !faults.is_empty() {
                    return Some(faults.join("; "));
                }
                true
            }
            "description" => said.is_string(),
            other => panic!("{other} is not looked at"),
        };
        if !holds {
            return Some(format!("{value} is not as {word} {said}"));
        }
    }
    None
}

#[tokio::test]
async fn what_is_described_is_what_is_answered() {
    let lab = Lab::start();
    let api = openapi();
    let described = api["paths"].as_object().unwrap();
    let routes: BTreeSet<&str> = routes::routes().iter().map(|(path, _)| *path).collect();
    assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), routes);
    for (path, methods) in described {
        for method in METHODS {
            // HEAD is GET without a body (RFC 9110 9.3.2).
            let described = if method == "HEAD" { "get" } else { &method.to_lowercase() };
            let is_described = methods.get(described).is_some();
            let filled = path.replace("{network}", "web").replace("{container}", "c1").replace("{ifname}", "eth0");
            let (status, body) = lab.ask(method, &filled, "").await;
            assert_eq!(status != 405, is_described, "{method} {path}: {body}");
        }
    }
    assert_eq!(lab.get("/v1/openapi.json").await, api);
}

#[tokio::test]
async fn rows_are_as_described_and_of_the_network_that_was_named() {
    let lab = Lab::start();
    let api = openapi();
    for list in ["networks", "attachments", "names", "peers"] {
        let path = format!("/v1/{list}");
        let schema = &api["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let rows = lab.get(&path).await;
        assert!(!rows.as_array().unwrap().is_empty(), "{list}");
        assert_eq!(fault(&api, schema, &rows), None, "{list}: {rows}");
        for (network, found) in [("lab", 1), ("none", 0)] {
            let rows = lab.get(&format!("{path}?network={network}")).await;
            assert_eq!(rows.as_array().unwrap().len(), found, "{list} of {network}: {rows}");
        }
        for bad in ["network=..%2Fweb", "networks=web", "network=web&network=lab"] {
            let (status, body) = lab.ask("GET", &format!("{path}?{bad}"), "").await;
            let refusal: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, fault(&api, &api["components"]["schemas"]["Refusal"], &refusal)), (400, None), "{bad}");
        }
    }
    let (status, body) = lab.ask("GET", "/v2", "").await;
    assert_eq!((status, &*body), (404, r#"{"error":"no such path, see /v1/openapi.json"}"#));
}

#[tokio::test]
async fn figures_count_what_is_there() {
    let lab = Lab::start();
    let first = Arc::new(sample::attachment("web", "c1", "10.1.0.7"));
    let mut second = sample::attachment("web", "c2", "10.1.0.8");
    second.progress = Progress::Adding;
    let attachments = [first, Arc::new(second)].map(|attachment| (attachment.id.clone(), attachment));
    let snapshot = Arc::new(Snapshot { attachments: attachments.into_iter().collect(), ..Snapshot::default() });
    let sick = Arc::new(Sick::from([(snapshot.attachments.keys().next().unwrap().clone(), Health::Starting)]));
    lab.known.store(Arc::new(Known { snapshot, view: Arc::default(), sick }));
    let (status, text) = lab.ask("GET", "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "netd_attachments{network=\"web\",progress=\"adding\"} 1",
        "netd_attachments{network=\"web\",progress=\"ready\"} 1",
        "netd_names{network=\"web\"} 1",
        "netd_attachments_not_healthy{network=\"web\",state=\"starting\"} 1",
        "netd_documents_broken 0",
        "netd_dns_cache_entries 0",
        "netd_dns_duration_seconds_count{from=\"here\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[test]
fn figures_of_dns_are_by_network_whatever_its_domain_and_times_add_up() {
    use dns::{CountedKind, Outcome};
    let counts = |count| vec![(CountedKind::Aaaa, Outcome::Cached, count)];
    let networks = [("web/web.internal", 2), ("web/old.internal", 3), ("lab/lab.internal", 5)];
    let ranges = vec![(Some(Duration::from_micros(10)), 4), (Some(Duration::from_millis(250)), 0), (None, 3)];
    let figures = dns::Figures {
        networks: networks.map(|(id, count)| (id.into(), counts(count))).into(),
        asked: dns::Durations { ranges, sum: Duration::from_millis(1500) },
        kept: dns::Kept { entries: 6, bytes: 7, hits: 8, misses: 9, evictions: 10 },
        lost_notes: 11,
        ..dns::Figures::default()
    };
    let text = metrics::text(figures, &Known::default(), sample::BOOT).unwrap();
    for line in [
        "# TYPE netd_dns_packets_total counter",
        "netd_dns_packets_total{network=\"web\",type=\"AAAA\",outcome=\"cached\"} 5",
        "netd_dns_packets_total{network=\"lab\",type=\"AAAA\",outcome=\"cached\"} 5",
        "# TYPE netd_dns_duration_seconds histogram",
        "netd_dns_duration_seconds_sum{from=\"upstreams\"} 1.5",
        "netd_dns_duration_seconds_count{from=\"upstreams\"} 7",
        "netd_dns_duration_seconds_bucket{from=\"upstreams\",le=\"1e-05\"} 4",
        "netd_dns_duration_seconds_bucket{from=\"upstreams\",le=\"0.25\"} 4",
        "netd_dns_duration_seconds_bucket{from=\"upstreams\",le=\"+Inf\"} 7",
        "netd_dns_cache_entries 6",
        "netd_dns_cache_bytes 7",
        "netd_dns_cache_hits_total 8",
        "netd_dns_cache_misses_total 9",
        "netd_dns_cache_evictions_total 10",
        "netd_dns_query_log_lost_total 11",
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line} in\n{text}");
    }
}

#[tokio::test]
async fn a_question_is_explained_or_refused_with_its_reason() {
    let lab = Lab::start();
    let attachment = Arc::new(sample::attachment("web", "c1", "10.1.0.7"));
    let attachments = [(attachment.id.clone(), attachment)].into_iter().collect();
    let known = Known { snapshot: Arc::new(Snapshot { attachments, ..<_>::default() }), ..Known::default() };
    let turned = crate::zones::Kept::default().turn(&known, sample::BOOT);
    lab.dns.set_zones(Arc::new(crate::zones::zones(&turned, &Settings::parse("").unwrap(), &dns::Zones::default(), 1)));
    lab.known.store(Arc::new(known));
    lab.dns.set_upstreams(vec![std::net::SocketAddr::from(([192, 0, 2, 53], 53)).into()]);
    let api = openapi();
    for (question, status, upstreams, found) in [
        ("name=c1", json!("NOERROR"), json!(null), json!(["container", "c1.web.internal"])),
        ("name=none.web.internal&type=AAAA", json!("NXDOMAIN"), json!(null), json!(["domain", "web.internal"])),
        ("name=example.com", json!(null), json!(["192.0.2.53:53"]), json!(null)),
    ] {
        let said = lab.get(&format!("/v1/dns/query?from=c1&{question}")).await;
        assert_eq!(fault(&api, &api["components"]["schemas"]["Heard"], &said), None, "{said}");
        assert_eq!((&said["status"], &said["upstreams"]), (&status, &upstreams), "{said}");
        assert_eq!((&said["networks"], &said["source"]), (&json!(["web/web.internal"]), &json!("10.1.0.7")));
        let first = said["found"].get(0).map_or(json!(null), |first| json!([first["what"], first["name"]]));
        assert_eq!(first, found, "{said}");
    }
    for (question, why) in [
        ("from=c9&name=c1", "container c9 asks no server of ours"),
        ("from=c1&name=c1&type=AXFR", "AXFR"),
        ("from=c1", "name"),
        ("from=..%2Fc1&name=c1", "from"),
    ] {
        let (status, body) = lab.ask("GET", &format!("/v1/dns/query?{question}"), "").await;
        assert!(status == 400 && body.contains(why), "{question}: {status} {body}");
    }
    // Exactly the parameters that are described are read, and exactly those can be left out that need not be there.
    let described = api["paths"]["/v1/dns/query"]["get"]["parameters"].as_array().unwrap();
    let values = json!({"from": "c1", "name": "c1", "type": "A"});
    let words = || described.iter().map(|parameter| parameter["name"].as_str().unwrap());
    for parameter in described {
        let (left_out, is_required) = (parameter["name"].as_str().unwrap(), parameter["required"] == true);
        let others = words().filter(|word| *word != left_out);
        let query: Vec<String> = others.map(|word| format!("{word}={}", values[word].as_str().unwrap())).collect();
        let (status, body) = lab.ask("GET", &format!("/v1/dns/query?{}", query.join("&")), "").await;
        assert_eq!(status == 400, is_required, "{left_out}: {body}");
    }
    assert_eq!(words().count(), values.as_object().unwrap().len());
}

#[tokio::test]
async fn a_word_on_a_container_is_heard_by_the_loop_or_refused_with_its_reason() {
    let lab = Lab::start();
    let long = format!("{{\"state\": \"starting\"{}}}", " ".repeat(20 << 10));
    let api = openapi();
    let put = &api["paths"]["/v1/attachments/{network}/{container}/{ifname}/health"]["put"];
    for (path, body, status, why) in [
        ("web/c1/eth0", r#"{"state": "starting"}"#, 204, ""),
        ("web/c2/eth0", r#"{"state": "starting"}"#, 404, "there is no attachment web/c2/eth0"),
        ("web/c1/eth0", r#"{"state": "ill"}"#, 400, "unknown variant `ill`"),
        ("web/c1/eth0", r#"{"state": "starting", "since": 1}"#, 400, "unknown field `since`"),
        ("web/c1/eth0", "starting", 400, "the body is like"),
        ("web/..%2Fc1/eth0", r#"{"state": "starting"}"#, 400, "..%2Fc1"),
        ("web/c1/eth0", &long, 413, "limit"),
    ] {
        let (found, answer) = lab.ask("PUT", &format!("/v1/attachments/{path}/health"), body).await;
        assert!(found == status && answer.contains(&why.replace("%2F", "/")), "{path} {body}: {found} {answer}");
        assert!(found >= 400 || put["responses"].get(found.to_string()).is_some(), "{found} is not described");
        // What is described as a good body is taken for one, and nothing else.
        if let Ok(body) = serde_json::from_str(body)
            && path.starts_with("web/c1")
            && found != 413
        {
            let wanted = &put["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(fault(&api, wanted, &body).is_none(), found == 204, "{body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_too_much_is_hung_up_on_and_others_are_heard() {
    let lab = Lab::start();
    let mut silent = Vec::new();
    for _ in 0..2 * CLIENTS {
        silent.push(UnixStream::connect(lab.socket()).await.unwrap());
    }
    assert_eq!(lab.ask("GET", "/v1/openapi.json", "").await.0, 200);
    let mut long = UnixStream::connect(lab.socket()).await.unwrap();
    // It may be hung up on before it has said all.
    let _ = long.write_all(format!("GET /{}", "x".repeat(2 * HEAD_BYTES)).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = long.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(lab.ask("GET", "/v1/openapi.json", "").await.0, 200);
}

#[tokio::test]
async fn the_socket_is_roots_takes_the_place_of_a_killed_ones_and_goes_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netd.sock");
    std::fs::write(&path, "left by a killed netd").unwrap();
    drop(Control::bind(folder.path()).unwrap());
    assert!(!path.exists());
    let lab = Lab::start();
    assert_eq!(std::fs::metadata(lab.socket()).unwrap().mode() & 0o777, 0o600);
    lab.server.abort();
    assert!(lab.server.await.unwrap_err().is_cancelled());
    assert!(!lab.folder.path().join("netd.sock").exists());
}
