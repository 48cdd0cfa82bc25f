//! Log lines: where they go, which are kept, and those that are said once.

use std::collections::BTreeSet;

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// The filter of the log, which can be changed.
pub(crate) struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logs {
    /// Writes log lines to standard error from now on; `filter` is known to be one.
    pub(crate) fn start(filter: &str) -> Self {
        let (filter, handle) = reload::Layer::new(EnvFilter::new(filter));
        let registry = tracing_subscriber::registry().with(filter);
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        // The journal has its own time in front of each line.
        if std::env::var_os("JOURNAL_STREAM").is_some() {
            registry.with(lines.without_time()).init();
        } else {
            registry.with(lines).init();
        }
        Self { filter: handle }
    }

    /// Keeps other lines from now on.
    pub(crate) fn filter(&self, filter: &str) {
        if let Err(error) = self.filter.reload(EnvFilter::new(filter)) {
            tracing::warn!(%error, "log filter not changed");
        }
    }
}

/// What is wrong at present; each thing is said when it begins.
#[derive(Debug, Default)]
pub(crate) struct Once {
    present: BTreeSet<String>,
}

impl Once {
    /// Says those of `texts` that were not among the texts before; the others are forgotten.
    pub(crate) fn say(&mut self, texts: impl IntoIterator<Item = String>, say: impl Fn(&str)) {
        let texts: BTreeSet<String> = texts.into_iter().collect();
        texts.difference(&self.present).for_each(|text| say(text));
        self.present = texts;
    }

    /// Whether anything is wrong.
    pub(crate) fn is_any(&self) -> bool {
        !self.present.is_empty()
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_stays_wrong_is_said_once_and_again_after_it_was_right() {
        let said = RefCell::new(Vec::new());
        let mut once = Once::default();
        for texts in [&["a"][..], &["a", "b"], &["b"], &[], &["a"]] {
            once.say(texts.iter().map(|&text| text.to_owned()), |text| said.borrow_mut().push(text.to_owned()));
        }
        assert_eq!(*said.borrow(), ["a", "b", "a"]);
    }
}
