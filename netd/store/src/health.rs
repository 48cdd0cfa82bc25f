//! Reports of attachments that are not healthy. netd writes them; each goes with the document of its attachment.

use std::path::PathBuf;

use netd_model::{
    attachment::AttachmentId,
    health::{Report, VERSION},
};

use crate::{
    Error, Result, Store,
    attachments::{entries, is_document},
    file::{self, Document},
};

impl Document for Report {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// What was said of an attachment, `None` where nothing was.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Newer`] when there is a report that cannot be read.
    pub fn report(&self, id: &AttachmentId) -> Result<Option<Report>> {
        let path = self.report_path(id);
        let Some(report) = file::read::<Report>(&path)? else { return Ok(None) };
        if report.attachment == *id {
            return Ok(Some(report));
        }
        Err(Error::malformed(&path, &format_args!("it is the report of {}", report.attachment.owner())))
    }

    /// All reports; one that cannot be read is an error in the list.
    pub fn reports(&self) -> Vec<Result<Report>> {
        match entries(&self.health()) {
            Ok(paths) => {
                let documents = paths.iter().filter(|path| is_document(path));
                documents.filter_map(|path| file::read(path).transpose()).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    /// Writes or replaces a report.
    pub fn write_report(&self, report: &Report) -> Result<()> {
        file::replace(&self.report_path(&report.attachment), report)
    }

    /// Removes a report; whether there was one.
    pub fn remove_report(&self, id: &AttachmentId) -> Result<bool> {
        file::remove(&self.report_path(id))
    }

    fn health(&self) -> PathBuf {
        self.run_dir.join("health")
    }

    fn report_path(&self, id: &AttachmentId) -> PathBuf {
        // Not `with_extension`: a network's name may have dots.
        self.health().join(format!("{}.{}.{}", id.hash(), id.network, file::DOCUMENT))
    }
}

#[cfg(test)]
mod tests {
    use netd_model::health::Health;

    use super::*;

    fn id(network: &str, container: &str) -> AttachmentId {
        AttachmentId {
            network: network.parse().unwrap(),
            container: container.parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        }
    }

    #[test]
    fn a_report_goes_with_its_attachment_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        assert!(store.reports().is_empty());
        let ids = [id("web", "c1"), id("web.two", "c1"), id("web", "c2")];
        for attachment in ids.clone() {
            let told = Health::Starting;
            store.write_report(&Report { version: VERSION, attachment, told, probed: Health::Healthy }).unwrap();
        }
        store.remove(&ids[0]).unwrap();
        let left: Vec<AttachmentId> = store.reports().into_iter().map(|report| report.unwrap().attachment).collect();
        assert_eq!((left.len(), left.contains(&ids[0])), (2, false), "{left:?}");
        assert_eq!(store.report(&ids[0]).unwrap(), None);
        assert_eq!(store.report(&ids[1]).unwrap().unwrap().health(), Health::Starting);
        assert!(store.remove_report(&ids[1]).unwrap() && !store.remove_report(&ids[1]).unwrap());
    }
}
