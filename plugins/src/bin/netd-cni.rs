//! Every plugin in one program: it acts as the plugin that it is named, and under another name it does what a person says.

use std::{env, io, process::ExitCode};

use plugins::cni::output::print;

fn main() -> ExitCode {
    let environment = |name: &str| env::var_os(name);
    print(&plugins::program::run(env::args_os(), &environment, &mut io::stdin().lock()))
}
