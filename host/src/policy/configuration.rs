//! What the configuration hooks are asked and answer: claims with their devices, and plans.
//!
//! A plan is data. Nothing here runs anything: plans are checked against the administrator's grants
//! and carried out elsewhere.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{ParameterSource, Parameters, Quantity, Text, Value};

pub use access::Access;

/// The macro that makes flags cannot pass on documentation.
#[allow(missing_docs, reason = "generated: read, write and make (mknod)")]
mod access {
    wasmtime::component::flags! {
        Access {
            #[component(name = "read")]
            const READ;
            #[component(name = "write")]
            const WRITE;
            #[component(name = "make")]
            const MAKE;
        }
    }
}

const ACCESS_WORDS: [(&str, Access); 3] = [
    ("read", Access::READ),
    ("write", Access::WRITE),
    ("make", Access::MAKE),
];

impl Serialize for Access {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = |(word, flag): (&'static str, Self)| ((*self & flag) == flag).then_some(word);
        serializer.collect_seq(ACCESS_WORDS.into_iter().filter_map(set))
    }
}

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut access = Self::default();
        for word in Vec::<String>::deserialize(deserializer)? {
            let known = ACCESS_WORDS.iter().find(|(known, _)| *known == word);
            let (_, flag) = known.ok_or_else(|| {
                serde::de::Error::unknown_variant(&word, &["read", "write", "make"])
            })?;
            access |= *flag;
        }
        Ok(access)
    }
}

/// Opaque parameters to be checked, before anything is allocated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct CandidateParameters {
    /// The driver they are meant for.
    pub driver: Arc<str>,
    /// Who wrote them.
    pub source: ParameterSource,
    /// One JSON object.
    pub json: Arc<str>,
}

/// Something wrong with parameters.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Violation {
    /// The path from the top of the parameters; empty for the whole.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// One device that the claim got.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct AllocatedDevice {
    /// The request it serves.
    pub request: u32,
    /// Its driver.
    pub driver: Text,
    /// Its pool.
    pub pool: Text,
    /// Its name in the pool.
    pub name: Text,
    /// The share, where several claims may hold the device.
    pub share: Option<Text>,
    /// Whether access is administrative.
    #[component(name = "admin-access")]
    pub admin_access: bool,
}

/// A claim and the devices it got on this node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct AllocatedClaim {
    /// The claim's UID.
    pub uid: Arc<str>,
    /// The claim's name, when declared.
    pub name: Option<Arc<str>>,
    /// The claim's namespace, when declared.
    pub namespace: Option<Arc<str>>,
    /// The node, when declared.
    pub node: Option<Arc<str>>,
    /// The texts of everything else.
    pub strings: Vec<Arc<str>>,
    /// The devices, in the order of the allocation's results.
    pub devices: Vec<AllocatedDevice>,
    /// Declared attributes, row by row.
    pub attributes: Vec<Value>,
    /// Declared capacities, row by row: the claim's share of shared devices.
    pub capacities: Vec<Option<Quantity>>,
    /// Parameters in order of rising precedence.
    pub parameters: Vec<Parameters>,
}

/// An environment variable, or an option of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a device node in `/dev` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum NodeKind {
    /// A character device.
    #[component(name = "character")]
    Character,
    /// A block device.
    #[component(name = "block")]
    Block,
    /// A named pipe.
    #[component(name = "fifo")]
    Fifo,
}

/// A device node to appear in the container.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct DeviceNode {
    /// Absolute path in the container.
    pub path: String,
    /// Absolute path on the host; `None`: the same.
    #[component(name = "host-path")]
    pub host_path: Option<String>,
    /// What it must be on the host.
    pub kind: Option<NodeKind>,
    /// What containers may do with it.
    pub access: Access,
    /// Permission bits in the container.
    pub mode: Option<u32>,
    /// Owning user in the container.
    pub uid: Option<u32>,
    /// Owning group in the container.
    pub gid: Option<u32>,
}

