# Steps that need no running server.
# shellcheck shell=bash

step_fmt() {
    cargo fmt --all --check
}

step_features() {
    tests/features
}

step_build() {
    release_binary
    printf 'check passed: %s\n' "$binary"
}

# Builds what the live steps run; its path is $binary. Without work to do it takes a moment.
release_binary() {
    cargo build --release --locked --package sprat
    binary=$target_dir/release/sprat
}

step_clippy() {
    cargo clippy --workspace --all-targets --locked -- -D warnings
}

step_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

step_unit() {
    cargo test --workspace --locked
}

step_fuzz() {
    cargo run --profile fuzz --package sprat-fuzz --locked -- --seconds 10
}

step_no_std() {
    build_core_for_thumb
    printf 'check passed: sprat-core builds for thumbv7m-none-eabi\n'
    no_feature_of_std
}

build_core_for_thumb() {
    local build=(build --package sprat-core --target thumbv7m-none-eabi --locked)
    if has_thumb_target; then
        cargo "${build[@]}"
    else
        # Debian has the library's sources, not its builds for other targets. Its compiler takes unstable flags only so.
        RUSTC_BOOTSTRAP=1 PATH=/usr/bin:$PATH CARGO_TARGET_DIR=$target_dir/debian-rust cargo "${build[@]}" -Zbuild-std=core
    fi
}

# Building for that target proves that no std is linked in; this says which dependency would ask for it elsewhere.
no_feature_of_std() {
    local asked
    cargo tree --package sprat-core --edges normal,no-proc-macro --target thumbv7m-none-eabi --locked \
        --prefix none --format '{p} [{f}]' | tee "$logs/core-tree.txt"
    asked=$(grep -E '[[,](std|alloc)[],]' "$logs/core-tree.txt" || true)
    if [[ -n $asked ]]; then
        printf 'check failed: asks for std or alloc: %s\n' "$asked"
        return 1
    fi
    printf 'check passed: no dependency of sprat-core asks for std or alloc\n'
}
