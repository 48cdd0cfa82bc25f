//! Finds what the workspace built, so that every test drives the same files that a user installs.

use std::path::{Path, PathBuf};

/// The folder of the workspace, which holds `Cargo.toml` and `README.md`.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A binary of this workspace, such as `netd-cni`: from `NETD_BIN_DIR`, else from the profile that built the test.
///
/// # Panics
/// When it was not built: `cargo test -p tests` alone does not build the binaries of other crates.
pub fn built(name: &str) -> PathBuf {
    let folder = std::env::var_os("NETD_BIN_DIR").map_or_else(profile, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// `target/<triple>/<profile>`, two levels above `deps/<this test>`.
fn profile() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf()
}
