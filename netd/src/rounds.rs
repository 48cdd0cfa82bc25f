//! Rounds of repair, on a thread of their own: they wait for the kernel, and names must not wait for them.
//!
//! A round looks at all that attachments want of the host and takes no lock for that. Only what is not as it should be
//! is looked at again under its lock, with its document read again, and then changed.

mod departed;
mod overlays;
mod redirects;
mod take_back;

pub(crate) use redirects::Redirected;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Instant,
};

use netd_kernel::Kernel;
use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    name::NetworkName,
    object::{Key, Object, Side, State, Sysctl, SysctlPath},
    overlay::Mode,
    plan::{Plan, plan},
};
use netd_store::{Conflists, Snapshot, Store};
use tokio::sync::{mpsc, watch};

use self::overlays::Applied;
use crate::{
    cluster::Mtus,
    event::Event,
    firewall,
    listening::Redirects,
    logs::{Once, chain},
    look::Look,
    overlay::{Here, Overlays},
    pace::Depth,
    reclaim::Dead,
    repair,
};

/// What a round works on.
#[derive(Debug)]
pub(crate) struct Job {
    /// What was recorded when it began.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Whether what dead containers left is taken back.
    pub(crate) gc: bool,
    /// How far to look.
    pub(crate) depth: Depth,
    /// Networks that span hosts.
    pub(crate) overlays: Arc<Overlays>,
    /// Where their configurations are written for the runtime.
    pub(crate) conflists: Option<Conflists>,
    /// Ports of gateway addresses that are led to others.
    pub(crate) redirects: Arc<Redirects>,
}

impl Job {
    /// Whether something is recorded of a network.
    fn has_attachments(&self, network: &NetworkName) -> bool {
        self.snapshot.of_network(network).next().is_some()
    }
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Rounds {
    jobs: SyncSender<Job>,
    stop: Arc<AtomicBool>,
    faults: watch::Receiver<Faults>,
    redirected: watch::Receiver<Redirected>,
}

/// What the thread keeps from round to round.
struct Worker {
    stop: Arc<AtomicBool>,
    store: Store,
    boot: Arc<str>,
    kernel: Kernel,
    /// The last one at everything.
    look: Look,
    dead: Dead,
    failures: Once,
    warnings: Once,
    /// Overlay networks that are no more, but for their containers.
    kept: Once,
    /// Overlay networks as they were known last.
    known: BTreeMap<NetworkName, Here>,
    /// Overlay networks that are as they should be, as far as nobody said otherwise.
    applied: BTreeMap<NetworkName, Applied>,
    /// Whether somebody did, once somebody listens.
    touched: Option<Arc<AtomicBool>>,
    /// What crosses overlay networks from this host, for the others.
    mtus: watch::Sender<Mtus>,
    faults: watch::Sender<Faults>,
    redirected: watch::Sender<Redirected>,
    events: mpsc::Sender<Event>,
}

/// Attachments of which all is asked in one question: it bounds memory, and how long a stop waits.
const LOOKED_AT_AT_ONCE: usize = 100;

/// Documents of killed verbs that one round ends: removing an interface takes the kernel 20 ms.
const FINISHED_AT_ONCE: usize = 16;

/// Overlay networks that could not be brought up to date, and why.
pub(crate) type Faults = BTreeMap<NetworkName, String>;

/// Whether the repair of one thing failed; the others go on.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

impl Rounds {
    /// Starts the thread; at the end of each round it puts [`Event::RoundEnded`] into the queue, and `mtus` gets what
    /// crosses overlay networks whenever that changed.
    pub(crate) fn start(
        store: Store,
        boot: Arc<str>,
        mtus: watch::Sender<Mtus>,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let (jobs, work) = std::sync::mpsc::sync_channel::<Job>(1);
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, (told, faults)) = (Arc::clone(&stop), watch::channel(Faults::new()));
        let (led, redirected) = watch::channel(Redirected::default());
        thread::Builder::new().name("repair".to_owned()).spawn(move || {
            let mut worker = Worker::new(store, boot, seen, (mtus, told, led), events.clone());
            for job in work {
                let begin = Instant::now();
                worker.round(&job);
                tracing::debug!(depth = ?job.depth, elapsed = ?begin.elapsed(), "round");
                if events.blocking_send(Event::RoundEnded).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs, stop, faults, redirected })
    }

    /// What the last round could not do for overlay networks.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.borrow().clone()
    }

    /// What became of redirects in the last round.
    pub(crate) fn redirected(&self) -> Redirected {
        self.redirected.borrow().clone()
    }

