//! The store whose hosts stand in a file: reads the file again, asks its hosts, answers them, and shows what came of it.

mod file;
mod keeper;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, sleep_until},
};

use self::{file::PeersFile, keeper::Keeper};
use super::{
    Orders, Store, Views,
    members::Members,
    memory::{Memory, end_of},
    sync::{Answer, client::Report, publish},
};
use crate::settings::Settings;

/// How often it is looked whether the file changed, and a listener that could not be opened is tried again.
const TICK: Duration = Duration::from_secs(1);

/// How many answers of hosts may wait; who has one more waits.
const WAITING: usize = 64;

/// The rest after each view: of thousands of hosts, some change all the time.
const REST: Duration = Duration::from_millis(10);

/// The store whose hosts stand in a file.
pub(super) struct StaticStore;

impl Store for StaticStore {
    async fn run(self, orders: Orders, views: Views) {
        let (answer, answers) = watch::channel(Answer::default());
        let Orders { settings, names, mtus } = orders;
        let (of_host, end) = (settings.clone(), end_of(settings.clone()));
        let mut memory = Memory::new("static");
        let now = settings.borrow().clone();
        let recalled = memory.recall(&now).await;
        let (reports, reported) = mpsc::channel(WAITING);
        let mut keeper = Keeper::new(now, answers.clone(), reports, recalled);
        tokio::select! {
            () = publish::publish(names, mtus, of_host, answer) => {}
            () = keep(&mut keeper, &mut memory, settings, answers, reported, views) => {}
            () = end => {}
        }
        keeper.end(memory).await;
    }
}

/// What is wrong with the peers file, by itself and beside the settings; nothing where it plays no part.
pub(super) fn faults(settings: &Settings) -> Vec<String> {
    let Some(of_file) = keeper::of_file(settings) else { return Vec::new() };
    let mut file = PeersFile::new(&of_file.peers);
    file.look();
    file.error.map_or_else(|| Members::new(settings, &file.peers, &Members::default()).errors, |error| vec![error])
}

async fn keep(
    keeper: &mut Keeper,
    memory: &mut Memory,
    mut settings: watch::Receiver<Arc<Settings>>,
    mut answers: watch::Receiver<Answer>,
    mut reports: mpsc::Receiver<Report>,
    views: Views,
) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Vec::with_capacity(WAITING);
    loop {
        let silence = keeper.next_silence().map(tokio::time::Instant::from);
        let mut is_changed = true;
        tokio::select! {
            _ = tick.tick() => {
                keeper.look().await;
                keeper.say();
                keeper.remember(memory).await;
            }
            // Most answers say that nothing changed, and there may be many.
            _ = reports.recv_many(&mut heard, WAITING) => {
                let (now, clock) = (Instant::now(), SystemTime::now());
                is_changed = heard.drain(..).filter_map(|report| keeper.hear(report, now, clock).then_some(())).count() > 0;
            }
            Ok(()) = settings.changed() => {
                let new = settings.borrow_and_update().clone();
                keeper.take(new).await;
            }
            // What cannot be published stands in the view.
            Ok(()) = answers.changed() => answers.mark_unchanged(),
            () = sleep_until(silence.unwrap_or_else(|| tokio::time::Instant::now() + TICK)) => {}
        }
        if keeper.age(Instant::now(), SystemTime::now()) || is_changed {
            views.show(keeper.view());
            sleep(REST).await;
        }
    }
}
