//! What the examples share: they take the options of the program `sprat`, and `--port N` for a port of this machine alone.

use std::ffi::OsString;
use std::process::exit;

use sprat::config::{Config, Invocation};

/// The configuration of an example: its own options, then those it is started with. What is given twice counts as it is given
/// last. Help, version and mistakes end the program.
pub(crate) fn config(own: &[&str]) -> Config {
    let args = own.iter().map(OsString::from).chain(given());
    let config = match Config::from_args(args, |name| std::env::var_os(name)) {
        Ok(Invocation::Run(config)) => config,
        Ok(Invocation::Help(text) | Invocation::Version(text)) => {
            print!("{text}");
            exit(0);
        }
        Err(problem) => {
            eprintln!("{problem}");
            exit(2);
        }
    };
    sprat::logging::start(config.log);
    config
}

fn given() -> impl Iterator<Item = OsString> {
    let mut args = std::env::args_os().skip(1);
    core::iter::from_fn(move || {
        let arg = args.next()?;
        if arg != "--port" {
            return Some(arg);
        }
        let mut listen = OsString::from("--listen=127.0.0.1:");
        listen.push(args.next().unwrap_or_default());
        Some(listen)
    })
}
