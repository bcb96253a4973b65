//! How much a policy may use.
//!
//! The defaults hold every policy written in Rust or C with room to spare and are what an unknown
//! policy gets. An administrator may raise them policy by policy up to [`Limits::MOST`], which is
//! what the largest measured toolchains need (a Python policy: 18 MiB component, 12 MiB of memory, 38
//! core instances). Nothing goes beyond that: the engine's pool is laid out for it.

use std::time::Duration;

/// How much one policy may use. What exceeds a limit is refused at load or cut off in a call, each
/// limit with an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the component. Checked before anything is read: compiling costs time that grows with
    /// size, about 1.3 ms a KiB.
    pub component_bytes: u64,
    /// Bytes of all linear memories of an instance together.
    pub memory_bytes: u64,
    /// Linear memories of an instance.
    pub memories: u32,
    /// Tables of an instance.
    pub tables: u32,
    /// Elements of all tables of an instance together.
    pub table_elements: u64,
    /// Core instances that the component is made of.
    pub core_instances: u32,
    /// Bytes of an answer, as the host holds it. Reading one is not cut off by the deadline, so this bounds
    /// that too: about a millisecond a MiB.
    pub answer_bytes: u64,
    /// Proposals in an answer.
    pub proposals: u32,
    /// Wall time of a call, instantiation included. `describe` is given ten times as much, at load.
    pub deadline: Duration,
}

impl Limits {
    /// The most that may be set.
    pub const MOST: Self = Self {
        component_bytes: 24 << 20,
        memory_bytes: 64 << 20,
        memories: 3,
        tables: 3,
        table_elements: 10_000,
        core_instances: 40,
        answer_bytes: 16 << 20,
        proposals: 1024,
        deadline: Duration::from_secs(10),
    };

    /// These limits, none above [`Limits::MOST`].
    #[must_use]
    pub fn capped(self) -> Self {
        let most = Self::MOST;
        Self {
            component_bytes: self.component_bytes.min(most.component_bytes),
            memory_bytes: self.memory_bytes.min(most.memory_bytes),
            memories: self.memories.min(most.memories),
            tables: self.tables.min(most.tables),
            table_elements: self.table_elements.min(most.table_elements),
            core_instances: self.core_instances.min(most.core_instances),
            answer_bytes: self.answer_bytes.min(most.answer_bytes),
            proposals: self.proposals.min(most.proposals),
            deadline: self.deadline.min(most.deadline),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 4 << 20,
            memory_bytes: 16 << 20,
            memories: 1,
            tables: 1,
            table_elements: 1_000,
            core_instances: 4,
            answer_bytes: 512 << 10,
            proposals: 16,
            deadline: Duration::from_millis(50),
        }
    }
}
