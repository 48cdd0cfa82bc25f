//! containerd as Kubernetes drives it: pods over the Container Runtime Interface, with what the kubelet says in them.

use serde_json::{Value, json};
use tests::{Host, Lab, Run, eventually, need, run};

use super::enclosure::Enclosure;
use super::image::{NAME, PAGE};
use super::{SOON, containerd, image, left, page, rates};

fn network() -> Value {
    json!({"cniVersion": "1.0.0", "name": "web", "plugins": [
        {"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipMasq": true,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}},
        {"type": "portmap", "capabilities": {"portMappings": true}},
        {"type": "firewall"},
        {"type": "bandwidth", "capabilities": {"bandwidth": true}},
        {"type": "dns", "names": ["store"]}
    ]})
}

/// A container's `hostPort`, and the annotations of its pod that limit it.
const PORT: &str = "port_mappings { container_port: 80 host_port: 8080 }";
const LIMITS: &str = r#"annotations { key: "kubernetes.io/ingress-bandwidth" value: "100M" }
annotations { key: "kubernetes.io/egress-bandwidth" value: "50M" }"#;

#[test]
fn a_pod_has_ports_limits_and_names() {
    let lab = Lab::new();
    let [host, other] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&other, "192.0.2.1/24", "192.0.2.2/24");
    let netd = host.netd();
    let kubelet = Kubelet::start(&host, &network());
    let shop = kubelet.pod("shop", &format!("{PORT} {LIMITS}"));
    for (node, url) in [(&host, "127.0.0.1"), (&host, "192.0.2.1"), (&other, "192.0.2.1")] {
        assert_eq!(page(node, &format!("http://{url}:8080")), PAGE, "{url} from {}", node.name());
    }
    assert_eq!(rates(&host), ["100Mbit", "50Mbit"]);

    let client = kubelet.pod("client", "");
    let address = format!("Address: {}\\n", kubelet.address(&shop));
    for name in ["shop.default", "store"] {
        let found = kubelet.exec(&client, &["nslookup", name]);
        assert!(found.contains(&format!("Name:\\t{name}")) && found.contains(&address), "{found}");
    }
    assert!(kubelet.exec(&client, &["ping", "-c", "1", "shop.default"]).contains(" 0% packet loss"));
    let request = r#"printf "GET / HTTP/1.0\n\n" | nc -w 3 192.0.2.1 8080"#;
    assert!(kubelet.exec(&client, &["sh", "-c", request]).contains("hello"));

    let before = left(&host);
    assert!(before.iter().any(|line| line.contains(&shop.sandbox)), "{before:#?}");
    let refused = kubelet.sandbox("thief", PORT).unwrap_err();
    let owner = format!("host port 8080/tcp is published already by attachment web/{}/eth0", shop.sandbox);
    assert!(refused.contains(&owner), "{refused}");
    assert_eq!(left(&host), before);

    kubelet.remove(&shop);
    let gone = kubelet.exec(&client, &["nslookup", "shop.default.web.internal"]);
    assert!(gone.contains("NXDOMAIN"), "{gone}");
    kubelet.remove(&client);
    assert_eq!(left(&host), [""; 0]);
    netd.stop();
}

/// The kubelet takes away what is no more, whose namespaces are gone, and makes the pod anew with another id.
#[test]
fn pods_come_back_after_a_reboot() {
    let lab = Lab::new();
    let host = lab.host("a");
    let kubelet = Kubelet::start(&host, &network());
    let pod = kubelet.pod("shop", PORT);
    drop(kubelet);
    host.reboot(Run::Wiped);
    let kubelet = Kubelet::again(&host, &network());
    kubelet.remove(&pod);
    assert_eq!(left(&host), [""; 0]);
    let pod = kubelet.pod("shop", PORT);
    assert_eq!(page(&host, "http://127.0.0.1:8080"), PAGE);
    kubelet.remove(&pod);
    assert_eq!(left(&host), [""; 0]);
}

/// A call: text becomes a message, the message a frame of gRPC, and what comes back is text again, or says why not.
const CALL: &str = r#"set -e
cd "$1"
protoc --encode="runtime.v1.$2Request" cri.proto >request
length=$(stat --format %s request)
octets=$(printf '\\0%o' 0 $((length >> 24 & 255)) $((length >> 16 & 255)) $((length >> 8 & 255)) $((length & 255)))
{ printf '%b' "$octets"; cat request; } >frame
curl --silent --show-error --max-time 30 --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock \
    --header 'content-type: application/grpc' --header 'te: trailers' --data-binary @frame \
    --dump-header head --output reply "http://localhost/runtime.v1.RuntimeService/$2"
