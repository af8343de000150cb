//! How many files and sockets this process may have open. The usual limit of 1024 is less than the clients a server can carry.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Listeners, standard streams, the reactor's own descriptors, files being read, log and resolver.
const OWN_DESCRIPTORS: u64 = 64;

/// One more connection for every so many clients: an upgrade needs a second one for a moment, and browsers keep some for pages.
const CLIENTS_PER_SPARE: u64 = 8;

/// Raises the limit of open descriptors to what `max_clients` need, as far as the system allows. It never lowers one.
pub fn raise(max_clients: usize) -> Descriptors {
    let needed = needed(max_clients as u64);
    let before = getrlimit(Resource::Nofile);
    for limit in attempts(&before, needed) {
        if setrlimit(Resource::Nofile, limit).is_ok() {
            break;
        }
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Descriptors { max_clients: max_clients as u64, needed, allowed }
}

fn needed(max_clients: u64) -> u64 {
    OWN_DESCRIPTORS.saturating_add(max_clients).saturating_add(max_clients / CLIENTS_PER_SPARE)
}

/// The limits to ask for, best first: with a higher ceiling, which needs a privilege, then up to the ceiling there is.
fn attempts(before: &Rlimit, needed: u64) -> Vec<Rlimit> {
    if before.current.is_none_or(|current| current >= needed) {
        return Vec::new();
    }
    match before.maximum {
        Some(maximum) if maximum < needed => vec![
            Rlimit { current: Some(needed), maximum: Some(needed) },
            Rlimit { current: Some(maximum), maximum: Some(maximum) },
        ],
        maximum => vec![Rlimit { current: Some(needed), maximum }],
    }
}

/// What became of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    max_clients: u64,
    needed: u64,
    allowed: u64,
}

impl Descriptors {
    /// How many clients the allowed descriptors are enough for.
    pub fn clients(&self) -> u64 {
        if self.allowed >= self.needed {
            return self.max_clients;
        }
        let shared = self.allowed.saturating_sub(OWN_DESCRIPTORS);
        shared.saturating_mul(CLIENTS_PER_SPARE) / (CLIENTS_PER_SPARE + 1)
    }

    /// One line for the log if the limit is too low for the configured number of clients.
    pub fn warning(&self) -> Option<String> {
        (self.allowed < self.needed).then(|| {
            format!(
                "the system allows {} open files, enough for about {} of {} clients; \
                 raise it with `ulimit -n {needed}` or `LimitNOFILE={needed}`, or lower --max-clients",
                self.allowed,
                self.clients(),
                self.max_clients,
                needed = self.needed,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: u64, maximum: u64) -> Rlimit {
        Rlimit { current: Some(current), maximum: Some(maximum) }
    }

    #[test]
    fn asks_for_what_is_needed_and_never_lowers() {
        let pairs = |before: Rlimit, needed| -> Vec<_> {
            attempts(&before, needed).iter().map(|limit| (limit.current, limit.maximum)).collect()
        };
        assert_eq!(pairs(limit(1024, 4096), 1000), []);
        assert_eq!(pairs(Rlimit { current: None, maximum: None }, 1000), []);
        assert_eq!(pairs(limit(1024, 4096), 2000), [(Some(2000), Some(4096))]);
        assert_eq!(pairs(Rlimit { current: Some(1024), maximum: None }, 2000), [(Some(2000), None)]);
        assert_eq!(pairs(limit(1024, 4096), 5000), [(Some(5000), Some(5000)), (Some(4096), Some(4096))]);
    }

    #[test]
    fn what_the_system_then_allows_is_reported() {
        let before = getrlimit(Resource::Nofile);
        let now = raise(2000);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(Some(now.allowed), after.current);
        assert!(before.current <= after.current);
        // 2000 + 2000 / 8 + 64
        assert_eq!(now.needed, 2314);
        if before.maximum.is_none_or(|maximum| maximum >= 2314) {
            assert!(now.allowed >= 2314);
            assert_eq!(now.clients(), 2000);
        }
    }

    #[test]
    fn too_few_descriptors_are_one_warning_with_the_way_out() {
        let enough = Descriptors { max_clients: 800, needed: needed(800), allowed: needed(800) };
        assert_eq!((enough.warning(), enough.clients()), (None, 800));
        let few = Descriptors { max_clients: 10_000, needed: needed(10_000), allowed: 1024 };
        assert_eq!(few.clients(), 853);
        assert!(needed(few.clients()) <= 1024);
        let warning = few.warning().unwrap();
        for part in ["allows 1024 open files", "about 853 of 10000 clients", "ulimit -n 11314", "LimitNOFILE=11314"] {
            assert!(warning.contains(part), "{warning}");
        }
        assert_eq!(Descriptors { max_clients: 1, needed: needed(1), allowed: 10 }.clients(), 0);
    }
}
