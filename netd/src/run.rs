//! The daemon: one loop. Each turn looks at what is recorded now, serves that, and lets repair see to it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use netd_model::attachment::{Attachment, AttachmentId};
use netd_store::{Conflists, Reader, Snapshot, Store};
use sd_notify::NotifyState;
use tokio::sync::oneshot;

use crate::{
    cluster::{Cluster, View},
    control::{Control, Known},
    event::Burst,
    health::Reports,
    heard,
    listening::Listening,
    logs::{Logs, Once, chain},
    overlay::Overlays,
    pace::Pace,
    poke::Pokes,
    probe::Prober,
    queries, repair,
    rounds::{Faults, Job, Rounds},
    service::notify,
    settings::Settings,
    settle::Settle,
    sources::Sources,
    zones::{self, Kept, Served},
};

mod health;
mod listen;
mod told;
mod upstreams;

use told::tell_refused;

pub(crate) const RESOLV: &str = "/etc/resolv.conf";

/// How long a round of repair may take to end when netd stops. What is half done then is done by the next netd.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the first round may keep netd from being ready.
const FIRST_ROUND: Duration = Duration::from_secs(2);

/// All that a turn works on.
struct Daemon {
    /// The settings' file, where one was named.
    file: Option<PathBuf>,
    settings: Settings,
    logs: Logs,
    boot: Arc<str>,
    reader: Reader,
    settle: Settle,
    snapshot: Arc<Snapshot>,
    attached: BTreeSet<AttachmentId>,
    /// None until the store was read.
    with_names: Option<Vec<Arc<Attachment>>>,
    kept: Kept,
    reports: Reports,
    prober: Prober,
    served: Vec<Served>,
    server: Arc<dns::Server>,
    upstreams: Option<Arc<[dns::Upstream]>>,
    listening: Listening,
    /// Plugins that wait until their names are served.
    waiting: Vec<oneshot::Sender<u64>>,
    broken_documents: Once,
    cluster_errors: Once,
    pace: Pace,
    rounds: Rounds,
    cluster: Cluster,
    view: Arc<View>,
    /// The same, for who asks on the control socket.
    known: Arc<ArcSwap<Known>>,
    /// Whether people can read it.
    is_view_told: bool,
    /// What repair could not do for overlay networks.
    faults: Faults,
    overlays: Arc<Overlays>,
    /// The generation of the first snapshot: later than that of any netd before this one, as long as the clock is.
    first_generation: u64,
}

/// Serves until SIGTERM.
///
/// # Errors
/// What makes it impossible to begin: the run directory, the socket, the settings. Nothing that comes later.
pub(crate) async fn run(file: Option<PathBuf>, settings: Settings, logs: Logs) -> anyhow::Result<()> {
    let store = Store::open(&settings.run_dir);
    let (mut sources, events) = Sources::open(&store, Path::new(RESOLV))?;
    let boot: Arc<str> = store.boot()?.id.into();
    let pokes = Pokes::bind(&settings.run_dir).context("listen on poke.sock in the run directory")?;
    let control = Control::bind(&settings.run_dir).context("listen on netd.sock in the run directory")?;
    heard::start(events.clone())?;
    let listening = Listening::new(Arc::default()).await;
    let cluster = Cluster::start(&settings, events.clone());
    let rounds = Rounds::start(store.clone(), Arc::clone(&boot), cluster.mtus(), events.clone())?;
    tell_refused(&settings);
    let parts = (cluster, rounds, Prober::new(events.clone()), listening);
    let mut daemon = Daemon::new(file, settings, logs, store, boot, parts);
    queries::log(&daemon.server, daemon.settings.query_log.as_ref());
    daemon.read_store();
    // A question that comes before the names of other hosts waits in the socket, or the answer would be that there are none.
    daemon.cluster.become_whole().await;
    daemon.turn(Burst { resolv: true, ..Burst::default() }, &mut sources).await;
    let control = tokio::spawn(control.serve(daemon.desk(events.clone())));
    let pokes = tokio::spawn(pokes.serve(events));
    // The first round writes the leases without which no container can be added to an overlay network.
    let mut ready_by = Some(Instant::now() + FIRST_ROUND);
    loop {
        let burst = sources.next(daemon.next()).await;
        if burst.stop {
            break;
        }
        let has_round_ended = burst.round_ended;
        daemon.turn(burst, &mut sources).await;
        if ready_by.take_if(|by| has_round_ended || Instant::now() >= *by).is_some() {
            notify(&[NotifyState::Ready]);
            tracing::info!(run_dir = %daemon.settings.run_dir.display(), networks = daemon.served.len(), "started");
        }
    }
    notify(&[NotifyState::Stopping]);
    for asked in [pokes, control] {
        asked.abort();
        drop(asked.await);
    }
    daemon.stop(&mut sources).await;
    daemon.cluster.stop().await;
    tracing::info!("stopped");
    Ok(())
}

