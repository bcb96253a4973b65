# Thin targets over cargo: each line can be typed by hand.
.PHONY: demo test lint bench bench-node bench-scheduler cluster cluster-down setup

supercargo = cargo run --quiet --locked -p supercargo --
cluster = cargo run --quiet --locked -p supercargo-cluster --bin supercargo-cluster --
policies = $${CARGO_TARGET_DIR:-target}/policies

demo:
	@.ci/setup rust
	cargo build --locked -p supercargo
	$(supercargo) policy build examples/policies/nvlink-groups examples/policies/mig-packing
	$(supercargo) compare -f examples/scenes/nvlink.yaml --policy $(policies)/nvlink-groups.wasm
	$(supercargo) compare -f examples/scenes/mig.yaml --policy $(policies)/mig-packing.wasm

test: setup
	SUPERCARGO="$$(realpath -m $${CARGO_TARGET_DIR:-target}/debug/supercargo)" cargo test --workspace --locked --no-fail-fast

bench-node:
	@.ci/setup cluster
	cargo run --release --locked --quiet -p supercargo-cluster --bin bench-node

bench-scheduler:
	@.ci/setup cluster
	cargo run --release --locked --quiet -p supercargo-cluster --bin bench-scheduler

cluster:
	@.ci/setup cluster
	$(cluster) up $(CLUSTER)

cluster-down:
	$(cluster) down

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

bench:
	cargo run --release --locked --quiet -p supercargo-tests --bin bench

setup:
	@.ci/setup
