//! How hosts that stand in a file tell each other their names: HTTP/1 over TCP, each asks each.
//!
//! ```text
//! GET /v1/names?after=1732551600000&wait=5000     authorization: Bearer <key>     netd-takes: mtus
//!                                                                                               netd-takes: crossings
//! 200 {"version": 1732551600001, "host": "h2", "networks": [{"version": 1, "host": "h2", "network": "lab", ...}],
//!      "mtus": {"lab": 1450}, "crossings": {"lab": {"mode": "routed", "vni": 77, "port": 4789}}}
//! 304 nothing but that version for `wait` milliseconds, which are 10 s at most
//! 401 another key    404 another form of the protocol    503 it has just started and does not know its names yet
//! ```
//!
//! Who is not listed is hung up on. The version only tells one state from another: it begins at the time of the start, so
//! that a netd that starts again has another one. Who does not say that it takes MTUs or crossings is an older netd, which
//! would refuse a document with them, and gets none. Nothing is encrypted.

pub(super) mod client;
mod document;
pub(super) mod publish;
pub(super) mod server;

use std::time::Duration;

pub(super) use self::publish::Answer;

/// What is asked for.
const PATH: &str = "/v1/names";

/// The header by which the asker says which parts of the answer it knows beside names, once for each: an older netd looks
/// at the first alone.
const TAKES: &str = "netd-takes";

/// The largest packets of networks.
const MTUS: &str = "mtus";

/// How packets of networks cross. Who takes that takes the other too.
const CROSSINGS: &str = "crossings";

/// How much of an answer the asker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Names,
    NamesAndMtus,
    All,
}

/// How long a question may wait for news.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;

/// How long what was sent may stay unacknowledged before the connection is given up, in milliseconds.
const UNACKNOWLEDGED: u32 = 15_000;
