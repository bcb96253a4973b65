# Thin targets over cargo: each line can be typed by hand.
.PHONY: demo test lint bench setup

setup:
	@.ci/setup

demo: setup
	@echo demo

test: setup
	cargo test --workspace --locked

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

bench:
	cargo run --release --locked -q -p supercargo-tests --bin bench