grep -q '^grpc-status: 0' head || { cat head >&2; exit 1; }
tail -c +6 reply | protoc --decode="runtime.v1.$2Response" cri.proto"#;

/// Who says to containerd what the kubelet says.
struct Kubelet {
    containerd: Enclosure,
}

/// A pod with one container, by their ids.
struct Pod {
    sandbox: String,
    container: String,
}

impl Kubelet {
    fn start(host: &Host, network: &Value) -> Self {
        need("/usr/bin/protoc", "protobuf-compiler");
        std::fs::write(host.folder().join("cri.proto"), include_str!("cri.proto")).unwrap();
        let archive = image::archive(host.folder());
        let kubelet = Self::again(host, network);
        let mut import = kubelet.containerd.command("ctr");
        import.args(["--namespace", "k8s.io", "images", "import", "--snapshotter", "native"]).arg(archive);
        run(&mut import, b"").text();
        kubelet
    }

    /// With what the disk holds.
    fn again(host: &Host, network: &Value) -> Self {
        let kubelet = Self { containerd: containerd::start(host, network) };
        eventually(SOON, || kubelet.call("ListPodSandbox", "").is_ok());
        kubelet
    }

    fn call(&self, method: &str, text: &str) -> Result<String, String> {
        let mut sh = self.containerd.command("sh");
        let said = run(sh.args(["-c", CALL, "sh"]).arg(self.containerd.path("")).arg(method), text.as_bytes());
        if said.success() { Ok(said.stdout) } else { Err(said.stderr) }
    }

    /// One with `dnsPolicy: None`, as README says that it takes.
    fn config(&self, name: &str, more: &str) -> String {
        let logs = self.containerd.path("logs");
        let dns = r#"dns_config { servers: "10.1.2.1" searches: "web.internal" }"#;
        let metadata = format!(r#"metadata {{ name: "{name}" uid: "{name}" namespace: "default" }}"#);
        format!(r#"{metadata} log_directory: "{}" {dns} linux {{}} {more}"#, logs.display())
    }

    /// Namespaces with a network.
    fn sandbox(&self, name: &str, more: &str) -> Result<String, String> {
        let reply = self.call("RunPodSandbox", &format!("config {{ {} }}", self.config(name, more)))?;
        Ok(quoted(&reply, "pod_sandbox_id").to_owned())
    }

    /// One that serves [`PAGE`].
    #[track_caller]
    fn pod(&self, name: &str, more: &str) -> Pod {
        let sandbox = self.sandbox(name, more).unwrap();
        let command = ["/bin/httpd", "-f", "-h", "/www"].map(|word| format!("command: \"{word}\"")).concat();
        let container = format!(r#"metadata {{ name: "web" }} image {{ image: "{NAME}" }} {command} linux {{}}"#);
        let config = self.config(name, more);
        let both = format!("pod_sandbox_id: \"{sandbox}\" config {{ {container} }} sandbox_config {{ {config} }}");
        let reply = self.call("CreateContainer", &both).unwrap();
        let container = quoted(&reply, "container_id").to_owned();
        self.call("StartContainer", &format!("container_id: \"{container}\"")).unwrap();
        Pod { sandbox, container }
    }

    #[track_caller]
    fn address(&self, pod: &Pod) -> String {
        let reply = self.call("PodSandboxStatus", &format!("pod_sandbox_id: \"{}\"", pod.sandbox)).unwrap();
        quoted(&reply, "ip").to_owned()
    }

    /// What a command in a pod prints, with the escapes of protobuf's text.
    #[track_caller]
    fn exec(&self, pod: &Pod, words: &[&str]) -> String {
        let words = words.iter().map(|word| format!("cmd: {word:?} ")).collect::<Vec<_>>().concat();
        self.call("ExecSync", &format!("container_id: \"{}\" {words}", pod.container)).unwrap()
    }

    #[track_caller]
    fn remove(&self, pod: &Pod) {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            self.call(method, &format!("pod_sandbox_id: \"{}\"", pod.sandbox)).unwrap();
        }
    }
}

/// The value of a field in protobuf's text.
#[track_caller]
fn quoted<'a>(text: &'a str, field: &str) -> &'a str {
    let start = format!("{field}: \"");
    let value = text.split_once(&start).and_then(|(_, rest)| rest.split('"').next());
    value.ok_or_else(|| format!("no {field} in {text:?}")).unwrap()
}
