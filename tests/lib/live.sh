# Steps that run a server and talk to it as a stranger would.
# shellcheck shell=bash

# A chat server on a free port, its address in server_url.
start_sprat() {
    start_server "$1" "$binary" --listen 127.0.0.1:0 "${@:2}"
}

# Runs a test file with settings given as NAME=VALUE before it. A failure is remembered in $bad: the others run all the same.
node_test() {
    env "${@:1:$#-1}" node --test --test-reporter=spec "${!#}" || bad=1
}

step_client() {
    node_packages
    bad=0
    node_test CLIENT=own "$root/tests/js/client/size.mjs"
    local client
    for client in official own; do
        printf -- '-- the %s client, against the official server\n' "$client"
        start_server oracle node "$root/tests/js/client/oracle.mjs" --port 0
        node_test SPRAT_URL="$server_url" CLIENT="$client" "$root/tests/js/client/behaviour.mjs"
    done
    behaviour_of_sprat
    ((bad == 0))
}

# The same script against the same contract, served by an example of Sprat's library.
behaviour_of_sprat() {
    cargo build --release --locked --package sprat --example behaviour
    local client
    for client in official own; do
        printf -- '-- the %s client, against Sprat\n' "$client"
        start_server behaviour "$target_dir/release/examples/behaviour" --listen 127.0.0.1:0
        node_test SPRAT_URL="$server_url" CLIENT="$client" "$root/tests/js/client/behaviour.mjs"
        node_test SPRAT_URL="$server_url" CLIENT="$client" "$root/tests/js/client/recovery.mjs"
        node_test SPRAT_BEHAVIOUR="$target_dir/release/examples/behaviour" CLIENT="$client" "$root/tests/js/client/restart.mjs"
    done
    release_binary
    node_test SPRAT_COMMAND="$binary" "$root/tests/js/client/kill.mjs"
}

# Raw exchanges, byte for byte as the official server answers them, but for a committed list of differences.
step_compare() {
    node_packages
    cargo build --release --locked --package sprat-tests --example oracle
    bad=0
    node_test SPRAT_ORACLE="$target_dir/release/examples/oracle" "$root/tests/js/oracle/compare.test.mjs"
    printf -- '-- the other parser\n'
    node "$root/tests/js/client/msgpack-vectors.mjs" --check || bad=1
    node_test SPRAT_ORACLE="$target_dir/release/examples/oracle" "$root/tests/js/client/msgpack.test.mjs"
    ((bad == 0))
}

step_page() {
    node_packages
    release_binary
    bad=0
    local client
    for client in own official; do
        printf -- '-- the page with the %s client\n' "$client"
        start_sprat page
        page_tests CLIENT="$client" SPRAT_URL="$server_url"
    done
    printf -- "-- a page of the user's own, from a folder\n"
    start_sprat folder --static "$root/tests/js/page"
    node_test TUTORIAL_URL="$server_url/tutorial.html" SPRAT_URL="$server_url" "$root/tests/js/page/tutorial.test.mjs"
    ((bad == 0))
}

# Settings as NAME=VALUE. One file at a time: each starts a browser.
page_tests() {
    local file
    for file in "$root"/tests/js/page/*.test.mjs; do
        node_test "$@" "$file"
    done
}

step_python() {
    python_packages
    release_binary
    cargo build --release --locked --package sprat-tests --example oracle
    python_tests SPRAT_COMMAND="$binary" SPRAT_ORACLE="$target_dir/release/examples/oracle"
}

# The tests start the server themselves. Settings as NAME=VALUE.
python_tests() {
    env PYTHONDONTWRITEBYTECODE=1 "$@" "$python" -m pytest "$root/tests/python"
}

step_third() {
    node_packages
    release_binary
    cargo build --release --locked --package sprat-tests --example oracle
    (cd "$root/tests/rust" && cargo fmt --check)
    bad=0
    local oracle
    printf -- '-- against the official server\n'
    start_server official-oracle node "$root/tests/js/oracle/server.mjs"
    oracle=$server_url
    start_server official-chat node "$root/tests/js/page/oracle.mjs" --port 0
    rust_client_tests "$oracle" "$server_url"
    printf -- '-- against Sprat\n'
    start_server oracle "$target_dir/release/examples/oracle" --listen 127.0.0.1:0
    oracle=$server_url
    start_sprat chat
    rust_client_tests "$oracle" "$server_url"
    ((bad == 0))
}

# In a folder of its own: what this client needs is built for nothing else.
rust_client_tests() {
    SPRAT_ORACLE=$1 SPRAT_CHAT=$2 CARGO_TARGET_DIR=$target_dir/rust-client \
        cargo test --locked --manifest-path "$root/tests/rust/Cargo.toml" || bad=1
}

# Prints a check for each case that is passed or failed; those about compression are counted in its last line alone.
step_autobahn() {
    bash "$root/tests/autobahn/run"
}

step_figures() {
    release_binary
    SPRAT_COMMAND=$binary PYTHONDONTWRITEBYTECODE=1 "$(python_command)" "$root/tests/figures"
}

# Both boards: what is promised of them, a minute of chat while clients fail in every way, the page in Chromium.
step_firmware() {
    node_packages
    bash "$root/tests/firmware/run"
}

step_firmware_long() {
    node_packages
    bash "$root/tests/firmware/run" --long
}
