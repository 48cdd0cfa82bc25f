//! Owns: netlink, nftables, namespaces, sysctls.
//! Never: files of ours, configuration, decisions.
