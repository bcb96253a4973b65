//! The machine that policies run on: one a process.
//!
//! It has no linker to speak of: nothing is ever defined for a component to import. What it does have
//! is a pool of memories laid out once, so that a fresh instance for every call costs a few
//! microseconds, and a clock that ends calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::Decisions;
use super::compiled::{CompiledCode, CompiledCodeError};
use super::guard::Guard;
use super::limits::Limits;
use super::permits::Permits;
use super::ticker::Ticker;

/// Bytes of native stack for a guest. Threads of Rust have 2 MiB; a guest that recurses further traps.
const GUEST_STACK: usize = 512 * 1024;

/// Bytes of each memory that are zeroed rather than given back between calls, on kernels that can
/// tell which pages were touched. More costs more time than the page faults it saves.
const KEEP_RESIDENT: usize = 64 * 1024;

/// How an [`Engine`] is made.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How many calls run at once; others wait. Each reserves address space (about 12 GiB) but no
    /// memory. Default: the number of processors, at least 4.
    pub concurrency: usize,
    /// How many decisions are remembered. 0: none. Default: 4,096.
    pub decisions: usize,
    /// A folder for compiled code, which makes loading a hundred times faster. It is made if it does
    /// not exist, and refused if anyone but its owner may write to it: whoever can write there can run
    /// native code in this process. Default: none.
    pub compiled_code: Option<PathBuf>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            concurrency: available_parallelism().map_or(4, |n| n.get().max(4)),
            decisions: 4_096,
            compiled_code: None,
        }
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder for compiled code cannot be trusted.
    #[error(transparent)]
    CompiledCode(#[from] CompiledCodeError),
    /// The machine does not let WebAssembly run as it must.
    #[error(
        "cannot set up WebAssembly on this machine: {detail}; look at the limits on address space (ulimit -v)"
    )]
    Machine {
        /// What the runtime said.
        detail: String,
    },
    /// No thread for the clock.
    #[error("cannot start the thread that keeps deadlines: {0}")]
    Ticker(#[source] std::io::Error),
}

/// What policies run on. Cheap to clone: all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) wasm: wasmtime::Engine,
    pub(super) linker: Linker<Guard>,
    pub(super) permits: Permits,
    pub(super) ticker: Ticker,
    pub(super) decisions: Decisions,
    pub(super) compiled: Option<CompiledCode>,
}

impl Engine {
    /// Sets up the pool and starts the clock.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let concurrency = options.concurrency.clamp(1, 1_000);
        let wasm =
            wasmtime::Engine::new(&config(concurrency)).map_err(|error| EngineError::Machine {
                detail: format!("{error:#}"),
            })?;
        let compiled = options
            .compiled_code
            .map(|folder| CompiledCode::open(&folder, &wasm))
            .transpose()?;
        let ticker = Ticker::start(wasm.weak()).map_err(EngineError::Ticker)?;
        Ok(Self {
            shared: Arc::new(Shared {
                linker: Linker::new(&wasm),
                permits: Permits::new(concurrency),
                ticker,
                decisions: Decisions::new(options.decisions),
                compiled,
                wasm,
            }),
        })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Why the same question gets the same answer on every machine: what [`config`] sees to, and what a policy
/// that imports nothing cannot have.
pub const DETERMINISM: [&str; 5] = [
    "canonical NaN",
    "deterministic SIMD",
    "no threads",
    "no clock",
    "no random numbers",
];

fn config(concurrency: usize) -> Config {
    let most = Limits::MOST;
    let calls = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(most.core_instances))
        .total_memories(calls.saturating_mul(most.memories))
        .total_tables(calls.saturating_mul(most.tables))
        .max_core_instances_per_component(most.core_instances)
        .max_memories_per_component(most.memories)
        .max_memories_per_module(most.memories)
        .max_tables_per_component(most.tables)
        .max_tables_per_module(most.tables)
        .max_memory_size(usize::try_from(most.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(most.table_elements).unwrap_or(usize::MAX))
        .pagemap_scan(Enabled::Auto);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT);
    }

    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        // DETERMINISM; threads are not even compiled in.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        // Calls end.
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        // Nobody reads a guest's backtrace, and collecting one takes longer than a call.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
