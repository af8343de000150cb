# Runs steps one after another, counts what their tests say, shows the log of those that fail.
# shellcheck shell=bash

passed=0
failed=0
skipped=0
notes=()
step_pid=

# Each step runs in a process of its own, so that its time is bounded, its directory and its traps are its own, and
# nothing it started outlives it: `timeout` makes a process group and ends all of it.
run_step() {
    local name=$1 verbose=$2 log=$logs/$1.log status=0 started=$SECONDS missing
    missing=$(missing_tools "$name")
    if [[ -n $missing ]]; then
        report_missing "$name" "$missing"
        return
    fi
    printf '\n== %s: %s\n' "$name" "${step_about[$name]}"
    : >"$log"
    timeout --kill-after=10 "${step_limit_s[$name]}" bash "$root/tests/run" --inside "$name" >"$log" 2>&1 &
    step_pid=$!
    local follower=
    if [[ $verbose == true ]]; then
        tail -f --pid="$step_pid" "$log" &
        follower=$!
    fi
    wait "$step_pid" || status=$?
    step_pid=
    [[ -z $follower ]] || wait "$follower" || true
    report_step "$name" "$status" $((SECONDS - started)) "$log"
}

# The other side of run_step.
run_inside() {
    local name=$1
    trap stop_servers EXIT
    trap 'exit 143' TERM INT
    "step_${name//-/_}"
}

report_step() {
    local name=$1 status=$2 seconds=$3 log=$4 good bad ignored
    read -r good bad ignored < <(count_tests "$log")
    if ((status == 0 && bad > 0)); then
        status=1
    fi
    # A test runner that found no test has shown nothing.
    if [[ ${step_counts[$name]} == tests ]] && ((status == 0 && good == 0)); then
        printf 'no test ran\n' >>"$log"
        status=1
    fi
    if ((status == 0)); then
        ((good > 0)) || good=1
        printf 'ok    %s: %s passed in %s s\n' "$name" "$good" "$seconds"
    else
        ((bad > 0)) || bad=1
        show_log "$log"
        ((status != 124 && status != 137)) || printf '%s took longer than %s s\n' "$name" "${step_limit_s[$name]}"
        printf 'FAIL  %s: %s passed, %s failed in %s s (%s)\n' "$name" "$good" "$bad" "$seconds" "${log#"$root"/}"
        notes+=("FAIL  $name")
    fi
    ((ignored == 0)) || notes+=("SKIP  $name: $ignored of its tests (see ${log#"$root"/})")
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + ignored))
}

report_missing() {
    local name=$1 missing=$2
    if [[ ${CI:-} == true ]]; then
        printf '\n== %s\nFAIL  %s: missing %s\n' "$name" "$name" "$missing"
        notes+=("FAIL  $name: missing $missing")
        failed=$((failed + 1))
    else
        notes+=("SKIP  $name: missing $missing")
        skipped=$((skipped + 1))
    fi
}

# Passed, failed and skipped tests in a log, of whichever of the four runners wrote it: cargo test, node --test (both
# its reporters), pytest. Every step's own checks print "check passed: ..." or "check failed: ...".
count_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^test result: / { for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed/) good += $i
            if ($(i + 1) ~ /^failed/) bad += $i
            if ($(i + 1) ~ /^ignored/) ignored += $i } }
        /^(#|ℹ) pass [0-9]+$/ { good += $3 }
        /^(#|ℹ) (fail|cancelled) [0-9]+$/ { bad += $3 }
        /^(#|ℹ) (skipped|todo) [0-9]+$/ { ignored += $3 }
        /^=* ?[0-9]+ (passed|failed|skipped|error|errors|deselected).* in [0-9.]+s/ { for (i = 1; i < NF; i++) {
            if ($(i + 1) ~ /^passed/) good += $i
            if ($(i + 1) ~ /^(failed|error)/) bad += $i
            if ($(i + 1) ~ /^skipped/) ignored += $i } }
        /^check passed: / { good++ }
        /^check failed: / { bad++ }
        END { printf "%d %d %d\n", good, bad, ignored }'
}

show_log() {
    local lines
    lines=$(wc -l <"$1")
    ((lines <= 400)) || printf '(the last 400 of %s lines)\n' "$lines"
    tail -n 400 "$1" | sed 's/^/    /'
}

summary() {
    printf '\n'
    ((${#notes[@]} == 0)) || printf '%s\n' "${notes[@]}"
    if ((skipped > 0)); then
        printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    else
        printf '%s passed, %s failed\n' "$passed" "$failed"
    fi
    ((failed == 0))
}

stop_step() {
    [[ -z $step_pid ]] || kill "$step_pid" 2>/dev/null || true
}
