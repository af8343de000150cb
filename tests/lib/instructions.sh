# Counts the instructions of what a server does most, and fails when one takes more than it did.
# shellcheck shell=bash

# What is counted, and how often it is done: so often and twice so often, and the difference is what it costs.
declare -A instructions_times=([echo]=2000 [delivery]=20000 [heartbeat]=2000 [polling-echo]=1000 [connect]=500)
instructions_names=(echo delivery heartbeat polling-echo connect)
# More than this is a failure.
instructions_percent_max=5

# A figure holds for one compiler on one kind of machine. With another there is nothing to compare with.
step_instructions() {
    local kept=$root/tests/bench/instructions.txt compiler name count
    declare -A counts=()
    cargo build --release --locked --package sprat-tests --example instructions
    compiler=$(rustc -vV | awk '/^release:/ { release = $2 } /^host:/ { host = $2 } END { print release "-" host }')
    for name in "${instructions_names[@]}"; do
        counts[$name]=$(instructions_of "$name" "${instructions_times[$name]}")
    done
    if [[ ${UPDATE:-} == 1 ]]; then
        keep_instructions
    fi
    bad=0
    for name in "${instructions_names[@]}"; do
        count=$(awk -v compiler="$compiler" -v name="$name" '$1 == compiler && $2 == name { print $3 }' "$kept")
        judge_instructions "$name" "${counts[$name]}" "$count"
    done
    ((bad == 0))
}

instructions_of() {
    local once twice
    once=$(all_instructions "$1" "$2")
    twice=$(all_instructions "$1" $((2 * $2)))
    printf '%s' $(((twice - once) / $2))
}

all_instructions() {
    local out=$logs/callgrind-$1-$2.out
    valgrind --tool=callgrind --callgrind-out-file="$out" "$target_dir/release/examples/instructions" "$1" "$2" >"$out.log" 2>&1 ||
        { cat "$out.log" >&2; return 1; }
    awk '/^(summary|totals):/ { sum = $2 } END { print sum }' "$out"
}

judge_instructions() {
    local name=$1 count=$2 before=$3
    if [[ -z $before ]]; then
        printf 'check passed: %s: %s instructions; none are kept for %s\n' "$name" "$count" "$compiler"
    elif ((100 * count > (100 + instructions_percent_max) * before)); then
        bad=1
        printf 'check failed: %s: %s instructions instead of %s\n' "$name" "$count" "$before"
    else
        printf 'check passed: %s: %s instructions (kept: %s)\n' "$name" "$count" "$before"
    fi
}

keep_instructions() {
    local name others
    others=$(awk -v compiler="$compiler" '$1 != compiler' "$kept")
    {
        printf '%s\n' "$others"
        for name in "${instructions_names[@]}"; do
            printf '%s %s %s\n' "$compiler" "$name" "${counts[$name]}"
        done
    } >"$kept"
}
