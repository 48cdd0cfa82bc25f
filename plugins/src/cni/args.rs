//! `CNI_ARGS`: `KEY=value;KEY2=value2`, with words and rules of the reference (`types.LoadArgs`).

use std::collections::BTreeMap;

use super::{Error, Kind};

/// `CNI_ARGS` as it came. A plugin that reads it refuses what it cannot parse; others do not look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs(String);

impl CniArgs {
    /// The text of the variable.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value of one key, for a plugin that does not mind what else there is.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.0
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .rfind(|(found, _)| *found == key)
            .map(|(_, value)| value)
    }

    /// The values of `known` keys, which are matched exactly; the last of a key wins.
    ///
    /// # Errors
    /// Any other key, unless `IgnoreUnknown` is true.
    pub fn values(&self, known: &[&str]) -> Result<BTreeMap<&str, &str>, Error> {
        let invalid = |what: String| Error::new(Kind::Environment, format!("ARGS: {what}"));
        let mut values = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        for pair in self.0.split(';').filter(|_| !self.0.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or_else(|| invalid(format!("invalid pair {pair:?}")))?;
            if key == "IgnoreUnknown" {
                ignore_unknown = boolean(value)
                    .ok_or_else(|| invalid(format!("error parsing value of pair {pair:?}: not 1, true, 0 or false")))?;
            } else if known.contains(&key) {
                values.insert(key, value);
            } else {
                unknown.push(format!("{pair:?}"));
            }
        }
        if unknown.is_empty() || ignore_unknown {
            Ok(values)
        } else {
            Err(invalid(format!("unknown args [{}]", unknown.join(" "))))
        }
    }
}

/// As the reference reads a truth value from the environment.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_keys_have_values_and_others_are_refused() {
        let values = |text: &str| {
            let args = CniArgs::new(text);
            let values = args.values(&["IP", "MAC"]).map_err(|error| error.msg)?;
            Ok::<_, String>(
                values.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
            )
        };
        for (text, expected) in [
            ("", Ok("")),
            ("IP=10.0.0.1", Ok("IP=10.0.0.1")),
            ("MAC=02:00:00:00:00:01;IP=", Ok("IP= MAC=02:00:00:00:00:01")),
            ("IP=1;IP=2", Ok("IP=2")),
            ("IgnoreUnknown=1;K8S_POD_NAME=db;IP=1", Ok("IP=1")),
            ("K8S_POD_NAME=db;IgnoreUnknown=TRUE", Ok("")),
            ("K8S_POD_NAME=db;ip=1", Err(r#"ARGS: unknown args ["K8S_POD_NAME=db" "ip=1"]"#)),
            ("IgnoreUnknown=0;A=1", Err(r#"ARGS: unknown args ["A=1"]"#)),
            (
                "IgnoreUnknown=yes",
                Err(r#"ARGS: error parsing value of pair "IgnoreUnknown=yes": not 1, true, 0 or false"#),
            ),
            ("IP", Err(r#"ARGS: invalid pair "IP""#)),
            ("IP=1;", Err(r#"ARGS: invalid pair """#)),
            ("IP=1=2", Err(r#"ARGS: invalid pair "IP=1=2""#)),
        ] {
            assert_eq!(values(text), expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        }
        let loose = CniArgs::new("x;A=1;K8S_POD_NAME=db;A=2");
        assert_eq!((loose.find("A"), loose.find("x"), loose.find("K8S_POD_NAME")), (Some("2"), None, Some("db")));
        assert_eq!(CniArgs::new("x").values(&[]).unwrap_err().kind.code(), 4);
    }
}
