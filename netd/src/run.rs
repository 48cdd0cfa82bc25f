//! The daemon: one loop. Each turn looks at what is recorded now, serves that, and lets repair see to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use netd_model::attachment::{AttachmentId, Listen};
use netd_store::{Changes, Conflists, Reader, Snapshot, Store};
use sd_notify::NotifyState;
use tokio::sync::oneshot;

use crate::{
    cluster::{Cluster, View},
    control::Control,
    event::Burst,
    health::Reports,
    heard,
    known::Known,
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
    zones::Kept,
};

mod health;
mod listen;
mod names;
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
    /// What of the store changed since it was read.
    changes: Changes,
    snapshot: Arc<Snapshot>,
    /// Attachments that were ready, and that the next plugin of their chain works on.
    unfinished: BTreeSet<AttachmentId>,
    kept: Kept,
    reports: Reports,
    prober: Prober,
    server: Arc<dns::Server>,
    upstreams: Option<Arc<[dns::Upstream]>>,
    listening: Listening,
    /// Where it listens, by what was wanted.
    listeners: BTreeMap<Listen, dns::Listener>,
    /// Whether others may be wanted.
    is_moved: bool,
    /// Plugins that wait until their names are served.
    waiting: Vec<oneshot::Sender<u64>>,
    watch_errors: Once,
    broken_documents: Once,
    cluster_errors: Once,
    pace: Pace,
    rounds: Rounds,
    cluster: Cluster,
    view: Arc<View>,
    /// What is known, for who asks on the control socket.
    told: Arc<ArcSwap<Known>>,
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
    daemon.look_at_store(false);
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
            tracing::info!(run_dir = %daemon.settings.run_dir.display(), networks = daemon.kept.served().count(), "started");
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
            changes: Changes::default(),
            snapshot: Arc::default(),
            unfinished: BTreeSet::new(),
            kept: Kept::default(),
            prober,
            server: listening.server(),
            upstreams: None,
            listening,
            listeners: BTreeMap::new(),
            is_moved: true,
            waiting: Vec::new(),
            watch_errors: Once::default(),
            broken_documents: Once::default(),
            cluster_errors: Once::default(),
            pace: Pace::new(Instant::now()),
            rounds,
            cluster,
            view: Arc::default(),
            told: Arc::default(),
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
        if burst.reload {
            self.changes = Changes::Everything;
        }
        let is_waited_for = !burst.pokes.is_empty() || !burst.words.is_empty();
        // A poke's document is there, but its event may still wait to be read.
        self.hear_of_store(&mut sources.watch, burst.tick || is_waited_for);
        self.look_at_store(is_waited_for);
        self.look_at_cluster();
        let heard = self.hear(burst.words);
        // An interface may be made again under another number.
        self.is_moved |= burst.kernel || burst.tick;
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
