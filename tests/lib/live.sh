# Steps that run a server and talk to it as a stranger would.
# shellcheck shell=bash

# A chat server on a free port, its address in server_url.
start_sprat() {
    start_server "$1" "$binary" --listen 127.0.0.1:0 "${@:2}"
}

node_test() {
    node --test --test-reporter=spec "$@"
}

step_client() {
    node_packages
    cd "$root/tests/js/client"
    node size.mjs
    printf 'check passed: our client is small enough and loads as it is served\n'
    local client
    for client in official own; do
        printf -- '-- the %s client, against the official server\n' "$client"
        start_server oracle node oracle.mjs --port 0
        SPRAT_URL=$server_url CLIENT=$client node_test behaviour.mjs
    done
    behaviour_of_sprat
}

# The same script against the same contract, served by an example of Sprat's library.
behaviour_of_sprat() {
    cargo build --release --locked --package sprat --example behaviour
    local client
    for client in official own; do
        printf -- '-- the %s client, against Sprat\n' "$client"
        start_server behaviour "$target_dir/release/examples/behaviour" --listen 127.0.0.1:0
        SPRAT_URL=$server_url CLIENT=$client SKIP=recovery node_test behaviour.mjs
    done
}

step_page() {
    node_packages
    release_binary
    local client
    for client in own official; do
        printf -- '-- the page with the %s client\n' "$client"
        start_sprat page
        page_tests "$client" SPRAT_URL="$server_url"
    done
    printf -- '-- a page of the user'"'"'s own, from a folder\n'
    start_sprat folder --static "$root/tests/js/page"
    TUTORIAL_URL=$server_url/tutorial.html SPRAT_URL=$server_url node_test "$root/tests/js/page/tutorial.test.mjs"
}

# With the client named, settings as NAME=VALUE. One file at a time: each starts a browser.
page_tests() {
    local file
    for file in "$root"/tests/js/page/*.test.mjs; do
        env CLIENT="$1" "${@:2}" node --test --test-reporter=spec "$file"
    done
}

step_python() {
    python_packages
    release_binary
    python_tests SPRAT_COMMAND="$binary"
}

# The tests start the server themselves; settings as NAME=VALUE.
python_tests() {
    env PYTHONDONTWRITEBYTECODE=1 "$@" "$python" -m pytest "$root/tests/python"
}

step_figures() {
    release_binary
    SPRAT_COMMAND=$binary PYTHONDONTWRITEBYTECODE=1 "$(python_command)" "$root/tests/figures"
}
