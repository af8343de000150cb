//! The options from outside: arguments and environment in, a configuration or one line out.

use super::limits::LIMITS;
use super::*;

fn parse(args: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, ConfigProblem> {
    let lookup = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    Config::from_args(args.iter().map(OsString::from), lookup)
}

fn config(args: &[&str], environment: &[(&str, &str)]) -> Config {
    match parse(args, environment) {
        Ok(Invocation::Run(config)) => config,
        other => panic!("{args:?} {environment:?}: {other:?}"),
    }
}

fn problem(args: &[&str], environment: &[(&str, &str)]) -> String {
    match parse(args, environment) {
        Err(problem) => problem.to_string(),
        Ok(other) => panic!("{args:?} {environment:?}: {other:?}"),
    }
}

#[test]
fn without_anything_the_documented_defaults_hold() {
    let config = config(&[], &[]);
    assert_eq!(config, Config::default());
    assert_eq!(config.listen, [ListenAddr::All { port: 3000 }]);
    assert_eq!(config.path.as_str(), "/socket.io");
    assert_eq!(config.ping_interval, Duration::from_millis(25_000));
    assert_eq!(config.ping_timeout, Duration::from_millis(20_000));
    assert_eq!(config.upgrade_timeout, Duration::from_millis(10_000));
    assert_eq!(config.connect_timeout, Duration::from_millis(45_000));
    assert_eq!((config.max_payload_bytes, config.max_clients), (1_000_000, 10_000));
    assert_eq!(config.recovery_timeout, Duration::ZERO);
    assert_eq!(config.parser, Parser::Json);
    assert_eq!((config.static_dir, config.log), (None, LevelFilter::Info));
}

#[test]
fn each_option_sets_its_own_field_by_flag_and_by_environment() {
    let default = Config::default;
    let dir = std::env::temp_dir();
    let dir_text = dir.to_str().unwrap();
    let table = [
        ("--listen", "SPRAT_LISTEN", "8080", Config { listen: vec![ListenAddr::All { port: 8080 }], ..default() }),
        ("--path", "SPRAT_PATH", "/chat/ws/", Config { path: "/chat/ws".parse().unwrap(), ..default() }),
        (
            "--ping-interval",
            "SPRAT_PING_INTERVAL",
            "1",
            Config { ping_interval: Duration::from_millis(1), ..default() },
        ),
        (
            "--ping-timeout",
            "SPRAT_PING_TIMEOUT",
            "86400000",
            Config { ping_timeout: Duration::from_secs(86_400), ..default() },
        ),
        (
            "--upgrade-timeout",
            "SPRAT_UPGRADE_TIMEOUT",
            "7",
            Config { upgrade_timeout: Duration::from_millis(7), ..default() },
        ),
        (
            "--connect-timeout",
            "SPRAT_CONNECT_TIMEOUT",
            "08",
            Config { connect_timeout: Duration::from_millis(8), ..default() },
        ),
        ("--max-payload", "SPRAT_MAX_PAYLOAD", "100", Config { max_payload_bytes: 100, ..default() }),
        ("--max-clients", "SPRAT_MAX_CLIENTS", "1000000", Config { max_clients: 1_000_000, ..default() }),
        (
            "--recovery-timeout",
            "SPRAT_RECOVERY_TIMEOUT",
            "60000",
            Config { recovery_timeout: Duration::from_secs(60), ..default() },
        ),
        ("--parser", "SPRAT_PARSER", "msgpack", Config { parser: Parser::Msgpack, ..default() }),
        ("--transports", "SPRAT_TRANSPORTS", "websocket", Config { transports: Transports::WebSocket, ..default() }),
        ("--max-attachments", "SPRAT_MAX_ATTACHMENTS", "16", Config { max_attachments: 16, ..default() }),
        ("--serve-client", "SPRAT_SERVE_CLIENT", "off", Config { serve_client: false, ..default() }),
        ("--upgrades", "SPRAT_UPGRADES", "off", Config { upgrades: false, ..default() }),
        ("--trailing-slash", "SPRAT_TRAILING_SLASH", "off", Config { trailing_slash: false, ..default() }),
        (
            "--cors-origin",
            "SPRAT_CORS_ORIGIN",
            "https://a.example,https://b.example",
            Config {
                cors: Cors {
                    origins: Origins::List(vec!["https://a.example".to_owned(), "https://b.example".to_owned()]),
                    ..Cors::default()
                },
                ..default()
            },
        ),
        (
            "--cors-credentials",
            "SPRAT_CORS_CREDENTIALS",
            "on",
            Config { cors: Cors { credentials: true, ..Cors::default() }, ..default() },
        ),
        (
            "--cookie",
            "SPRAT_COOKIE",
            "io; Path=/; Secure",
            Config { cookie: Some("io; Path=/; Secure".parse().unwrap()), ..default() },
        ),
        ("--compress-from", "SPRAT_COMPRESS_FROM", "0", Config { compressed_bytes_min: 0, ..default() }),
        ("--client-dir", "SPRAT_CLIENT_DIR", dir_text, Config { client_dir: Some(dir.clone()), ..default() }),
        ("--static", "SPRAT_STATIC", dir_text, Config { static_dir: Some(dir.clone()), ..default() }),
        ("--log", "SPRAT_LOG", "trace", Config { log: LevelFilter::Trace, ..default() }),
    ];
    assert_eq!(table.len() + LIMITS.len(), options::all().count(), "an option is missing here");
    for (flag, variable, value, expected) in table {
        assert_eq!(config(&[flag, value], &[]), expected);
        assert_eq!(config(&[&format!("{flag}={value}")], &[]), expected);
        assert_eq!(config(&[], &[(variable, value)]), expected);
        assert_eq!(expected.check(), Ok(()));
    }
}

#[test]
fn flags_count_more_than_the_environment_and_the_last_flag_counts_most() {
    let environment = [("SPRAT_PING_TIMEOUT", "5"), ("SPRAT_LISTEN", "1,2"), ("SPRAT_PING_INTERVAL", "9")];
    let config = config(&["--ping-timeout=6", "--ping-timeout", "7", "--listen", "[::1]:3"], &environment);
    assert_eq!(config.ping_timeout, Duration::from_millis(7));
    assert_eq!(config.ping_interval, Duration::from_millis(9));
    assert_eq!(config.listen, [ListenAddr::One("[::1]:3".parse().unwrap())]);
}

#[test]
fn an_empty_variable_and_foreign_variables_are_not_there() {
    assert_eq!(config(&[], &[("SPRAT_MAX_CLIENTS", ""), ("SPRAT_URL", "x"), ("LISTEN", "x")]), Config::default());
}

#[test]
fn addresses_to_listen_at() {
    let one = |text: &str| ListenAddr::One(text.parse().unwrap());
    for (text, expected) in [
        ("0", vec![ListenAddr::All { port: 0 }]),
        (":65535", vec![ListenAddr::All { port: 65_535 }]),
        ("127.0.0.1:80", vec![one("127.0.0.1:80")]),
        ("0.0.0.0:80", vec![one("0.0.0.0:80")]),
        ("[::]:80", vec![one("[::]:80")]),
        ("[fe80::1%2]:80", vec![one("[fe80::1%2]:80")]),
        ("80, [::1]:81", vec![ListenAddr::All { port: 80 }, one("[::1]:81")]),
    ] {
        assert_eq!(config(&["--listen", text], &[]).listen, expected);
        assert_eq!(config(&[], &[("SPRAT_LISTEN", text)]).listen, expected);
    }
    assert_eq!(
        config(&["--listen", "1", "--listen=2"], &[]).listen,
        [ListenAddr::All { port: 1 }, ListenAddr::All { port: 2 }]
    );
}

#[test]
fn addresses_that_are_none() {
    for text in [
        "",
        ":",
        "localhost:80",
        "*:80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "1.2.3:80",
        "::1:99999",
        "+80",
        "80,",
        "[::1]:65536",
    ] {
        assert!(problem(&["--listen", text], &[]).contains("is not an address like 3000"), "{text}");
    }
    assert_eq!(problem(&["--listen=65536"], &[]), "--listen: \"65536\" is not a port from 0 to 65535");
    assert_eq!(problem(&["--listen=::1"], &[]), "--listen: \"::1\" has no port; did you mean [::1]:3000?");
    assert_eq!(problem(&["--listen=10.0.0.1"], &[]), "--listen: \"10.0.0.1\" has no port; did you mean 10.0.0.1:3000?");
}

#[test]
fn paths() {
    for (text, expected) in
        [("/x", "/x"), ("/x//", "/x"), ("/a/b-c.d_e~/", "/a/b-c.d_e~"), ("/.well-known/x", "/.well-known/x")]
    {
        assert_eq!(config(&["--path", text], &[]).path.as_str(), expected);
    }
    for text in [
        "", "/", "//", "x", "x/", "/x?y", "/x#y", "/a b", "/a\tb", "/a%20b", "/中", "/a//b", "/a/../b", "/./a",
        "/a\"b", "/a<b",
    ] {
        assert!(problem(&["--path", text], &[]).starts_with("--path: \""), "{text}");
    }
}

#[test]
fn numbers_out_of_range_or_none_at_all_are_one_line_each() {
    let line = "--ping-interval: \"abc\" is not a number of milliseconds from 1 to 86400000";
    assert_eq!(problem(&["--ping-interval", "abc"], &[]), line);
    let line = "SPRAT_MAX_PAYLOAD: \"99\" is not a number of bytes from 100 to 100000000";
    assert_eq!(problem(&[], &[("SPRAT_MAX_PAYLOAD", "99")]), line);
    for value in ["", "0", "86400001", "-1", "+5", "1.5", "1e3", " 5", "5 ", "0x5", "99999999999999999999", "٣"] {
        assert!(problem(&["--ping-timeout", value], &[]).ends_with("from 1 to 86400000"), "{value:?}");
    }
    for value in ["0", "1000001"] {
        assert!(problem(&["--max-clients", value], &[]).ends_with("is not a number of clients from 1 to 1000000"));
    }
    // The wrong one of several is not hidden by a right one after it.
    assert!(problem(&["--ping-timeout=x", "--ping-timeout=5"], &[]).contains("\"x\""));
}

#[test]
fn arguments_that_are_no_options() {
    for args in [&["--prot", "1"][..], &["-p"], &["serve"], &["--", "--help"], &["--ping_interval=5"]] {
        assert!(problem(args, &[]).ends_with("is not an option of sprat; try --help"), "{args:?}");
    }
    assert_eq!(problem(&["--max-clients"], &[]), "--max-clients: needs a value: NUMBER");
}

#[test]
fn folders_and_levels() {
    let missing = problem(&["--static", "/no/such/folder"], &[]);
    assert!(missing.starts_with("--static: \"/no/such/folder\" cannot be read: "), "{missing}");
    let file = std::env::current_exe().unwrap();
    assert!(problem(&["--static", file.to_str().unwrap()], &[]).ends_with("is not a folder"));
    assert_eq!(config(&["--log=OFF"], &[]).log, LevelFilter::Off);
    assert_eq!(
        problem(&["--log", "loud"], &[]),
        "--log: \"loud\" is not one of off, error, warn, info, debug and trace"
    );
    assert_eq!(problem(&["--parser=JSON"], &[]), "--parser: \"JSON\" is not one of json and msgpack");
}

#[cfg(unix)]
#[test]
fn bytes_that_are_not_utf_8_are_said_to_be_so() {
    use std::os::unix::ffi::OsStringExt as _;
    let bad = || OsString::from_vec(b"\xff1".to_vec());
    let flag = Config::from_args([OsString::from("--max-clients"), bad()], |_| None);
    assert_eq!(flag.unwrap_err().to_string(), "--max-clients: \"\\xFF1\" is not valid UTF-8");
    let variable = Config::from_args([], |name| (name == "SPRAT_LISTEN").then(bad));
    assert_eq!(variable.unwrap_err().to_string(), "SPRAT_LISTEN: \"\\xFF1\" is not valid UTF-8");
}

#[test]
fn help_and_version_win_over_what_follows_them() {
    let Ok(Invocation::Help(help)) = parse(&["--max-clients=5", "--help", "--nonsense"], &[]) else { panic!() };
    assert_eq!(parse(&["-h"], &[]), Ok(Invocation::Help(help.clone())));
    for setting in options::all() {
        assert!(help.contains(&format!("  {} {}\n", setting.flag(), setting.value)));
        assert!(help.contains(&format!("[{}]\n", setting.variable())));
    }
    for part in [
        "1 to 86400000; default 25000 [SPRAT_PING_INTERVAL]",
        "default 3000 [SPRAT_LISTEN]",
        "default none [SPRAT_STATIC]",
    ] {
        assert!(help.contains(part), "{help}");
    }
    assert!(help.lines().all(|line| line.len() <= 110), "{help}");
    for version in ["--version", "-V"] {
        assert_eq!(parse(&[version, "--nonsense"], &[]), Ok(Invocation::Version("sprat 0.1.0\n".to_owned())));
    }
}

#[test]
fn a_configuration_made_in_code_is_checked_by_the_same_table() {
    assert_eq!(Config::default().check(), Ok(()));
    for (config, part) in [
        (Config { listen: Vec::new(), ..Config::default() }, "--listen: "),
        (Config { ping_interval: Duration::ZERO, ..Config::default() }, "--ping-interval: \"0\" is not"),
        (Config { ping_timeout: Duration::MAX, ..Config::default() }, "--ping-timeout: "),
        (Config { max_payload_bytes: 1, ..Config::default() }, "--max-payload: \"1\" is not"),
        (Config { max_clients: 0, ..Config::default() }, "--max-clients: \"0\" is not"),
    ] {
        assert!(config.check().unwrap_err().to_string().starts_with(part), "{part}");
    }
}

#[test]
fn each_limit_is_set_by_flag_and_by_environment_and_by_no_other() {
    for setting in LIMITS {
        let default = setting.shown(&Config::default());
        let value = match setting.range() {
            None => "10.0.0.0/8,::1/128",
            Some(range) if range.contains(&15) => "15",
            Some(_) => "20000",
        };
        assert_ne!(default, value, "{}", setting.name);
        for config in [config(&[&setting.flag(), value], &[]), config(&[], &[(&setting.variable(), value)])] {
            assert_eq!(setting.shown(&config), value);
            assert_eq!(config.check(), Ok(()));
            let changed = LIMITS.iter().filter(|other| other.shown(&config) != other.shown(&Config::default()));
            assert_eq!(changed.map(|other| other.name).collect::<Vec<_>>(), [setting.name]);
        }
    }
}

/// The rows of the table: flag, default, unit.
#[test]
fn every_limit_stands_in_its_table_with_its_default() {
    let table = include_str!("../../../docs/LIMITS.md");
    for setting in LIMITS {
        let start = format!("| `{}` | {} |", setting.flag(), setting.default());
        let row = table.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("docs/LIMITS.md has no row that begins with {start}"));
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "flag, default, unit, policy, tests: {row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()) && cells[4].starts_with('`'), "{row}");
    }
    let rows = table.lines().filter(|line| line.starts_with("| `--")).count();
    assert!(rows >= LIMITS.len());
}
