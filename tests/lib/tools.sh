# What the steps need, where it comes from, and how to say what is missing.
# shellcheck shell=bash

# need -> Debian packages that bring it (nothing: not Debian's to bring)
declare -A packages=(
    [cc]="gcc libc6-dev"
    [cxx]="g++"
    [node]="nodejs npm"
    [chromium]="chromium"
    [python]="python3 python3-venv"
    [qemu]="qemu-system-arm"
    [openssl]="libssl-dev pkg-config"
    [valgrind]="valgrind"
)

# Brings what is missing for these steps, as far as this machine allows. Steps say afterwards what they still miss.
prepare_tools() {
    local install=$1 name need wanted=()
    shift
    has_rust || fail_without_rust
    [[ $install == true ]] || return 0
    for name in "$@"; do
        for need in ${step_needs[$name]}; do
            "has_$need" || [[ " ${wanted[*]} " == *" $need "* ]] || wanted+=("$need")
        done
    done
    ((${#wanted[@]} == 0)) || install_tools "${wanted[@]}"
}

missing_tools() {
    local need missing=()
    for need in ${step_needs[$1]}; do
        "has_$need" || missing+=("$(describe_need "$need")")
    done
    ((${#missing[@]} == 0)) || { local IFS=';'; printf '%s' "${missing[*]}"; }
}

describe_need() {
    case $1 in
        rustfmt | clippy) printf '%s (rustup component add %s)' "$1" "$1" ;;
        thumb) printf 'a core library for thumbv7m-none-eabi (rustup target add thumbv7m-none-eabi, or Debian packages %s)' "${debian_rust[*]}" ;;
        deny) printf 'cargo-deny (cargo install --locked cargo-deny)' ;;
        nightly) printf 'a nightly toolchain (rustup toolchain install nightly)' ;;
        msrv) printf 'Rust %s (rustup toolchain install %s)' "$(rust_version)" "$(rust_version)" ;;
        *) printf '%s (Debian: %s)' "$1" "${packages[$1]}" ;;
    esac
}

install_tools() {
    local need wanted debian=()
    printf 'to install: %s\n' "$*"
    for need in "$@"; do
        case $need in
            rustfmt | clippy) of_rustup component add "$need" || true ;;
            deny) cargo install --quiet --locked --root "$env_dir/cargo" cargo-deny || true ;;
            nightly) of_rustup toolchain install nightly --profile minimal || true ;;
            msrv) of_rustup toolchain install "$(rust_version)" --profile minimal || true ;;
            thumb) of_rustup target add thumbv7m-none-eabi || debian+=("${debian_rust[@]}") ;;
            *)
                read -r -a wanted <<<"${packages[$need]}"
                debian+=("${wanted[@]}")
                ;;
        esac
    done
    ((${#debian[@]} == 0)) || install_debian "${debian[@]}"
}

install_debian() {
    local root_shell=()
    if ! command -v apt-get >/dev/null; then
        printf 'not installed, because this is no Debian: %s\n' "$*"
        return
    fi
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            printf 'not installed, because this takes root: sudo apt-get install --no-install-recommends %s\n' "$*"
            return
        fi
        root_shell=(sudo -n)
    fi
    local log=$logs/apt.log apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
    if "${root_shell[@]}" "${apt[@]}" update >"$log" 2>&1 &&
        "${root_shell[@]}" "${apt[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1; then
        printf 'installed: %s\n' "$*"
    else
        tail -n 20 "$log"
        printf 'could not install: %s\n' "$*"
    fi
}

# --- Rust

rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"
}

has_rust() {
    local have
    have=$(rustc --version 2>/dev/null | awk '{ print $2 }') || return 1
    command -v cargo >/dev/null && [[ $(printf '%s\n' "$(rust_version)" "$have" | sort -V | head -n 1) == "$(rust_version)" ]]
}

fail_without_rust() {
    printf 'missing: Rust %s or newer with cargo (https://rustup.rs, or Debian packages rustc-web cargo-web)\n' "$(rust_version)"
    printf '0 passed, 1 failed\n'
    exit 1
}

has_rustup() {
    command -v rustup >/dev/null
}

# Not every machine with rustup reaches its server.
of_rustup() {
    has_rustup && timeout 300 rustup "$@"
}

has_cc() {
    command -v cc >/dev/null
}

has_cxx() {
    command -v c++ >/dev/null
}

has_deny() {
    PATH=$PATH:$env_dir/cargo/bin cargo deny --version >/dev/null 2>&1
}

has_nightly() {
    has_rustup && [[ $(rustup toolchain list) == *nightly* ]]
}

has_rustfmt() {
    cargo fmt --version >/dev/null 2>&1
}

has_clippy() {
    cargo clippy --version >/dev/null 2>&1
}

has_msrv() {
    has_rustup && [[ $(rustup toolchain list) == *"$(rust_version)"* ]]
}

# --- the core library of a target without std: rustup's, or built from Debian's sources

debian_rust=(rustc-web cargo-web rust-web-src rust-web-llvm lld-22)

has_thumb() {
    has_thumb_target || has_debian_rust
}

has_thumb_target() {
    [[ -d $(rustc --print sysroot)/lib/rustlib/thumbv7m-none-eabi/lib ]]
}

has_debian_rust() {
    # The library's sources are where this compiler looks for them, and the linker is no dangling link.
    [[ -x /usr/bin/cargo && -e $(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core/Cargo.toml ]] &&
        [[ -e /usr/bin/rust-lld ]]
}

# --- the rest

has_node() {
    local version
    version=$(node --version 2>/dev/null) && command -v npm >/dev/null && version=${version#v} && ((${version%%.*} >= 18))
}

has_chromium() {
    [[ -x /usr/bin/chromium ]]
}

has_openssl() {
    pkg-config --exists openssl 2>/dev/null
}

has_valgrind() {
    command -v valgrind >/dev/null
}

has_qemu() {
    command -v qemu-system-arm >/dev/null
}

has_python() {
    "$(python_command)" -c 'import ensurepip, sys; assert sys.version_info >= (3, 9)' 2>/dev/null
}

# Debian's own Python where there is one: its venv is what python3-venv brings.
python_command() {
    if [[ -x /usr/bin/python3 ]]; then printf /usr/bin/python3; else printf python3; fi
}

# --- inside a step: tools in folders that git ignores

# The Node packages of tests/js, exactly as its lock file says.
node_packages() {
    (
        cd "$root/tests/js"
        npm ls --all >/dev/null 2>&1 || npm ci --no-audit --no-fund
    )
}

# A venv with tests/python/requirements.txt, made anew when that file changes; its python is $python.
python_packages() {
    local venv=$env_dir/python requirements=$root/tests/python/requirements.txt
    python=$venv/bin/python
    cmp -s "$requirements" "$venv/installed.txt" && return
    rm -rf "$venv"
    "$(python_command)" -m venv "$venv"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/installed.txt"
}
