//! What containers are made of: a root file system of busybox, and the same as an image.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{need, run};

/// The image's name, which is of no registry.
pub(crate) const NAME: &str = "localhost/busybox:test";

/// What `httpd -h /www` answers.
pub(crate) const PAGE: &str = "hello\n";

const PROGRAMS: [&str; 7] = ["sh", "sleep", "ping", "nslookup", "httpd", "nc", "cat"];

/// One layer, in the form that `docker save` made popular and that every runtime loads.
const PACK: &str = r#"set -e
cd "$1"
mkdir image
tar -C rootfs -cf image/layer.tar .
sum=$(sha256sum image/layer.tar | cut -c 1-64)
printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/bin/sleep","1000"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$sum" >image/config.json
printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >image/manifest.json
tar -C image -cf image.tar manifest.json config.json layer.tar"#;

/// Makes the root file system in `folder` and returns its path.
pub(crate) fn root(folder: &Path) -> PathBuf {
    need("/bin/busybox", "busybox-static");
    let root = folder.join("rootfs");
    for sub in ["bin", "etc", "proc", "sys", "dev", "tmp", "www"] {
        std::fs::create_dir_all(root.join(sub)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for program in PROGRAMS {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    std::fs::write(root.join("etc/resolv.conf"), "").unwrap();
    std::fs::write(root.join("www/index.html"), PAGE).unwrap();
    root
}

/// Makes the image in `folder` and returns the path of its archive.
pub(crate) fn archive(folder: &Path) -> PathBuf {
    root(folder);
    run(Command::new("sh").args(["-c", PACK, "sh"]).arg(folder).arg(NAME), b"").text();
    folder.join("image.tar")
}
