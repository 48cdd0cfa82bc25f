//! Namespaces: which one a path is.

use std::path::Path;

use netd_kernel::Netns;

use crate::lab::{Lab, Namespace};

#[test]
fn namespaces_are_told_apart_and_a_gone_one_is_known() {
    let lab = Lab::new();
    let other = Namespace::new();
    let open = |path: &Path| Netns::open(path).unwrap();
    assert!(open("/proc/thread-self/ns/net".as_ref()).unwrap().is_own());
    let (one, two) = (open(&lab.container.path()).unwrap(), open(&other.path()).unwrap());
    assert!(!one.is_own());
    assert_ne!(one.identity().inode, two.identity().inode);
    let path = other.path();
    drop((two, other));
    assert!(open(&path).is_none());
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(open(file.path()).is_none());
}
