//! One container in one network, as a runtime (libcni) attaches and detaches it.

use std::sync::Mutex;

use serde_json::{Map, Value};

use super::cni::{Call, List};
use super::container::Container;
use crate::Refusal;

/// The list, what the runtime passes with it, and the result so far.
#[derive(Debug)]
pub struct Attachment {
    container: Container,
    list: List,
    ifname: String,
    args: Option<String>,
    capabilities: Map<String, Value>,
    /// The final result of ADD, which CHECK and DEL are given.
    result: Mutex<Option<Value>>,
    /// Whether the runtime owes it a DEL, as it does after every ADD, failed ones too.
    owed: Mutex<bool>,
}

impl Attachment {
    pub(crate) fn new(container: &Container, config: &Value, ifname: &str) -> Self {
        Self {
            container: container.clone(),
            list: config.into(),
            ifname: ifname.to_owned(),
            args: None,
            capabilities: Map::new(),
            result: Mutex::new(None),
            owed: Mutex::new(false),
        }
    }

    /// Sets `CNI_ARGS`.
    #[must_use]
    pub fn args(mut self, args: &str) -> Self {
        self.args = Some(args.to_owned());
        self
    }

    /// What the runtime offers for each capability, such as `{"aliases": ["db"]}`.
    #[must_use]
    pub fn capabilities(mut self, capabilities: &Value) -> Self {
        self.capabilities.clone_from(capabilities.as_object().unwrap());
        self
    }

    /// The name of its interface in the container.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The final result of its ADD; null before.
    pub fn result(&self) -> Value {
        self.result.lock().unwrap().clone().unwrap_or_default()
    }

    /// Runs the plugins in order, each with the result of the one before.
    pub fn add(&self) -> Result<Value, Refusal> {
        *self.owed.lock().unwrap() = true;
        let mut result = None;
        for index in 0..self.list.plugins.len() {
            result = Some(self.call("ADD", index, result.as_ref()).run().answer()?);
        }
        self.result.lock().unwrap().clone_from(&result);
        Ok(result.unwrap_or_default())
    }

    /// Runs CHECK of the plugins in order, with the final result.
    pub fn check(&self) -> Result<(), Refusal> {
        let result = self.result.lock().unwrap().clone();
        for index in 0..self.list.plugins.len() {
            silent(&self.call("CHECK", index, result.as_ref()).run().answer()?);
        }
        Ok(())
    }

    /// Runs DEL of the plugins in reverse order; the final result goes with it since version 0.4.0.
    pub fn del(&self) -> Result<(), Refusal> {
        let result = self.result.lock().unwrap().clone().filter(|_| self.list.at_least(0, 4));
        for index in (0..self.list.plugins.len()).rev() {
            silent(&self.call("DEL", index, result.as_ref()).run().answer()?);
        }
        *self.owed.lock().unwrap() = false;
        Ok(())
    }

    /// Forgets that a DEL is owed, as a runtime does whose host lost power.
    pub fn forget(&self) {
        *self.owed.lock().unwrap() = false;
    }

    pub(crate) fn is_owed(&self) -> bool {
        *self.owed.lock().unwrap()
    }

    /// The call of one plugin of the list, ready to run.
    pub fn call(&self, command: &str, index: usize, previous: Option<&Value>) -> Call {
        let call = self
            .container
            .call(self.list.plugin(index), command)
            .env("CNI_IFNAME", &self.ifname)
            .config(&self.list.request(index, previous, &self.capabilities));
        match &self.args {
            Some(args) => call.env("CNI_ARGS", args),
            None => call,
        }
    }

    /// The first address that the result gives its interface, without the prefix.
    pub fn address(&self) -> Option<String> {
        let result = self.result();
        let old = [&result["ip4"]["ip"], &result["ip6"]["ip"]];
        let new = result["ips"].as_array().into_iter().flatten().map(|ip| &ip["address"]);
        let first = new.chain(old).find_map(Value::as_str)?;
        Some(first.split('/').next()?.to_owned())
    }
}

/// DEL, CHECK, GC and STATUS print nothing (CNI 1.1 section 2).
#[track_caller]
fn silent(answer: &Value) {
    assert!(answer.is_null(), "printed {answer}");
}
