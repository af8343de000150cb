# Steps for --long: do the tests themselves judge rightly?
# shellcheck shell=bash

# What fails here is the test's fault.
step_judges() {
    node_packages
    python_packages
    bad=0
    python_tests SPRAT_JUDGED=official SPRAT_COMMAND="node $root/tests/js/page/oracle.mjs" || bad=1
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
    local copy=$target_dir/mutants/tree
    bad=0
    mutants
    ((bad == 0))
}

mutant() {
    local what=$1 this=$2 that=$3 source=$copy/core/src/chat.rs log=$logs/mutant.log
    fresh_copy
    THIS=$this THAT=$that perl -0pi -e 's/\Q$ENV{THIS}\E/$ENV{THAT}/' "$source"
    if cmp -s "$source" core/src/chat.rs; then
        mutant_is failed "$what" "there is no place for it any more: $this"
        return
    fi
    if ! (cd "$copy" && CARGO_TARGET_DIR=$target_dir/mutants/target cargo build --locked --package sprat) >"$log" 2>&1; then
        cat "$log"
        mutant_is failed "$what" "it does not build"
        return
    fi
    expect_tests_to_fail "$what" "cargo test" 101 cargo_tests_of_copy
    expect_tests_to_fail "$what" "python-socketio" 1 python_tests_of_copy
}

expect_tests_to_fail() {
    local what=$1 tests=$2 expected=$3 status=0
    "$4" >"$log" 2>&1 || status=$?
    if ((status == expected)); then
        mutant_is passed "$what" "noticed by $tests"
    else
        # Any other status is no verdict of the tests.
        ((status == 0)) || tail -n 30 "$log"
        mutant_is failed "$what" "not noticed by $tests (status $status)"
    fi
}

# Not "passed" in a runner's form: these are runs of other trees.
mutant_is() {
    [[ $1 == passed ]] || bad=1
    printf 'check %s: %s: %s\n' "$1" "$2" "$3"
}

fresh_copy() {
    rm -rf "$copy"
    mkdir -p "$copy"
    tar --exclude=./target --exclude=./.git --exclude=node_modules --create . | tar --extract --directory "$copy"
}

cargo_tests_of_copy() {
    (cd "$copy" && CARGO_TARGET_DIR=$target_dir/mutants/target cargo test --locked --package sprat-core --package sprat-tests)
}

python_tests_of_copy() {
    env PYTHONDONTWRITEBYTECODE=1 SPRAT_COMMAND="$target_dir/mutants/target/debug/sprat" \
        "$python" -m pytest --exitfirst "$root/tests/python/test_chat.py"
}

step_msrv() {
    CARGO_TARGET_DIR=$target_dir/msrv cargo "+$(rust_version)" check --workspace --all-targets --locked
}
