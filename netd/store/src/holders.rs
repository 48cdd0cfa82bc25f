//! Who holds what attachments have together: a directory for each thing, with an empty file for each that holds it.
//!
//! `<run_dir>/held/<thing>/<attachment>`. To know who is the last costs the same with one and with a thousand: the
//! directory can be removed then, and not before.

use std::{fs, io, path::PathBuf, time::Instant};

use netd_model::{
    attachment::{AttachmentId, holding},
    object::{Object, State},
};

use crate::{Error, Result, Store, file};

impl Store {
    /// Holds these things for an attachment, whose document says so already. They are to be looked at afterwards: until
    /// then, whoever was the last may have taken them away.
    ///
    /// # Errors
    /// [`Error::Locked`] when the lock of what is shared is not free before `deadline`.
    pub fn hold(&self, id: &AttachmentId, held: &State, deadline: Instant) -> Result<()> {
        if held.is_empty() {
            return Ok(());
        }
        let _lock = self.lock_shared(deadline)?;
        for object in held.iter() {
            let path = self.folder(object).join(id.hash());
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(false);
            file::open_in_directory(&path, &options).map_err(|error| Error::io("hold", &path, error))?;
        }
        Ok(())
    }

    /// Lets these things go, and says which of them nobody holds: they are to be taken away. The caller has the lock of
    /// what is shared, until they are.
    pub fn let_go(&self, id: &AttachmentId, held: &State) -> Result<State> {
        let mut last = State::default();
        for object in held.iter() {
            let folder = self.folder(object);
            file::remove(&folder.join(id.hash()))?;
            match fs::remove_dir(&folder) {
                Ok(()) => last.insert(object.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => last.insert(object.clone()),
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(Error::io("remove", &folder, error)),
            }
        }
        Ok(last)
    }

    /// Whether anybody holds a thing.
    pub fn is_held(&self, object: &Object) -> bool {
        self.folder(object).exists()
    }

    fn folder(&self, object: &Object) -> PathBuf {
        let json = serde_json::to_string(object).expect("invariant: objects of documents can be written");
        self.run_dir.join("held").join(holding(&json))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netd_model::{
        element::{Element, Part, Set},
        name::LinkName,
    };

    use super::*;

    fn id(container: &str) -> AttachmentId {
        AttachmentId {
            network: "web".parse().unwrap(),
            container: container.parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        }
    }

    fn things(links: &[&str]) -> State {
        let link = |link: &&str| Part::Link(link.parse::<LinkName>().unwrap());
        let element = |part| Object::Element(Element::of_set(Set::Open, vec![part], "br".to_owned()));
        links.iter().map(link).map(element).collect()
    }

    #[test]
    fn who_is_the_last_takes_a_thing_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let deadline = Instant::now() + Duration::from_secs(1);
        store.hold(&id("c1"), &things(&["a", "b"]), deadline).unwrap();
        store.hold(&id("c2"), &things(&["b"]), deadline).unwrap();
        store.hold(&id("c2"), &things(&["b"]), deadline).unwrap();
        assert_eq!(store.let_go(&id("c1"), &things(&["a", "b"])).unwrap(), things(&["a"]));
        assert!(!store.is_held(things(&["a"]).iter().next().unwrap()));
        assert!(store.is_held(things(&["b"]).iter().next().unwrap()));
        // Who was killed before it took it away comes again.
        for _ in 0..2 {
            assert_eq!(store.let_go(&id("c2"), &things(&["b"])).unwrap(), things(&["b"]));
        }
    }
}
