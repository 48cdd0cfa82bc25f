//! Owns: lab namespaces.
//! Never: our crates but the model; the rest through binaries.
