//! A policy whose settings are its plans, for every device of the claim.

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, AllocatedDevice, CandidateParameters, ComputeMode,
    ContainerEdits, DestroyGpuInstance, DeviceStatus, Mount, Placement, Plan, SetComputeMode,
    SetMigMode, SetTimeSlice, StartDaemon, StopDaemon, TimeSlice, Variable, Violation,
};
use supercargo_guest::prelude::*;
use supercargo_guest::serde_json::json;

/// What to do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Orders {
    /// What `prepare` plans, for each device.
    pub prepare: Vec<Order>,
    /// What `unprepare` plans, for each device.
    pub unprepare: Vec<Order>,
    /// A file or folder of the host that all containers see under the same path.
    pub mount: Option<String>,
    /// Why `prepare` is refused.
    pub refuse: Option<String>,
    /// Whether `unprepare` crashes.
    pub crash_at_the_end: bool,
}

/// One step.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Order {
    /// Long turns, or the driver's own.
    LongTurns(bool),
    /// One process at a time, or any number.
    Exclusive(bool),
    /// Partitioning on or off.
    MigMode(bool),
    /// Removes what sits in so many memory slices from the first.
    RemoveInstance(u32),
    /// Starts a daemon.
    Start(String),
    /// Stops a daemon.
    Stop(String),
}

/// Follows its orders.
pub struct Foreman;

impl Policy for Foreman {
    type Settings = Orders;
    const CAPACITIES: &'static [Name] = &[Name::new("gpu.nvidia.com", "memory")];
}

impl Validate for Foreman {
    fn validate(_: &Orders, candidate: &CandidateParameters) -> Vec<Violation> {
        let wrong = candidate.json.contains("wrong");
        wrong
            .then(|| Violation {
                field: "spec.right".to_owned(),
                message: "write what is right".to_owned(),
            })
            .into_iter()
            .collect()
    }
}

impl Prepare for Foreman {
    fn prepare(orders: &Orders, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        if let Some(reason) = &orders.refuse {
            return Err(Refusal::new(reason));
        }
        let mut plan = configuration::nothing();
        for device in claim.devices() {
            let from = plan.actions.len();
            plan.actions.extend(actions(&orders.prepare, device));
            let made_by = (from..plan.actions.len()).map(|at| at as u32).collect();
            let told = format!(
                "{} of {:?}, share {:?}, admin {}",
                device.name(),
                device.capacity(Capacity::new("gpu.nvidia.com", "memory")),
                device.share(),
                device.admin_access()
            );
            plan.edits.push(ContainerEdits {
                device: Some(device.position()),
                environment: vec![Variable {
                    name: "FOREMAN_WAS_TOLD".to_owned(),
                    value: told,
                }],
                made_by,
                ..configuration::no_edits()
            });
            plan.statuses.push(DeviceStatus {
                device: device.position(),
                json: json!({"set up by": "foreman"}).to_string(),
            });
        }
        if let Some(path) = &orders.mount {
            plan.edits.push(ContainerEdits {
                mounts: vec![Mount {
                    host_path: path.clone(),
                    container_path: path.clone(),
                    writable: false,
                    executable: false,
                }],
                ..configuration::no_edits()
            });
        }
        Ok(plan)
    }
}

impl Unprepare for Foreman {
    fn unprepare(orders: &Orders, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        if orders.crash_at_the_end {
            std::process::abort();
        }
        let mut plan = configuration::nothing();
        for device in claim.devices() {
            plan.actions.extend(actions(&orders.unprepare, device));
        }
        Ok(plan)
    }
}

fn actions(orders: &[Order], device: AllocatedDevice<'_>) -> impl Iterator<Item = Action> {
    let device = device.position();
    orders.iter().map(move |order| match order {
        Order::LongTurns(long) => Action::SetTimeSlice(SetTimeSlice {
            device,
            interval: if *long {
                TimeSlice::Long
            } else {
                TimeSlice::DriverDefault
            },
        }),
        Order::Exclusive(exclusive) => Action::SetComputeMode(SetComputeMode {
            device,
            mode: if *exclusive {
                ComputeMode::ExclusiveProcess
            } else {
                ComputeMode::Shared
            },
        }),
        Order::MigMode(enabled) => Action::SetMigMode(SetMigMode {
            device,
            enabled: *enabled,
        }),
        Order::RemoveInstance(size) => Action::DestroyGpuInstance(DestroyGpuInstance {
            device,
            placement: Placement {
                start: 0,
                size: *size,
            },
        }),
        Order::Start(daemon) => Action::StartDaemon(StartDaemon {
            daemon: daemon.clone(),
            devices: vec![device],
            options: Vec::new(),
        }),
        Order::Stop(daemon) => Action::StopDaemon(StopDaemon {
            daemon: daemon.clone(),
        }),
    })
}

supercargo_guest::export!(Foreman: validate, prepare, unprepare);
