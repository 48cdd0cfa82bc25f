//! The name of a network.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{cni_identifier, text};

/// The name of a network: `name` of a network configuration, CNI 1.1 section 1. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkName(Arc<str>);

text!(NetworkName, |value| cni_identifier("network name", value));
