//! What the store knows, and the tasks that ask and answer for it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use netd_kernel::Kernel;
use netd_model::{
    name::{HostName, LinkName},
    object::Side,
};
use netd_store::Documents;
use serde_json::value::RawValue;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use super::file::PeersFile;
use crate::{
    cluster::{
        contact::Contact,
        members::Members,
        memory::{self, Memory, Recalled},
        sync::{
            Answer,
            client::{self, Report, Target},
            server::{self, Access, Desk},
        },
        task::Task,
        view::{NetworkView, Peer, Peers, State, View},
    },
    logs::{Once, chain},
    settings::{
        Settings,
        cluster::{Place, Static, Store},
    },
};

/// The store whose hosts stand in a file.
pub(super) struct Keeper {
    settings: Arc<Settings>,
    file: PeersFile,
    members: Members,
    contacts: BTreeMap<HostName, Contact>,
    /// Hosts of which something was known before netd started, until the file names them.
    recalled: BTreeMap<HostName, Contact>,
    /// Whether what is known changed since it was written down.
    is_news: bool,
    /// Who is asked, by a task each.
    pollers: BTreeMap<HostName, (Target, Task)>,
    reports: mpsc::Sender<Report>,
    desk: Desk,
    /// Where the other hosts are answered, and the task that does it.
    listening: Option<(SocketAddr, Task)>,
    listen_error: Option<String>,
    interface_error: Option<String>,
    /// What there is to see; the peers of it follow what is heard.
    view: View,
    said: Once,
}

impl Keeper {
    pub(super) fn new(
        settings: Arc<Settings>,
        answers: watch::Receiver<Answer>,
        reports: mpsc::Sender<Report>,
        recalled: Option<Recalled>,
    ) -> Self {
        let file = PeersFile::new(of_file(&settings).map_or(Path::new(""), |of_file| &of_file.peers));
        Self {
            settings,
            file,
            members: Members::default(),
            contacts: BTreeMap::new(),
            recalled: recalled.map(of_hosts).unwrap_or_default(),
            is_news: true,
            pollers: BTreeMap::new(),
            reports,
            desk: Desk { access: Arc::default(), answers },
            listening: None,
            listen_error: None,
            interface_error: None,
            view: View::default(),
            said: Once::default(),
        }
    }

    /// Looks at everything that may have changed without being told.
    pub(super) async fn look(&mut self) {
        if self.file.look() {
            self.apply(SystemTime::now());
            tracing::info!(peers = self.members.others.len(), "peers file read");
        }
        self.listen().await;
        self.interface_error = match &self.settings.host.place {
            Some(Place::Interface(interface)) => foreign(interface, self.members.own).await,
            _ => None,
        };
    }

    /// Takes other settings.
    pub(super) async fn take(&mut self, settings: Arc<Settings>) {
        if let Some(of_file) = of_file(&settings)
            && of_file.peers != self.file.path()
        {
            self.file.move_to(&of_file.peers);
        }
        self.settings = settings;
        self.file.look();
        self.apply(SystemTime::now());
        self.look().await;
    }

    /// Notes what came of asking a host; whether that changed anything.
    pub(super) fn hear(&mut self, report: Report, now: Instant, clock: SystemTime) -> bool {
        // Who was taken out of the file may have answered just before.
        let Some(contact) = self.contacts.get_mut(&report.host) else { return false };
        let before = contact.state;
        let is_changed = contact.hear(report.answer, now, clock);
        if contact.state != before {
            tracing::info!(peer = %report.host, "peer answers");
        }
        self.is_news |= is_changed;
        if is_changed {
            show(&self.members, &report.host, contact, &mut self.view);
        }
        is_changed
    }

    /// Notes who has been silent for too long; whether anybody has.
    pub(super) fn age(&mut self, now: Instant, clock: SystemTime) -> bool {
        let Some(ttl) = self.ttl() else { return false };
        let mut is_changed = false;
        for (host, contact) in &mut self.contacts {
            if contact.age(ttl, now, clock) {
                is_changed = true;
                show(&self.members, host, contact, &mut self.view);
                let error = contact.last_error.as_deref();
                tracing::warn!(peer = %host, error, "peer is silent, its names are withdrawn");
            }
        }
        self.is_news |= is_changed;
        is_changed
    }

    /// When the next host falls silent, if it is not heard before.
    pub(super) fn next_silence(&self) -> Option<Instant> {
        let ttl = self.ttl()?;
        self.contacts.values().filter_map(|contact| contact.falls_silent(ttl)).min()
    }

    /// What there is to see now.
    pub(super) fn view(&mut self) -> View {
        let of_answer = self.desk.answers.borrow().error.clone();
        let errors = [&self.file.error, &self.listen_error, &self.interface_error, &of_answer];
        self.view.errors = errors.into_iter().flatten().chain(&self.members.errors).cloned().collect();
        self.view.is_whole = self.contacts.values().all(|contact| contact.is_asked);
        self.view.clone()
    }

    /// Logs which hosts cannot be asked, when that begins.
    pub(super) fn say(&mut self) {
        let of_peers = self.contacts.iter().filter_map(|(host, contact)| {
            let error = contact.last_error.as_ref()?;
            // A restart of the other netd is no news.
            (contact.state == State::Silent).then(|| format!("peer {host}: {error}"))
        });
        self.said.say(of_peers, |error| tracing::warn!(error, "peer cannot be asked"));
    }

