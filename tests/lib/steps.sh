# The steps' table. Each row's step is the function step_NAME in check.sh, live.sh or long.sh.
# shellcheck shell=bash

step_names=()
declare -A step_when step_counts step_limit_s step_needs step_about

# NAME short|long tests|checks LIMIT_S "NEEDS" "ABOUT"
# "tests": a runner counts, and no test is a failure. The limit ends what hangs; it leaves a slow board time to build.
step() {
    step_names+=("$1")
    step_when[$1]=$2
    step_counts[$1]=$3
    step_limit_s[$1]=$4
    step_needs[$1]=$5
    step_about[$1]=$6
}

step fmt short checks 60 "rustfmt" "the code is formatted"
step features short checks 60 "" "every test that docs/FEATURES.md names is there"
step build short checks 1800 "cc" "the release binary builds from the committed lock file"
step clippy short checks 1200 "clippy cc" "no lint, in all targets"
step docs short checks 1200 "cc" "the documentation builds without a warning"
step unit short tests 1800 "cc" "cargo test of the whole workspace"
step fuzz short checks 1800 "cc" "seeds, corpus and 10 seconds of new inputs for each fuzz target"
step instructions short checks 1800 "cc valgrind" "instructions of an echo, a delivery, a heartbeat and more, against those kept"
step no-std short checks 1200 "cc thumb" "the core builds for a Cortex-M3 and nothing below it asks for std or alloc"
step client short tests 900 "cc node" "our client and the official one, against the official server and Sprat"
step compare short tests 600 "cc node" "raw exchanges, byte for byte as the official server answers them"
step page short tests 1200 "cc node chromium" "the chat page in a real Chromium, with both clients"
step python short tests 900 "cc python" "python-socketio clients chat; bad input ends at most its own session"
step firmware short tests 1800 "cc node chromium qemu thumb" "the chat on a Cortex-M3 in QEMU, and the host with its limits"
step figures short checks 600 "cc python" "size of the binary, memory idle and per client, size of page and client"
step judges long tests 1800 "cc node chromium python" "the tests of page and Python pass against the official server"
step third long tests 1800 "cc node openssl" "rust_socketio, a client of other people, against the official server and Sprat"
step autobahn long tests 1800 "cc python" "Autobahn's testsuite for WebSocket, all its cases, against a bare echo; a naive one has to fail"
step mutants long checks 3600 "cc python" "the tests fail on a server that is wrong on purpose"
step libfuzzer long checks 7200 "cc cxx nightly" "libFuzzer on each fuzz target, which sees what an input reaches (FUZZ_SECONDS each, 300)"
step deny long checks 600 "deny" "licences, sources and versions of dependencies, and advisories where their database is reachable"
step firmware-long long tests 3600 "cc node chromium qemu thumb" "the same for ten minutes, and all that is tested of the page"
step msrv long checks 1800 "cc msrv" "the oldest Rust promised still builds it"

list_steps() {
    local name
    for name in "${step_names[@]}"; do
        printf '%-12s %-5s %s\n' "$name" "${step_when[$name]}" "${step_about[$name]}"
    done
}

# Leaves in $selected the steps to run: those named, or all short ones, and with --long all.
select_steps() {
    local long=$1 name
    shift
    selected=()
    for name in "$@"; do
        [[ -n ${step_when[$name]:-} ]] || fail_usage "no step is called $name (see --list)"
    done
    for name in "${step_names[@]}"; do
        if (($#)); then
            [[ " $* " == *" $name "* ]] || continue
        elif [[ ${step_when[$name]} == long && $long == false ]]; then
            continue
        fi
        selected+=("$name")
    done
}
