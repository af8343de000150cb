//! The program: the chat, served.

use std::process::ExitCode;

use sprat::config::{Config, Invocation};
use sprat::{logging, serve};
use sprat_core::chat::{Chat, ChatLimits, ChatMemory};

/// Messages remembered for those who come later, messages of which a repetition is noticed, bytes to write JSON in.
type Memory = ChatMemory<200, 1_024, 65_536>;

fn main() -> ExitCode {
    let invocation = Config::from_args(std::env::args_os().skip(1), |name| std::env::var_os(name));
    let config = match invocation {
        Ok(Invocation::Help(text) | Invocation::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Run(config)) => config,
        Err(problem) => {
            eprintln!("sprat: {problem}");
            return ExitCode::from(2);
        }
    };
    logging::start(config.log);
    // Lives as long as the process does.
    let memory = Box::leak(Box::new(Memory::new()));
    match serve(&config, Chat::new(memory, ChatLimits::default())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("sprat: {problem}");
            ExitCode::FAILURE
        }
    }
}
