//! PodDisruptionBudgets: which pods should rather not go.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{Selector, SelectorExt as _};

use super::State;
use crate::scheduler::pod::Pod;

/// What of a budget counts.
#[derive(Debug, Clone)]
pub struct Budget {
    namespace: String,
    selector: Selector,
    allowed: i64,
    /// Pods by name whose disruption the API server has counted.
    counted: Vec<String>,
}

impl Budget {
    /// Reads a budget; `None` if it is about no pod.
    #[must_use]
    pub fn of(budget: PodDisruptionBudget) -> Option<Self> {
        let selector = Selector::try_from(budget.spec?.selector?).ok()?;
        if selector.selects_all() {
            return None;
        }
        let status = budget.status.unwrap_or_default();
        Some(Self {
            namespace: budget.metadata.namespace.unwrap_or_default(),
            selector,
            allowed: status.disruptions_allowed.unwrap_or_default().into(),
            counted: status
                .disrupted_pods
                .map(|pods| pods.into_keys().collect())
                .unwrap_or_default(),
        })
    }
}

impl State {
    /// A budget, by namespace and name.
    pub fn set_budget(&self, name: &str, budget: Option<Budget>) {
        let mut inner = self.write();
        match budget {
            Some(budget) => inner.budgets.insert(name.to_owned(), budget),
            None => inner.budgets.remove(name),
        };
    }

    /// Parts pods into those without which a budget is broken and the others, if all were to go in this order
    /// (`filterPodsWithPDBViolation`).
    #[must_use]
    pub fn violating(&self, pods: &[Arc<Pod>]) -> (Vec<Arc<Pod>>, Vec<Arc<Pod>>) {
        let inner = self.read();
        let mut left: BTreeMap<&String, i64> = BTreeMap::new();
        pods.iter().cloned().partition(|pod| {
            let mut violates = false;
            for (name, budget) in &inner.budgets {
                let concerns = budget.namespace == pod.namespace
                    && !pod.labels.is_empty()
                    && budget.selector.matches(&pod.labels)
                    && !budget.counted.contains(&pod.name);
                if concerns {
                    let left = left.entry(name).or_insert(budget.allowed);
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        })
    }
}