/// A bind mount into the container.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Mount {
    /// Absolute path on the host.
    #[component(name = "host-path")]
    pub host_path: String,
    /// Absolute path in the container.
    #[component(name = "container-path")]
    pub container_path: String,
    /// Whether the container may write.
    pub writable: bool,
    /// Whether files on it may be executed.
    pub executable: bool,
}

/// When a hook runs in the life of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum HookStage {
    /// On the host, after the namespaces exist.
    #[component(name = "create-runtime")]
    CreateRuntime,
    /// In the container's namespaces, before pivot_root.
    #[component(name = "create-container")]
    CreateContainer,
    /// In the container, before the user's process.
    #[component(name = "start-container")]
    StartContainer,
    /// After the user's process started.
    #[component(name = "poststart")]
    Poststart,
    /// After the container is gone.
    #[component(name = "poststop")]
    Poststop,
}

/// A program of the node that the container runtime calls.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct ContainerHook {
    /// When.
    pub stage: HookStage,
    /// Absolute path on the host.
    pub path: String,
    /// Its arguments; the first is the name of the program.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: Vec<Variable>,
    /// Seconds.
    pub timeout: Option<u32>,
}

/// A network interface moved from the node into the container.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct NetworkInterface {
    /// Its name on the host.
    #[component(name = "host-name")]
    pub host_name: String,
    /// Its name in the container.
    #[component(name = "container-name")]
    pub container_name: String,
}

/// What changes in containers.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct ContainerEdits {
    /// A position in the claim's devices; `None`: all containers that use the claim.
    pub device: Option<u32>,
    /// Environment variables.
    pub environment: Vec<Variable>,
    /// Device nodes.
    #[component(name = "device-nodes")]
    pub device_nodes: Vec<DeviceNode>,
    /// Bind mounts.
    pub mounts: Vec<Mount>,
    /// Hooks.
    pub hooks: Vec<ContainerHook>,
    /// Network interfaces.
    #[component(name = "network-interfaces")]
    pub network_interfaces: Vec<NetworkInterface>,
    /// Groups of the container's process; never 0.
    #[component(name = "additional-groups")]
    pub additional_groups: Vec<u32>,
    /// Positions in the plan's actions, whose products appear too.
    #[component(name = "made-by")]
    pub made_by: Vec<u32>,
}

/// Who may use a GPU at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum ComputeMode {
    /// Any number of processes.
    #[component(name = "shared")]
    Shared,
    /// One process.
    #[component(name = "exclusive-process")]
    ExclusiveProcess,
    /// Nobody.
    #[component(name = "prohibited")]
    Prohibited,
}

/// Sets who may use a GPU at once.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct SetComputeMode {
    /// A position in the claim's devices.
    pub device: u32,
    /// The mode.
    pub mode: ComputeMode,
}

/// How long a process keeps a shared GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum TimeSlice {
    /// The driver's own.
    #[component(name = "driver-default")]
    DriverDefault,
    /// Short turns.
    #[component(name = "short")]
    Short,
    /// Medium turns.
    #[component(name = "medium")]
    Medium,
    /// Long turns.
    #[component(name = "long")]
    Long,
}

/// Sets how long a turn is.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct SetTimeSlice {
    /// A position in the claim's devices.
    pub device: u32,
    /// How long.
    pub interval: TimeSlice,
}

/// Turns partitioning of a GPU on or off.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct SetMigMode {
    /// A position in the claim's devices; for a partition, its parent is meant.
    pub device: u32,
    /// On or off.
    pub enabled: bool,
}

/// Where a partition sits on a GPU, in memory slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[component(record)]
pub struct Placement {
    /// The first.
    pub start: u32,
    /// How many.
    pub size: u32,
}

/// Makes a GPU instance.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct CreateGpuInstance {
    /// A position in the claim's devices; for a partition, its parent is meant.
    pub device: u32,
    /// The profile.
    pub profile: String,
    /// Where; `None`: where the driver likes.
    pub placement: Option<Placement>,
}

/// Makes a compute instance in a GPU instance.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct CreateComputeInstance {
    /// The earlier step: a position in the plan's actions.
    #[component(name = "gpu-instance")]
    pub gpu_instance: u32,
    /// The profile.
    pub profile: String,
}

