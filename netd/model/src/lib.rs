//! Owns: nothing.
//! Never: I/O of any kind, clock, async.
