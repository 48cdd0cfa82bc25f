//! Puts the plugins into a folder: one copy of this program, and a hard link to it for each plugin.
//!
//! A runtime may be starting a plugin at this moment. So nothing is written in place: each name is a link made beside
//! it and renamed over it, and is at every moment the old program or the new one.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
};

use rustix::io::Errno;

/// The name of the program itself, which runtimes never call.
pub const PROGRAM: &str = "netd-cni";

/// Why nothing, or not everything, was installed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The folder is not there.
    #[error("{folder} is no folder: make it first, for example with `mkdir -p {folder}`", folder = .0.display())]
    NoFolder(PathBuf),
    /// A name in the folder is taken by something that is no file.
    #[error("{} is a folder, not a plugin: move it away and install again", .0.display())]
    Taken(PathBuf),
    /// The system refused.
    #[error("cannot {what} {}{}", .path.display(), advice(.source))]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Files that are gone when this is, whatever happened.
struct Temporary(PathBuf);

/// Installs `program` into `folder` under each of `names` and its own, and says for each what was done.
///
/// # Errors
/// What was installed before the failure stays: every name is a whole program.
pub fn install(program: &Path, folder: &Path, names: &[&str]) -> Result<String, InstallError> {
    if !folder.is_dir() {
        return Err(InstallError::NoFolder(folder.to_path_buf()));
    }
    let copy = Temporary(folder.join(format!(".{PROGRAM}.{}", process::id())));
    copy_whole(program, &copy.0)?;
    let mut done = String::new();
    for name in names.iter().chain([&PROGRAM]) {
        let path = folder.join(name);
        let word = if path.symlink_metadata().is_ok() { "replaced" } else { "installed" };
        put(&copy.0, folder, name)?;
        let _infallible = writeln!(done, "{word} {}", path.display());
    }
    Ok(done)
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// Copies a program to a new file that is on the disk before anything leads to it.
fn copy_whole(program: &Path, to: &Path) -> Result<(), InstallError> {
    let failed = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| InstallError::Io { what, path, source }
    };
    let mut from = fs::File::open(program).map_err(failed("read", program))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(to).map_err(failed("write", to))?;
    io::copy(&mut from, &mut file).map_err(failed("write", to))?;
    // The mode at creation is less the umask, under which a runtime of another user could not run it.
    file.set_permissions(fs::Permissions::from_mode(0o755)).map_err(failed("make executable", to))?;
    file.sync_all().map_err(failed("write", to))
}

/// Makes `name` a link to the copy, in one step for whoever looks.
fn put(copy: &Path, folder: &Path, name: &str) -> Result<(), InstallError> {
    let path = folder.join(name);
    if path.is_dir() {
        return Err(InstallError::Taken(path));
    }
    let link = Temporary(folder.join(format!(".{name}.{}.link", process::id())));
    match fs::hard_link(copy, &link.0) {
        // A file system without hard links gets a copy of each.
        Err(why) if [Errno::PERM, Errno::OPNOTSUPP].map(|no| Some(no.raw_os_error())).contains(&why.raw_os_error()) => {
            copy_whole(copy, &link.0)?;
        }
        linked => linked.map_err(|source| InstallError::Io { what: "link", path: link.0.clone(), source })?,
    }
    fs::rename(&link.0, &path).map_err(|source| InstallError::Io { what: "replace", path, source })
}

fn advice(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run this as root, or choose a folder of your own",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only, choose another folder",
        io::ErrorKind::StorageFull => "; make room there",
        _ => "",
    };
    format!(": {error}{advice}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A folder with a program of three bytes in it, and an empty one to install into.
    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (program, folder) = (root.path().join("program"), root.path().join("bin"));
        fs::write(&program, "new").unwrap();
        fs::create_dir(&folder).unwrap();
        (root, program, folder)
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut entries: Vec<String> = entries.collect();
        entries.sort();
        entries
    }

    #[test]
    fn each_name_is_a_link_to_one_copy_and_what_was_there_is_replaced() {
        let (_root, program, folder) = folders();
        let old = folder.join("bridge");
        fs::write(&old, "old").unwrap();
        let running = fs::File::open(&old).unwrap();
        let done = install(&program, &folder, &["bridge", "dns"]).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let expected =
            format!("replaced {}\ninstalled {}\ninstalled {}\n", path("bridge"), path("dns"), path("netd-cni"));
        assert_eq!(done, expected);
        assert_eq!(entries(&folder), ["bridge", "dns", "netd-cni"], "nothing temporary is left");
        let inodes = ["bridge", "dns", "netd-cni"].map(|name| fs::metadata(folder.join(name)).unwrap().ino());
        assert_eq!(inodes, [inodes[0]; 3]);
        assert_eq!(fs::metadata(&old).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::read(&old).unwrap(), b"new");
        assert_eq!(io::read_to_string(running).unwrap(), "old", "who runs the old one keeps it");
    }

    #[test]
    fn it_installs_again_from_the_folder_itself() {
        let (_root, program, folder) = folders();
        install(&program, &folder, &["dns"]).unwrap();
        let done = install(&folder.join(PROGRAM), &folder, &["dns"]).unwrap();
        assert!(done.lines().all(|line| line.starts_with("replaced ")), "{done}");
        assert_eq!(fs::read(folder.join("dns")).unwrap(), b"new");
    }

    #[test]
    fn a_failure_says_what_to_do_and_leaves_nothing_temporary() {
        let (_root, program, folder) = folders();
        let absent = folder.join("absent");
        let error = install(&program, &absent, &["dns"]).unwrap_err().to_string();
        let absent = absent.display();
        assert_eq!(error, format!("{absent} is no folder: make it first, for example with `mkdir -p {absent}`"));
        fs::create_dir(folder.join("dns")).unwrap();
        let error = install(&program, &folder, &["bridge", "dns"]).unwrap_err().to_string();
        assert!(error.ends_with("dns is a folder, not a plugin: move it away and install again"), "{error}");
        assert_eq!(entries(&folder), ["bridge", "dns"]);
        let error = install(&folder.join("none"), &folder, &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot read ") && error.contains("No such file"), "{error}");
    }
}
