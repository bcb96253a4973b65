//! Counts what an instance takes, and ends the call that takes too much.
//!
//! A guest that is merely denied memory may carry on in any way it likes; ending the call names the
//! limit in the error, which is what an administrator needs to know.

use wasmtime::ResourceLimiter;

use super::limits::Limits;

/// The limit that a call ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    Memory,
    Table,
}

/// The account of one call.
#[derive(Debug)]
pub(super) struct Guard {
    memory_left: u64,
    elements_left: u64,
    memories: u32,
    tables: u32,
    core_instances: u32,
    pub(super) breach: Option<Breach>,
    pub(super) memory_used: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("limit reached")]
struct LimitReached;

impl Guard {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_left: limits.memory_bytes,
            elements_left: limits.table_elements,
            memories: limits.memories,
            tables: limits.tables,
            core_instances: limits.core_instances,
            breach: None,
            memory_used: 0,
        }
    }
}

fn growth(current: usize, desired: usize) -> u64 {
    u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX)
}

impl ResourceLimiter for Guard {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = growth(current, desired);
        let Some(left) = self.memory_left.checked_sub(growth) else {
            self.breach = Some(Breach::Memory);
            return Err(LimitReached.into());
        };
        self.memory_left = left;
        self.memory_used += growth;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let Some(left) = self.elements_left.checked_sub(growth(current, desired)) else {
            self.breach = Some(Breach::Table);
            return Err(LimitReached.into());
        };
        self.elements_left = left;
        Ok(true)
    }

    fn instances(&self) -> usize {
        usize::try_from(self.core_instances).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        usize::try_from(self.tables).unwrap_or(usize::MAX)
    }

    fn memories(&self) -> usize {
        usize::try_from(self.memories).unwrap_or(usize::MAX)
    }
}