/// Removes a GPU instance and the compute instances in it.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct DestroyGpuInstance {
    /// A position in the claim's devices; for a partition, its parent is meant.
    pub device: u32,
    /// The instance that sits just there.
    pub placement: Placement,
}

/// Gives a PCI device to another kernel driver.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct BindPciDriver {
    /// A position in the claim's devices.
    pub device: u32,
    /// The kernel driver; `None`: no driver at all.
    pub driver: Option<String>,
}

/// Starts a daemon that was granted by name.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct StartDaemon {
    /// Its name.
    pub daemon: String,
    /// Positions in the claim's devices.
    pub devices: Vec<u32>,
    /// Options that its description admits.
    pub options: Vec<Variable>,
}

/// Stops a daemon that was started for this claim.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct StopDaemon {
    /// Its name.
    pub daemon: String,
}

/// Opens a channel for memory shared between nodes.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct OpenImexChannel {
    /// The channel.
    pub channel: u32,
}

/// Connects the devices of one partition of the fabric.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct ActivateFabricPartition {
    /// The partition.
    pub partition: u32,
    /// The devices it must hold: positions in the claim's devices.
    pub devices: Vec<u32>,
}

/// Writes one attribute of a device in sysfs.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct WriteSysfs {
    /// A position in the claim's devices.
    pub device: u32,
    /// The file, relative to the device's own folder.
    pub attribute: String,
    /// What to write.
    pub value: String,
}

/// The value of a device property.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum PropertyValue {
    /// A whole number, in the property's own unit.
    #[component(name = "int")]
    Int(i64),
    /// On or off.
    #[component(name = "bool")]
    Bool(bool),
    /// Text.
    #[component(name = "string")]
    String(String),
}

/// Sets a property that the device layer knows by name.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct SetProperty {
    /// A position in the claim's devices.
    pub device: u32,
    /// The property.
    pub name: String,
    /// Its new value.
    pub value: PropertyValue,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum Action {
    /// Set who may use a GPU at once.
    #[component(name = "set-compute-mode")]
    SetComputeMode(SetComputeMode),
    /// Set how long a turn on a shared GPU is.
    #[component(name = "set-time-slice")]
    SetTimeSlice(SetTimeSlice),
    /// Turn partitioning on or off.
    #[component(name = "set-mig-mode")]
    SetMigMode(SetMigMode),
    /// Make a GPU instance.
    #[component(name = "create-gpu-instance")]
    CreateGpuInstance(CreateGpuInstance),
    /// Make a compute instance.
    #[component(name = "create-compute-instance")]
    CreateComputeInstance(CreateComputeInstance),
    /// Remove a GPU instance.
    #[component(name = "destroy-gpu-instance")]
    DestroyGpuInstance(DestroyGpuInstance),
    /// Give a PCI device to another kernel driver.
    #[component(name = "bind-pci-driver")]
    BindPciDriver(BindPciDriver),
    /// Start a daemon.
    #[component(name = "start-daemon")]
    StartDaemon(StartDaemon),
    /// Stop a daemon.
    #[component(name = "stop-daemon")]
    StopDaemon(StopDaemon),
    /// Open an IMEX channel.
    #[component(name = "open-imex-channel")]
    OpenImexChannel(OpenImexChannel),
    /// Connect a partition of the fabric.
    #[component(name = "activate-fabric-partition")]
    ActivateFabricPartition(ActivateFabricPartition),
    /// Write one attribute in sysfs.
    #[component(name = "write-sysfs")]
    WriteSysfs(WriteSysfs),
    /// Set a property by name.
    #[component(name = "set-property")]
    SetProperty(SetProperty),
}

/// What the claim's status says of a device.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct DeviceStatus {
    /// A position in the claim's devices.
    pub device: u32,
    /// One JSON object.
    pub json: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Plan {
    /// The steps, in order.
    pub actions: Vec<Action>,
    /// What changes in containers.
    pub edits: Vec<ContainerEdits>,
    /// What the claim's status says of its devices.
    pub statuses: Vec<DeviceStatus>,
}
