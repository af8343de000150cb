# Starts servers for live tests and ends them.
# shellcheck shell=bash

servers=()
server_url=

# Starts a command that serves on 127.0.0.1 and waits, by reading its output, until it says where; its address is then
# in server_url. A port alone is enough ("ready 4000"): all servers of the tests listen on this machine.
start_server() {
    local name=$1 log=$logs/$1.server.log line output
    shift
    server_url=
    exec {output}< <(exec "$@" 2>&1)
    servers+=($!)
    : >"$log"
    while IFS= read -r -t 20 -u "$output" line; do
        printf '%s\n' "$line" >>"$log"
        if [[ $line =~ (http://[^/[:space:]]+:|127\.0\.0\.1:|ready\ *)([0-9]+) ]]; then
            server_url=http://127.0.0.1:${BASH_REMATCH[2]}
            break
        fi
    done
    # Read on: a server must not wait for someone to read its log.
    cat <&"$output" >>"$log" &
    exec {output}<&-
    if [[ -z $server_url ]]; then
        printf 'check failed: %s did not say where it listens; its output:\n' "$name"
        cat "$log"
        return 1
    fi
}

# Ends what start_server started: kindly, then after ten seconds not.
stop_servers() {
    local pid
    for pid in "${servers[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${servers[@]}"; do
        timeout 10 tail -f --pid="$pid" /dev/null || kill -KILL "$pid" 2>/dev/null || true
    done
    servers=()
}
