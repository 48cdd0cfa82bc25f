//! The id of a container.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{cni_identifier, text};

/// The id that the runtime gave a container: `CNI_CONTAINERID`, CNI 1.1 section 2. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(Arc<str>);

text!(ContainerId, |value| cni_identifier("container id", value));
