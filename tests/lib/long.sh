# Steps for --long: do the tests themselves judge rightly?
# shellcheck shell=bash

# What fails here is the test's fault.
step_judges() {
    node_packages
    python_packages
    bad=0
    python_tests SPRAT_JUDGED=official SPRAT_COMMAND="node $root/tests/js/page/oracle.mjs" \
        SPRAT_ORACLE="node $root/tests/js/oracle/server.mjs" || bad=1
    local client
    for client in own official; do
        printf -- '-- the page with the %s client, on the official server\n' "$client"
        start_server oracle node "$root/tests/js/page/oracle.mjs" --port 0
        page_tests CLIENT="$client" SPRAT_URL="$server_url"
    done
    ((bad == 0))
}

# Servers that are wrong on purpose, each by one replacement in core/src/chat.rs: WHAT, THIS, BY THAT. Any test that
# never fails on one of them would pass on anything.
mutants() {
    mutant "who comes in is told of it, too" \
        'context.emit(Target::all().except(socket), event' \
        'context.emit(Target::all(), event'
    mutant "a message has the time its sender names" \
        'let number = self.next_message;' \
        'let time = if json::member(request, "time").is_some() { Time::of(Now { wall: Some(crate::time::UnixTime::from_ms(946_684_799_000)), ..context.now() }) } else { time }; let number = self.next_message;'
    mutant "a retry is delivered again" \
        '.find(|recent| Some(recent.key) == key)' \
        '.find(|recent| Some(recent.key) == key && false)'
    mutant "nobody is told that somebody left" \
        'self.announce(context, socket, "offline")' \
        'Ok::<(), Refused>(())'
    mutant "a message goes to the others only" \
        'context.send_prepared(Target::all(), &message)' \
        'context.send_prepared(Target::all().except(socket), &message)'
}

step_mutants() {
    python_packages
    local copy=$target_dir/mutants/tree log=$logs/mutant.log source=core/src/chat.rs
    bad=0
    unchanged_tree_passes
    mutants
    ((bad == 0))
}

# Without this, tests that fail on everything would pass for good ones.
unchanged_tree_passes() {
    fresh_copy
    build_copy
    expect_status "the tree as it is" "cargo test" 0 cargo_tests_of_copy
    expect_status "the tree as it is" "python-socketio" 0 python_tests_of_copy
}

mutant() {
    local what=$1 this=$2 that=$3
    fresh_copy
    THIS=$this THAT=$that perl -0pi -e 's/\Q$ENV{THIS}\E/$ENV{THAT}/' "$copy/$source"
    if cmp -s "$copy/$source" "$source"; then
        verdict failed "$what" "there is no place for it any more: $this"
        return
    fi
    if ! build_copy; then
        verdict failed "$what" "it does not build"
        return
    fi
    # 101 and 1 are how these two say that tests failed; any other status is no verdict.
    expect_status "$what" "cargo test" 101 cargo_tests_of_copy
    expect_status "$what" "python-socketio" 1 python_tests_of_copy
}

expect_status() {
    local what=$1 tests=$2 expected=$3 status=0
    "$4" >"$log" 2>&1 || status=$?
    if ((status == expected)); then
        verdict passed "$what" "$tests ended with $status"
    else
        # Indented, so that another tree's results are not counted as this one's.
        tail -n 60 "$log" | sed 's/^/    /'
        verdict failed "$what" "$tests ended with $status instead of $expected"
    fi
}

verdict() {
    [[ $1 == passed ]] || bad=1
    printf 'check %s: %s: %s\n' "$1" "$2" "$3"
}

fresh_copy() {
    rm -rf "$copy"
    mkdir -p "$copy"
    tar --exclude=./target --exclude=./.git --exclude=node_modules --create . | tar --extract --directory "$copy"
}

build_copy() {
    (cd "$copy" && CARGO_TARGET_DIR=$target_dir/mutants/target cargo build --quiet --locked --package sprat)
}

cargo_tests_of_copy() {
    (cd "$copy" && CARGO_TARGET_DIR=$target_dir/mutants/target cargo test --locked --package sprat-core --package sprat-tests)
}

python_tests_of_copy() {
    env PYTHONDONTWRITEBYTECODE=1 SPRAT_COMMAND="$target_dir/mutants/target/debug/sprat" \
        "$python" -m pytest --exitfirst "$root/tests/python/test_chat.py"
}

step_deny() {
    PATH=$PATH:$env_dir/cargo/bin
    bad=0
    deny workspace --locked check licenses bans sources
    # Two versions of a crate are what its hardware's crates bring.
    deny firmware --locked --manifest-path core/examples/Cargo.toml --config deny.toml check licenses sources
    if cargo deny --locked fetch db; then
        deny advisories --locked check advisories
    else
        printf 'advisories were not looked at, because their database is not reachable:\n# skipped 1\n'
    fi
    ((bad == 0))
}

deny() {
    if cargo deny "${@:2}"; then verdict passed "$1" "as deny.toml wants"; else verdict failed "$1" "see above"; fi
}

# One program with all targets; the corpus stays for the next run and for the step fuzz.
step_libfuzzer() {
    local host target fuzz=$root/tests/fuzz
    host=$(rustc -vV | sed -n 's/^host: //p')
    # What cargo-fuzz passes: the compiler counts edges and comparisons for libFuzzer, and ASan looks at memory.
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address" \
        CARGO_TARGET_DIR=$target_dir/libfuzzer cargo +nightly build --release --locked --target "$host" \
        --manifest-path "$fuzz/libfuzzer/Cargo.toml"
    bad=0
    for target in "$fuzz"/seeds/*/; do
        fuzz_target "$(basename "$target")" "$target_dir/libfuzzer/$host/release/libfuzzer" || bad=1
    done
    ((bad == 0))
}

fuzz_target() {
    local name=$1 binary=$2 log=$logs/libfuzzer-$1.log options=(-use_value_profile=1)
    # Its ids and the keys of its hashes are chance: whatever is compared with them would be new, and every input kept.
    [[ $name != host ]] || options=(-use_value_profile=0 -entropic=0 -print_funcs=0)
    mkdir -p "$fuzz/corpus/$name" "$fuzz/artifacts"
    if SPRAT_FUZZ_TARGET=$name "$binary" "$fuzz/corpus/$name" "$fuzz/seeds/$name" -max_total_time="${FUZZ_SECONDS:-300}" \
        -timeout=10 -rss_limit_mb=1024 -max_len=4096 "${options[@]}" -print_final_stats=1 \
        -artifact_prefix="$fuzz/artifacts/$name-" >"$log" 2>&1; then
        verdict passed "$name" "$(awk '/DONE/ { cov = $4 } /number_of_executed_units/ { runs = $2 } END { print runs " executions, coverage " cov }' "$log")"
    else
        tail -n 40 "$log"
        verdict failed "$name" "see tests/fuzz/artifacts"
    fi
}

step_msrv() {
    CARGO_TARGET_DIR=$target_dir/msrv cargo "+$(rust_version)" check --workspace --all-targets --locked
}
