//! Owns: state directories, locks, watching them.
//! Never: kernel objects, sockets, decisions.