impl Daemon {
    /// Before the first turn.
    fn new(
        file: Option<PathBuf>,
        settings: Settings,
        logs: Logs,
        store: Store,
        boot: Arc<str>,
        (cluster, rounds, prober, listening): (Cluster, Rounds, Prober, Listening),
    ) -> Self {
        Self {
            file,
            settings,
            logs,
            boot,
            reports: Reports::read(store.clone()),
            reader: Reader::keeping(store, repair::of_host),
            settle: Settle::new(Instant::now()),
            snapshot: Arc::default(),
            attached: BTreeSet::new(),
            with_names: None,
            kept: Kept::default(),
            prober,
            served: Vec::new(),
            server: listening.server(),
            upstreams: None,
            listening,
            waiting: Vec::new(),
            broken_documents: Once::default(),
            cluster_errors: Once::default(),
            pace: Pace::new(Instant::now()),
            rounds,
            cluster,
            view: Arc::default(),
            known: Arc::default(),
            is_view_told: true,
            faults: Faults::new(),
            overlays: Arc::default(),
            first_generation: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    /// One turn of the loop: names first, because plugins wait for them.
    async fn turn(&mut self, burst: Burst, sources: &mut Sources) {
        if burst.reload {
            self.reload();
        }
        // At each tick too: at boot the file may lead into a directory that is not there yet, and so not watched.
        if burst.resolv || burst.reload || burst.tick {
            self.choose_upstreams(sources.resolv.read());
        }
        // A poke's document is there, but its event may still wait to be read.
        let is_told = sources.watch.changed().unwrap_or_else(|error| {
            tracing::debug!(%error, "store not watched");
            true
        });
        let now = Instant::now();
        if is_told || burst.reload {
            self.settle.change(now);
        }
        if self.settle.read(now, !burst.pokes.is_empty() || !burst.words.is_empty()) {
            self.read_store();
        }
        self.look_at_cluster();
        let heard = self.hear(burst.words);
        self.listen(burst.tick, burst.round_ended).await;
        for (reply, heard) in heard {
            let _ = reply.send(heard);
        }
        self.answer(burst.pokes);
        self.pace_repair(burst.kernel, burst.round_ended);
        self.tell_known();
        if burst.tick {
            self.tell_view();
            notify(&[NotifyState::Watchdog]);
        }
    }

    /// When there is something to do, whatever happens.
    fn next(&self) -> Instant {
        let reading = self.settle.next();
        self.pace.next().map_or(reading, |round| round.min(reading))
    }

    /// Serves what is recorded now.
    fn read_store(&mut self) {
        let snapshot = self.reader.read();
        if snapshot.generation == self.snapshot.generation && self.with_names.is_some() {
            return;
        }
        self.broken_documents.say(snapshot.broken.iter().map(|error| chain(error.as_ref())), |error| {
            tracing::warn!(error, "document not readable");
        });
        self.snapshot = Arc::new(snapshot);
        self.pace.ask();
        self.tell_changes();
        let with_names = zones::with_names(self.snapshot.attachments.values(), &self.boot);
        // Most writes of a verb change no name.
        let is_swept = self.reports.sweep(&self.snapshot);
        if is_swept || !self.with_names.as_ref().is_some_and(|old| zones::are_same(&with_names, old)) {
            self.probe(&with_names);
            self.with_names = Some(with_names);
            self.publish();
            self.serve();
        }
    }

    /// Tells the other hosts what this one has.
    fn publish(&self) {
        if let Some(with_names) = &self.with_names {
            self.cluster.publish(zones::of_host(with_names, &self.settings.host.name, &self.view, self.reports.sick()));
        }
    }

    /// Serves the names of this host's containers, and of those that share a network with them.
    fn serve(&mut self) {
        let with_names = self.with_names.as_deref().unwrap_or_default();
        self.served = self.kept.served(with_names, &self.view, self.reports.sick());
        let zones = zones::zones(&self.served, &self.settings, &self.server.zones(), self.generation());
        self.server.set_zones(Arc::new(zones));
    }

    /// Takes up what other hosts have now.
    fn look_at_cluster(&mut self) {
        let view = self.cluster.view();
        if Arc::ptr_eq(&view, &self.view) {
            return;
        }
        let old = std::mem::replace(&mut self.view, view);
        self.cluster_errors.say(self.view.errors.iter().cloned(), |error| tracing::error!(error, "cluster"));
        self.is_view_told = false;
        // The way to a container is begun before its name is told.
        self.choose_overlays();
        self.pace_repair(false, false);
        if !self.view.serves_as(&old) {
            self.serve();
        }
    }

    fn choose_overlays(&mut self) {
        let overlays = Overlays::new(&self.settings, &self.view);
        if *self.overlays != overlays {
            self.overlays = Arc::new(overlays);
            self.pace.tell();
            self.publish();
        }
    }

    fn pace_repair(&mut self, kernel_changed: bool, round_ended: bool) {
        let now = Instant::now();
        if kernel_changed {
            self.pace.ask();
        }
        if round_ended {
            let faults = self.rounds.faults();
            self.is_view_told &= faults == self.faults;
            self.faults = faults;
            self.pace.end(now);
        }
        if let Some(depth) = self.pace.begin(now) {
            self.rounds.begin(Job {
                snapshot: Arc::clone(&self.snapshot),
                gc: self.settings.gc,
                depth,
                overlays: Arc::clone(&self.overlays),
                conflists: self.conflists(),
                redirects: Arc::clone(self.listening.redirects()),
            });
        }
    }

    fn conflists(&self) -> Option<Conflists> {
        let folder = self.settings.cni_conf_dir.clone()?;
        Some(Conflists::new(folder, &Store::open(&self.settings.run_dir)))
    }

    /// Takes the settings of the file, but for the run directory, which plugins found already.
    fn reload(&mut self) {
        match Settings::read(self.file.as_deref(), std::env::var_os("NETD_RUN_DIR")) {
            Ok(settings) => {
                if settings.run_dir != self.settings.run_dir {
                    tracing::warn!(run_dir = %settings.run_dir.display(), "another run_dir needs a restart");
                }
                self.logs.filter(&settings.log);
                queries::log(&self.server, settings.query_log.as_ref());
                self.settings = Settings { run_dir: std::mem::take(&mut self.settings.run_dir), ..settings };
                tracing::info!("settings read");
                tell_refused(&self.settings);
                // They are chosen anew, and so is who signs their certificates.
                self.upstreams = None;
                self.serve();
                self.cluster.reload(&self.settings);
                self.choose_overlays();
            }
            Err(error) => tracing::error!(error = chain(&error), "settings not read, the old ones stay"),
        }
    }

    /// Lets questions and a round of repair end.
    async fn stop(&mut self, sources: &mut Sources) {
        self.rounds.stop();
        self.server.stop().await;
        let end = async {
            while self.pace.next().is_none() {
                if sources.next(Instant::now() + FAREWELL).await.round_ended {
                    self.pace.end(Instant::now());
                }
            }
        };
        if tokio::time::timeout(FAREWELL, end).await.is_err() {
            tracing::warn!("stopped in the middle of a repair");
        }
    }

    /// The generation of what is served; it only grows.
    fn generation(&self) -> u64 {
        self.first_generation.saturating_add(self.snapshot.generation).saturating_add(self.reports.changes())
    }
}
