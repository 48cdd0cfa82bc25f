//! Owns: UDP and TCP port 53.
//! Never: kernel objects, files, our other crates.
