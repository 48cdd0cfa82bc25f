//! Keys that the caller chooses for networks and containers. They are compared, never shown to a client.

use std::fmt;
use std::sync::Arc;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// The key of a network, such as `web`. Cheap to clone.
    NetworkId
}

opaque_id! {
    /// The key of a container, the same in every network that it is on. Cheap to clone.
    ContainerId
}