    /// Lets what is known outlive netd.
    pub(super) async fn remember(&mut self, memory: &mut Memory) {
        memory.keep(&self.settings, &mut self.is_news, || known(self.contacts.iter().chain(&self.recalled))).await;
    }

    /// The last of it, when netd stops.
    pub(super) async fn end(mut self, memory: Memory) {
        memory.end(&self.settings, &mut self.is_news, || known(self.contacts.iter().chain(&self.recalled))).await;
    }

    /// Does what file and settings say; what they leave as it was goes on undisturbed.
    fn apply(&mut self, clock: SystemTime) {
        self.members = Members::new(&self.settings, &self.file.peers, &self.members);
        let others = &self.members.others;
        self.contacts.retain(|host, _| others.contains_key(host));
        for host in others.keys() {
            let known = || self.recalled.remove(host).unwrap_or_else(|| Contact::new(clock));
            self.contacts.entry(host.clone()).or_insert_with(known);
        }
        let networks = self.settings.networks.usable.iter().map(|network| {
            let own = self.members.networks.get(&network.overlay.name).and_then(|members| members.own.clone());
            let (network, peers, left_out) = (Arc::new(network.clone()), Peers::default(), BTreeMap::new());
            let shown = NetworkView { network, own, peers, left_out };
            (shown.network.overlay.name.clone(), shown)
        });
        // Before the file was read once nobody is out of it.
        if self.file.is_read {
            self.recalled.clear();
        }
        self.view.networks = networks.collect();
        for (host, contact) in &self.contacts {
            show(&self.members, host, contact, &mut self.view);
        }
        let key = of_file(&self.settings).and_then(|of_file| of_file.key.clone());
        self.desk.access.store(Arc::new(Access { addresses: others.values().copied().collect(), key }));
        let wanted = self.targets();
        self.pollers.retain(|host, (target, _)| wanted.get(host) == Some(target));
        for (host, target) in wanted {
            let reports = &self.reports;
            let start = || (target.clone(), Task::spawn(client::poll(target.clone(), reports.clone())));
            self.pollers.entry(host).or_insert_with(start);
        }
    }

    /// Whom to ask.
    fn targets(&self) -> BTreeMap<HostName, Target> {
        let (Some(of_file), Some(own)) = (of_file(&self.settings), self.members.own) else { return BTreeMap::new() };
        let target = |(host, address): (&HostName, &IpAddr)| Target {
            host: host.clone(),
            address: SocketAddr::new(*address, of_file.sync_port),
            own,
            key: of_file.key.clone(),
            ttl: of_file.ttl,
        };
        self.members.others.iter().map(|other| (other.0.clone(), target(other))).collect()
    }

    /// Answers where the file says, if the address is there and the port is free.
    async fn listen(&mut self) {
        let wanted = of_file(&self.settings).zip(self.members.own);
        let wanted = wanted.map(|(of_file, own)| SocketAddr::new(own, of_file.sync_port));
        if wanted.is_none() {
            self.listen_error = None;
        }
        if wanted == self.listening.as_ref().map(|(address, _)| *address) {
            return;
        }
        self.listen_error = None;
        if let Some((_, task)) = self.listening.take() {
            task.stop().await;
        }
        let Some(address) = wanted else { return };
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let task = Task::spawn(server::serve(listener, self.desk.clone()));
                self.listening = Some((address, task));
            }
            Err(error) => self.listen_error = Some(format!("listen on {address} for other hosts: {error}")),
        }
    }

    fn ttl(&self) -> Option<Duration> {
        of_file(&self.settings).map(|of_file| of_file.ttl)
    }
}

/// What is known of each host, as it is kept.
fn known<'c>(contacts: impl Iterator<Item = (&'c HostName, &'c Contact)>) -> Documents {
    memory::documents(contacts.map(|(host, contact)| (host, contact.kept())))
}

/// The hosts as they were kept; what is none is left out.
fn of_hosts(recalled: Recalled) -> BTreeMap<HostName, Contact> {
    let Recalled { documents, as_of, .. } = recalled;
    let now = Instant::now();
    let of_host = |(host, kept): (String, Box<RawValue>)| {
        Some((host.parse().ok()?, Contact::recalled(serde_json::from_str(kept.get()).ok()?, as_of, now)))
    };
    documents.into_iter().filter_map(of_host).collect()
}

/// The settings of this store; others do not come here.
pub(super) fn of_file(settings: &Settings) -> Option<&Static> {
    match &settings.cluster.store {
        Store::Static(of_file) => Some(of_file),
        Store::None | Store::Etcd(_) => None,
    }
}

/// Shows a host anew, in each network that it is in.
fn show(members: &Members, host: &HostName, contact: &Contact, view: &mut View) {
    for (name, network) in &mut view.networks {
        if let Some(member) = members.networks.get(name).and_then(|of_network| of_network.others.get(host)) {
            let peer = Peer::new(member, contact, &network.network.overlay);
            network.peers.insert(host, peer);
        }
    }
}

/// Why `own` is not an address of the interface that the settings name, if it is not.
async fn foreign(interface: &LinkName, own: Option<IpAddr>) -> Option<String> {
    let own = own?;
    let name = interface.clone();
    let addresses = tokio::task::spawn_blocking(move || Kernel::open(None).addresses(Side::Host, &name)).await.ok()?;
    match addresses {
        Ok(addresses) if addresses.iter().any(|address| address.ip() == own) => None,
        Ok(_) => Some(format!("host.interface = \"{interface}\" has not the address {own} of the peers file")),
        Err(error) => Some(format!("host.interface = \"{interface}\": {}", chain(&error))),
    }
}
