//! The chat on a host, with the limits of a microcontroller: what the firmware in `core/examples` is compared with.

#[path = "../../core/examples/firmware/src/limits.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is a module of the firmware, and half of it is about memory that a host has anyway"
)]
mod limits;

use std::process::ExitCode;

use sprat::config::{Config, Invocation};
use sprat::serve;
use sprat_core::chat::{Chat, ChatMemory};

fn main() -> ExitCode {
    let invocation = Config::from_args(std::env::args_os().skip(1), |name| std::env::var_os(name));
    let mut config = match invocation {
        Ok(Invocation::Run(config)) => config,
        Ok(Invocation::Help(text) | Invocation::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("small: {problem}");
            return ExitCode::from(2);
        }
    };
    config.max_clients = limits::CLIENTS;
    config.max_payload_bytes = limits::PAYLOAD_BYTES;
    let memory: &mut ChatMemory<{ limits::MESSAGES }, 16, { limits::SCRATCH_BYTES }> = Box::leak(Box::default());
    match serve(&config, Chat::new(memory, limits::chat())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("small: {problem}");
            ExitCode::FAILURE
        }
    }
}
