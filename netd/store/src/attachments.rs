//! Attachments' documents. Who writes or removes one holds its attachment's lock.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use netd_model::{
    attachment::{Attachment, AttachmentId, VERSION, document},
    name::{ContainerId, LinkName, NetworkName},
};

use crate::{
    Error, Result, Store,
    file::{self, Document},
};

impl Document for Attachment {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// Writes or replaces a document.
    pub fn write(&self, attachment: &Attachment) -> Result<()> {
        file::replace(&self.attachment_path(&attachment.id), attachment)
    }

    /// The document of an attachment, `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Newer`] when there is one that cannot be read.
    pub fn read(&self, id: &AttachmentId) -> Result<Option<Attachment>> {
        load(&self.attachment_path(id))
    }

    /// The documents of a container's interface in all networks: one as a rule, whatever the network was called when
    /// it was made. A document that cannot be read is an error in the list.
    pub fn find(&self, container: &ContainerId, ifname: &LinkName) -> Vec<Result<Attachment>> {
        let name = document(container, ifname);
        let in_folder = |folder: PathBuf| load(&document_in(&folder, &name)).transpose();
        self.each_network(|folder| in_folder(folder).into_iter().collect())
    }

    /// Removes a document, what a killed writer of it left, and what was said of the attachment's health; whether the
    /// document was there.
    ///
    /// The directory of its network stays for the next one: to make it again takes milliseconds on ext4.
    pub fn remove(&self, id: &AttachmentId) -> Result<bool> {
        self.remove_report(id)?;
        file::remove(&self.attachment_path(id))
    }

    /// Removes the directory of a network that has no attachments.
    pub fn forget(&self, network: &NetworkName) {
        // Fails while there is a document in it; a writer that loses its directory makes it again.
        drop(fs::remove_dir(self.attachments().join(network.as_str())));
    }

    /// All documents of all networks; one that cannot be read is an error in the list.
    pub fn list(&self) -> Vec<Result<Attachment>> {
        self.each_network(|folder| list_folder(&folder))
    }

    /// All documents of a network; one that cannot be read is an error in the list.
    pub fn list_network(&self, network: &NetworkName) -> Vec<Result<Attachment>> {
        list_folder(&self.attachments().join(network.as_str()))
    }

    /// A document of a network that can be read, whichever; none where there is none.
    pub fn first_of_network(&self, network: &NetworkName) -> Option<Attachment> {
        let paths = entries(&self.attachments().join(network.as_str())).unwrap_or_default();
        paths.iter().filter(|path| is_document(path)).find_map(|path| load(path).ok().flatten())
    }

    /// The directory with a directory for each network.
    pub(crate) fn attachments(&self) -> PathBuf {
        self.run_dir.join("attachments")
    }

    fn attachment_path(&self, id: &AttachmentId) -> PathBuf {
        document_in(&self.attachments().join(id.network.as_str()), &id.hash())
    }

    fn each_network<T>(&self, of_folder: impl FnMut(PathBuf) -> Vec<Result<T>>) -> Vec<Result<T>> {
        match entries(&self.attachments()) {
            Ok(folders) => folders.into_iter().filter(|folder| is_network(folder)).flat_map(of_folder).collect(),
            Err(error) => vec![Err(error)],
        }
    }
}

/// The document at `path`, `None` where there is none; it must say of itself what its path says.
pub(crate) fn load(path: &Path) -> Result<Option<Attachment>> {
    let Some(attachment) = file::read::<Attachment>(path)? else { return Ok(None) };
    let id = &attachment.id;
    if path.ends_with(document_in(Path::new(id.network.as_str()), &id.hash())) {
        return Ok(Some(attachment));
    }
    Err(Error::malformed(path, &format_args!("it is the document of {}", id.owner())))
}

fn list_folder(folder: &Path) -> Vec<Result<Attachment>> {
    match entries(folder) {
        Ok(paths) => paths.iter().filter(|path| is_document(path)).filter_map(|path| load(path).transpose()).collect(),
        Err(error) => vec![Err(error)],
    }
}

fn document_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension(file::DOCUMENT)
}

/// The paths in a directory in their order, none when it is not there.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()),
    };
    let mut paths = listed.map_err(|error| Error::io("list", directory, error))?;
    // By bytes: paths compare their components, which takes thirty times as long.
    paths.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(paths)
}

/// Whether a file is a document, and none that is being written.
pub(crate) fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == file::DOCUMENT)
}

/// Whether a directory may be that of a network.
pub(crate) fn is_network(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<NetworkName>().is_ok())
}

#[cfg(test)]
mod tests;