    /// Lets the round that is under way end soon.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Begins a round. There is one at a time, see [`crate::pace`].
    pub(crate) fn begin(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            tracing::error!("thread of repair is not there");
        }
    }
}

impl Worker {
    fn new(
        store: Store,
        boot: Arc<str>,
        stop: Arc<AtomicBool>,
        (mtus, faults, redirected): (watch::Sender<Mtus>, watch::Sender<Faults>, watch::Sender<Redirected>),
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            stop,
            store,
            boot,
            kernel: Kernel::open(None),
            look: Look::default(),
            dead: Dead::default(),
            failures: Once::default(),
            warnings: Once::default(),
            kept: Once::default(),
            known: BTreeMap::new(),
            applied: BTreeMap::new(),
            touched: None,
            mtus,
            faults,
            redirected,
            events,
        }
    }

    fn round(&mut self, job: &Job) {
        // Opened anew, because it remembers the interfaces it met: containers come and go for months.
        self.kernel = Kernel::open(None);
        if job.depth == Depth::Told {
            // What fails is said when all is looked at, which is soon.
            let _ = self.see_to_redirects(job);
            return self.see_to_overlays(job, &mut |_, _| {});
        }
        let mut failures = Vec::new();
        let mut note = |what: &str, outcome: Outcome| {
            if let Err(error) = outcome {
                failures.push(format!("{what}: {}", chain(error.as_ref())));
            }
        };
        if job.depth == Depth::All {
            match Look::now(&job.snapshot, &self.boot, &mut self.kernel) {
                Ok(look) => self.look = look,
                Err(error) => note("look at interfaces", Err(error.into())),
            }
        }
        for here in job.overlays.networks.iter().filter(|here| here.overlay.mode == Mode::L2) {
            self.look.leave_bridge(&here.overlay.name);
        }
        note("redirects of names", self.see_to_redirects(job));
        self.see_to_overlays(job, &mut note);
        let look = std::mem::take(&mut self.look);
        // First what is shared: elements need their program, ports their bridge.
        self.see_to_shared(&look, &mut note);
        if job.depth == Depth::All {
            self.see_to_own(&look, &mut note);
            self.take_overlays_away(job, &mut note);
            self.take_old_gateways_away(job, &mut note);
            note("look at firewalls", self.warn_of_firewalls(&look));
        }
        self.see_to_unfinished(&look, &mut note);
        let due = self.dead.due(&look.dead, Instant::now());
        for id in due.iter().filter(|_| job.gc) {
            note(&id.owner(), self.take_back(id).map(drop));
        }
        self.look = look;
        self.failures.say(failures, |error| tracing::warn!(error, "repair failed"));
    }

    /// What attachments share, network by network if anything of it is broken.
    fn see_to_shared(&mut self, look: &Look, note: &mut impl FnMut(&str, Outcome)) {
        let all: State = look.shared.values().flat_map(|shared| shared.iter().cloned()).collect();
        match self.plan(&all) {
            Ok(plan) if plan.is_empty() => {}
            Ok(_) => {
                for (network, shared) in &look.shared {
                    note(&format!("network {network}"), self.repair_shared(look, network, shared));
                }
            }
            Err(error) => note("look at networks", Err(error.into())),
        }
    }

    /// What is each attachment's own.
    fn see_to_own(&mut self, look: &Look, note: &mut impl FnMut(&str, Outcome)) {
        for living in look.living.chunks(LOOKED_AT_AT_ONCE) {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            match self.broken(living) {
                Ok(broken) => broken.iter().for_each(|id| note(&id.owner(), self.repair_own(id))),
                Err(error) => note("look at attachments", Err(error.into())),
            }
        }
    }

    /// What killed verbs left. Those that are under way cost nothing and do not count.
    fn see_to_unfinished(&mut self, look: &Look, note: &mut impl FnMut(&str, Outcome)) {
        let mut finished = 0;
        for id in &look.unfinished {
            if finished == FINISHED_AT_ONCE || self.stop.load(Ordering::Relaxed) {
                return;
            }
            note(&id.owner(), self.finish(id).map(|took| finished += usize::from(took)));
        }
    }

    /// Firewalls of others that keep questions from us, and packets from containers, are their owners' to open; each is
    /// named once.
    fn warn_of_firewalls(&mut self, look: &Look) -> Outcome {
        let (chains, bridges) = (self.kernel.hooked_chains()?, look.bridges());
        let held_back = self.kernel.held_back(&chains, &look.guarded_links())?;
        let advice = firewall::advice(&chains, &bridges).chain(held_back);
        self.warnings.say(advice, |advice| tracing::warn!(advice, "firewall drops packets"));
        Ok(())
    }

    /// Puts back what a network's attachments share, if nobody else does and it is still recorded.
    fn repair_shared(&mut self, look: &Look, network: &NetworkName, wanted: &State) -> Outcome {
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
        if self.store.network(network)?.paused {
            return Ok(());
        }
        let still = self.still_recorded(look, network, wanted);
        // Forwarding would take the host's own default route: first, and apart, because the order matters.
        for wanted in [self.kept_default_routes(&still)?, still] {
            let plan = self.plan(&wanted)?;
            tell(&plan, network);
            self.kernel.apply(&plan)?;
        }
        Ok(())
    }

    /// What of `wanted` a document of the network has now; as a rule the first has all.
    fn still_recorded(&self, look: &Look, network: &NetworkName, wanted: &State) -> State {
        let (mut missing, mut found) = (wanted.clone(), State::default());
        for attachment in look.living.iter().filter(|attachment| attachment.id.network == *network) {
            if missing.is_empty() {
                break;
            }
            let document = self.store.read(&attachment.id).ok().flatten();
            for key in repair::shared(document.iter().filter(|document| self.is_to_be_repaired(document))).keys() {
                found.extend(missing.remove(key));
            }
        }
        found
    }

    /// What must be there before IPv6 is forwarded, where that is wanted: interfaces that take their default route from
    /// a router's word go on doing so only with `accept_ra` = 2.
    fn kept_default_routes(&mut self, wanted: &State) -> Result<State, netd_kernel::Error> {
        let forwarding = SysctlPath::of_namespace("ipv6/conf/all/forwarding");
        if wanted.find(&Key::Sysctl(Side::Host, forwarding)).is_none() {
            return Ok(State::default());
        }
        let accepting = self.kernel.interfaces_accepting_ra()?.into_iter();
        let sysctls = accepting.map(|link| Sysctl {
            side: Side::Host,
            path: SysctlPath::of_link("ipv6", &link, "accept_ra"),
            value: "2".to_owned(),
        });
        Ok(sysctls.map(Object::Sysctl).collect())
    }

    /// The attachments of which something of their own is broken.
    fn broken(&mut self, living: &[Arc<Attachment>]) -> Result<Vec<AttachmentId>, netd_kernel::Error> {
        let own = living.iter().map(|attachment| {
            let wanted = repair::own(attachment);
            (&attachment.id, repair::keys(&wanted), wanted)
        });
        let own: Vec<(&AttachmentId, Vec<Key>, State)> = own.collect();
        let observed = self.kernel.observe(own.iter().flat_map(|(_, keys, _)| keys))?;
        let is_broken = |keys: &[Key], wanted: &State| {
            // A plan takes a copy of what it is shown: only what is this attachment's.
            let observed: State = keys.iter().filter_map(|key| observed.find(key).cloned()).collect();
            !plan(&repair::permitted(wanted, &observed), &observed).is_empty()
        };
        let broken = own.iter().filter(|(_, keys, wanted)| is_broken(keys, wanted));
        Ok(broken.map(|(id, ..)| (*id).clone()).collect())
    }

    /// Puts back what is one attachment's own, if nobody else works on it.
    fn repair_own(&mut self, id: &AttachmentId) -> Outcome {
        let Some(_lock) = self.store.try_lock_attachment(&id.container, &id.ifname)? else { return Ok(()) };
        let Some(attachment) = self.store.read(id)?.filter(|attachment| self.is_to_be_repaired(attachment)) else {
            return Ok(());
        };
        if self.store.network(&id.network)?.paused {
            return Ok(());
        }
        let own = repair::own(&attachment);
        let plan = self.plan(&own)?;
        tell(&plan, &id.network);
        self.kernel.apply(&plan)?;
        if !plan.is_empty() {
            // They may have begun while its ports were not published.
            self.kernel.forget_flows_before(&own)?;
        }
        Ok(())
    }

    fn is_to_be_repaired(&self, attachment: &Attachment) -> bool {
        attachment.progress == Progress::Ready && *attachment.boot == *self.boot
    }

    fn plan(&mut self, wanted: &State) -> Result<Plan, netd_kernel::Error> {
        let observed = self.kernel.observe(&repair::keys(wanted))?;
        Ok(plan(&repair::permitted(wanted, &observed), &observed))
    }
}

/// One line per step.
fn tell(plan: &Plan, network: &NetworkName) {
    for step in &plan.steps {
        tracing::info!(%network, %step, "repaired");
    }
}
