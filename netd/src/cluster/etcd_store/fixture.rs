//! A real etcd on loopback, and hosts that share it.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    key::{Key, prefix},
    session::Session,
};
use crate::{
    cluster::{
        Cluster,
        fixture::{Host, LONG, Loopback},
    },
    settings::Settings,
};

/// An etcd of one member, and hosts that share it: 127.x.y.1 and so on.
pub(super) struct Lab {
    folder: tempfile::TempDir,
    loopback: Loopback,
    etcd: Option<Child>,
    scheme: &'static str,
    /// What else etcd is started with.
    words: Vec<String>,
    /// Of the hosts, in seconds.
    ttl: u16,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with("http", 1, |_| Vec::new())
    }

    /// The same where etcd speaks TLS or is started otherwise; words have no spaces.
    pub(super) fn with(scheme: &'static str, ttl: u16, words: impl FnOnce(&Self) -> Vec<String>) -> Self {
        let (folder, loopback) = (tempfile::tempdir().unwrap(), Loopback::new());
        let mut lab = Self { folder, loopback, etcd: None, scheme, words: Vec::new(), ttl };
        lab.words = words(&lab);
        lab.start_etcd("data");
        lab
    }

    pub(super) fn address(&self, host: u8) -> Ipv4Addr {
        self.loopback.address(host)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts etcd with what stands in a folder.
    pub(super) fn start_etcd(&mut self, data: &str) {
        let clients = self.url();
        let peers = format!("http://{}:2380", self.address(254));
        let log = File::create(self.path("etcd.log")).unwrap();
        let mut command = Command::new("etcd");
        command
            .args(["--heartbeat-interval", "10", "--election-timeout", "100"])
            .arg("--data-dir")
            .arg(self.path(data))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}")])
            .args(&self.words)
            .stdout(Stdio::null())
            .stderr(log);
        self.etcd = Some(command.spawn().expect("etcd is installed: apt install etcd-server"));
        let (begin, address) = (Instant::now(), SocketAddr::from((self.address(254), 2379)));
        while TcpStream::connect(address).is_err() {
            assert!(
                begin.elapsed() < LONG,
                "etcd does not start: {}",
                std::fs::read_to_string(self.path("etcd.log")).unwrap()
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// As in a power cut.
    pub(super) fn kill_etcd(&mut self) {
        if let Some(mut etcd) = self.etcd.take() {
            etcd.kill().unwrap();
            etcd.wait().unwrap();
        }
    }

    pub(super) fn settings(&self, host: u8, more: &str) -> Settings {
        let state_dir = self.path(&format!("state-{host}"));
        self.settings_of(&format!("h{host}"), self.address(host), &state_dir, more)
    }

    pub(super) fn settings_of(&self, name: &str, address: Ipv4Addr, state_dir: &Path, more: &str) -> Settings {
        let text = format!(
            "state_dir = '{}'\n[host]\nname = '{name}'\naddress = '{address}'\n\
             [cluster]\nstore = 'etcd'\nttl = {}\nendpoints = ['{}']\n{more}",
            state_dir.display(),
            self.ttl,
            self.url(),
        );
        Settings::parse(&text).unwrap()
    }

    /// Where etcd is.
    pub(super) fn url(&self) -> String {
        format!("{}://{}:2379", self.scheme, self.address(254))
    }

    /// A host of which nothing is waited for.
    pub(super) fn begin(settings: &Settings) -> Host {
        let (sender, events) = mpsc::channel(crate::event::WAITING);
        Host::new(Cluster::start(settings, sender), events)
    }

    /// A host in network `lab`, with a container of its own name; `more` are lines of `[cluster]`.
    pub(super) async fn start_with(&self, host: u8, more: &str) -> Host {
        let mut started = Self::begin(&self.settings(host, &format!("{more}{NETWORK}")));
        started.has_part().await;
        started.tell(&[&format!("c{host}")]);
        started
    }

    pub(super) async fn start(&self, host: u8) -> Host {
        self.start_with(host, "").await
    }

    pub(super) async fn session(&self) -> Session {
        let settings = self.settings(253, "");
        let etcd = super::of_etcd(&settings).unwrap();
        let mut found = None;
        // Right after its start it has no leader.
        for _ in 0..200 {
            let mut session = Session::open(etcd, etcd.endpoints[0], prefix("default")).await.unwrap();
            if session.head().await.is_ok() {
                found = Some(session);
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        found.expect("etcd answers")
    }

    /// A client of etcd that is not ours.
    pub(super) async fn client(&self) -> etcd_client::Client {
        drop(self.session().await);
        etcd_client::Client::connect([self.url()], None).await.unwrap()
    }
}

/// The network that hosts are in.
pub(super) const NETWORK: &str =
    "[[network]]\nname = 'lab'\ndriver = 'overlay'\nsubnet = ['10.40.0.0/16', 'fd40::/48']\nhost_prefix = [24, 64]\n";

/// The whole text of a key.
pub(super) fn whole(key: &str) -> String {
    assert!(key.parse::<Key>().is_ok(), "{key}");
    prefix("default") + key
}

impl Host {
    /// Its parts of network `lab`.
    pub(super) fn part(&self) -> String {
        let view = self.cluster.view();
        let own = view.networks.values().next().and_then(|network| network.own.as_ref());
        let subnets = own.map(|own| own.subnets.iter().map(ToString::to_string).collect::<Vec<_>>());
        subnets.unwrap_or_default().join(" ")
    }

    pub(super) async fn has_part(&mut self) {
        self.until(|host| !host.part().is_empty()).await;
    }

    /// Publishes containers, all at one address of the host's part.
    pub(super) fn tell(&self, containers: &[&str]) {
        let view = self.cluster.view();
        let own = view.networks.values().next().and_then(|network| network.own.clone()).unwrap();
        let address = own.subnets[0].iter().nth(5).unwrap();
        let container =
            |name: &&str| serde_json::json!({"container": name, "names": [name], "addresses": [address], "ttl": 5});
        let containers: Vec<_> = containers.iter().map(container).collect();
        let names = serde_json::json!({"version": 1, "host": own.host, "network": "lab", "containers": containers});
        self.cluster.publish(vec![serde_json::from_value(names).unwrap()]);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill_etcd();
    }
}
