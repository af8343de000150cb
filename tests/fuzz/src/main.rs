//! Plays the fuzz targets without a fuzzer: seeds, corpus, and new inputs made of them, the same for the same seed.
//!
//! `cargo run --release -p sprat-fuzz -- [--seconds N] [--seed N] [TARGET…]`. What fails is kept in `artifacts/`, and
//! played with `--input FILE TARGET`.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::ffi::OsString;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sprat_fuzz::mutate::mutated;
use sprat_fuzz::{TARGETS, Target};
use sprat_tests::Chance;

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("sprat-fuzz: {problem}");
            return ExitCode::from(2);
        }
    };
    let targets: Vec<_> = TARGETS.iter().filter(|target| options.has(target)).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let play_some = || {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            match play(target, &options) {
                Ok((known, new)) => println!("check passed: {}: {known} known inputs, {new} new ones", target.name),
                Err(file) => {
                    println!("check failed: {}: {}", target.name, file.display());
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    // A target is played on one thread, so what it is given is the same every time.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(play_some);
        }
    });
    if failed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Options {
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
    targets: Vec<String>,
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Self { seconds: 10, seed: 1, input: None, targets: Vec::new() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().and_then(|value| value.into_string().ok());
            let arg = arg.into_string().map_err(|arg| format!("{} is no text", arg.display()))?;
            match &arg[..] {
                "--seconds" => options.seconds = number(value(), "--seconds")?,
                "--seed" => options.seed = number(value(), "--seed")?,
                "--input" => options.input = Some(value().ok_or("--input needs a file")?.into()),
                name if TARGETS.iter().any(|target| target.name == name) => options.targets.push(arg),
                _ => return Err(format!("{arg} is neither an option nor a target")),
            }
        }
        Ok(options)
    }

    fn has(&self, target: &Target) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|name| name == target.name)
    }
}

fn number(value: Option<String>, option: &str) -> Result<u64, String> {
    value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{option} needs a number"))
}

/// How many inputs were known and how many were new, or the file with the one that failed.
fn play(target: &Target, options: &Options) -> Result<(usize, usize), PathBuf> {
    if let Some(file) = &options.input {
        let input = fs::read(file).map_err(|_| file.clone())?;
        return try_input(target, &input).map(|()| (1, 0));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = read_all(&root.join("seeds").join(target.name));
    assert!(!inputs.is_empty(), "{} has no seeds", target.name);
    inputs.extend(read_all(&root.join("corpus").join(target.name)));
    inputs.iter().try_for_each(|input| try_input(target, input))?;
    let known = inputs.len();
    let (mut chance, mut new) = (Chance::new(options.seed), 0);
    let end = Deadline::after_seconds(options.seconds);
    // Half of the inputs are made of what was made before, so that changes add up.
    let mut recent = inputs.clone();
    while !end.is_over() {
        for _ in 0..64 {
            let from = if chance.below(2) == 0 { &inputs } else { &recent };
            let input = mutated(&mut chance, from, target.words);
            try_input(target, &input)?;
            new += 1;
            let place = chance.below(RECENT as u64) as usize;
            if recent.len() < RECENT {
                recent.push(input);
            } else {
                recent[place] = input;
            }
        }
    }
    Ok((known, new))
}

/// Inputs of this run that new ones are made of.
const RECENT: usize = 256;

struct Deadline(std::time::Instant);

impl Deadline {
    #[allow(clippy::disallowed_methods, reason = "how long is played is no part of what is played")]
    fn after_seconds(seconds: u64) -> Self {
        Self(std::time::Instant::now() + core::time::Duration::from_secs(seconds))
    }

    #[allow(clippy::disallowed_methods, reason = "how long is played is no part of what is played")]
    fn is_over(&self) -> bool {
        std::time::Instant::now() >= self.0
    }
}

/// Plays one input; where it is kept if it fails.
fn try_input(target: &Target, input: &[u8]) -> Result<(), PathBuf> {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok() {
        return Ok(());
    }
    let hash = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let file = folder.join(format!("{}-{hash:016x}", target.name));
    if let Err(problem) = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input)) {
        eprintln!("{}: {problem}", file.display());
    }
    Err(file)
}

/// The files of a folder, in the order of their names.
fn read_all(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter_map(|file| fs::read(file).ok()).collect()
}
