//! The program `netd-cni`: which plugin it is, or what a person wants of it.

use std::{
    env,
    ffi::OsString,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    PLUGINS,
    cni::{Environment, Error, Outcome, Version},
    install::{PROGRAM, install},
};

const HELP: &str = "\
netd-cni: container network plugins (CNI 0.1.0 to 1.1.0) in one program

A runtime calls it by the name of a plugin. Under its own name:
  netd-cni list           print the plugins
  netd-cni install DIR    put them into DIR, in place of what has their names
  netd-cni --version      print the version
  netd-cni --help         print this
";

/// What a person wants.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Help,
    Version,
    List,
    Install(PathBuf),
}

/// Acts as the plugin that the first argument names, else as a tool.
pub fn run(args: impl Iterator<Item = OsString>, env: &Environment<'_>, stdin: &mut dyn Read) -> Outcome {
    let mut args = args.peekable();
    let called = args.next().map(PathBuf::from).unwrap_or_default();
    let name = called.file_name().unwrap_or_default();
    if let Some(plugin) = PLUGINS.iter().find(|plugin| name == plugin.about.name) {
        return plugin.run(env, stdin);
    }
    // A runtime, which gives no arguments, waits for a document: it was told of a plugin that is not here.
    if args.peek().is_none() && env("CNI_COMMAND").is_some_and(|command| !command.is_empty()) {
        let msg = format!("{PROGRAM} has no plugin {:?}, only {}", name.to_string_lossy(), names().join(", "));
        return Outcome::Failure(Error::config(msg), Version::CURRENT);
    }
    match Wish::parse(args) {
        Ok(wish) => wish.grant(),
        Err(word) => Outcome::Refused(format!("{PROGRAM}: {word}\n\n{}", HELP.trim_end())),
    }
}

impl Wish {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let args: Vec<OsString> = args.take(3).collect();
        let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap_or("\u{fffd}")).collect();
        match words.as_slice() {
            ["--help" | "-h" | "help"] | [] => Ok(Self::Help),
            ["--version" | "-V"] => Ok(Self::Version),
            ["list"] => Ok(Self::List),
            // A folder may have any bytes as its name.
            ["install", _] => Ok(Self::Install(args.into_iter().skip(1).collect())),
            ["install"] => Err("install into which folder?".to_owned()),
            ["install", _, more, ..] | ["list" | "--help" | "-h" | "help" | "--version" | "-V", more, ..] => {
                Err(format!("what is {more:?} for?"))
            }
            [unknown, ..] => Err(format!("there is no command {unknown:?}")),
        }
    }

    fn grant(self) -> Outcome {
        match self {
            Self::Help => Outcome::Told(HELP.to_owned()),
            Self::Version => Outcome::Told(format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION"))),
            Self::List => Outcome::Told(names().join("\n") + "\n"),
            Self::Install(folder) => match install(&this_program(), &folder, &names()) {
                Ok(done) => Outcome::Told(done),
                Err(error) => Outcome::Refused(format!("{PROGRAM}: {error}")),
            },
        }
    }
}

/// The plugins, in the order of the alphabet.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = PLUGINS.iter().map(|plugin| plugin.about.name).collect();
    names.sort_unstable();
    names
}

/// This very file, even where it was replaced since it started.
fn this_program() -> PathBuf {
    let link = Path::new("/proc/self/exe");
    if link.exists() { link.to_path_buf() } else { env::current_exe().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(words: &[&str]) -> Result<Wish, String> {
        Wish::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn a_person_says_one_thing_at_a_time() {
        assert_eq!(wish(&[]), Ok(Wish::Help));
        assert_eq!(wish(&["--version"]), Ok(Wish::Version));
        assert_eq!(wish(&["list"]), Ok(Wish::List));
        assert_eq!(wish(&["install", "/opt/cni/bin"]), Ok(Wish::Install("/opt/cni/bin".into())));
        for bad in [&["install"][..], &["install", "a", "b"], &["list", "a"], &["run"], &["-x", "a", "b", "c"]] {
            assert!(wish(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_runtime_that_calls_a_plugin_we_do_not_have_is_told_so() {
        let env = |name: &str| (name == "CNI_COMMAND").then(|| OsString::from("ADD"));
        match run([OsString::from("/opt/cni/bin/nothing")].into_iter(), &env, &mut std::io::empty()) {
            Outcome::Failure(error, _) => assert!(error.msg.starts_with("netd-cni has no plugin \"nothing\"")),
            other => panic!("{other:?}"),
        }
    }
}
