//! Devices for several requests that agree on an attribute.

use crate::attribute::{Key, Name};
use crate::situation::{Device, Request};
use crate::topology::{Group, Groups};

/// One way to serve several requests with devices that all have one value in common.
///
/// ```
/// use supercargo_guest::Proposal;
/// use supercargo_guest::topology::Aligned;
///
/// fn propose(aligned: &Aligned<'_>) -> Proposal {
///     aligned.assignments().iter().fold(Proposal::exact(), |proposal, (request, devices)| {
///         proposal.assign(*request, devices.iter().copied())
///     })
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Aligned<'a> {
    key: Key,
    assignments: Vec<(Request<'a>, Vec<Device<'a>>)>,
    spare: usize,
}

impl<'a> Aligned<'a> {
    /// The value they have in common.
    ///
    /// ```
    /// # use supercargo_guest::topology::Aligned;
    /// fn differ(a: &Aligned<'_>, b: &Aligned<'_>) -> bool {
    ///     a.key() != b.key()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The devices for each request, in the order of the requests.
    ///
    /// ```
    /// # use supercargo_guest::topology::Aligned;
    /// fn devices(aligned: &Aligned<'_>) -> usize {
    ///     aligned.assignments().iter().map(|(_, devices)| devices.len()).sum()
    /// }
    /// ```
    #[must_use]
    pub fn assignments(&self) -> &[(Request<'a>, Vec<Device<'a>>)] {
        &self.assignments
    }

    /// How many devices of that value are left over.
    ///
    /// ```
    /// # use supercargo_guest::topology::Aligned;
    /// fn uses_up(aligned: &Aligned<'_>) -> bool {
    ///     aligned.spare() == 0
    /// }
    /// ```
    #[must_use]
    pub fn spare(&self) -> usize {
        self.spare
    }
}

/// All ways, one a value, to serve all `requests` with devices that agree on a declared attribute,
/// in the order in which the values first appear. No device serves two requests.
///
/// # Panics
/// For an attribute that is not listed in [`Policy::ATTRIBUTES`](crate::Policy::ATTRIBUTES).
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::topology::{Aligned, aligned};
///
/// const ROOT: Attribute<str> = Attribute::string("resource.kubernetes.io", "pcieRoot");
///
/// /// A GPU and a NIC behind one PCIe root, where the least is left over.
/// fn behind_one_root(situation: Situation<'_>) -> Option<Aligned<'_>> {
///     let requests: Vec<_> = situation.slots().map(|slot| slot.first()).collect();
///     aligned(&requests, ROOT).into_iter().min_by_key(Aligned::spare)
/// }
/// ```
#[track_caller]
#[must_use]
pub fn aligned<'a>(requests: &[Request<'a>], attribute: impl Into<Name>) -> Vec<Aligned<'a>> {
    let attribute = attribute.into();
    let grouped: Vec<Groups<'a>> = requests
        .iter()
        .map(|request| Groups::of(request.devices(), attribute))
        .collect();
    // A value that the first request has no device of serves nobody.
    let Some(first) = grouped.first() else {
        return Vec::new();
    };
    first
        .iter()
        .filter_map(|group| serve(requests, &grouped, group.key()))
        .collect()
}

fn serve<'a>(requests: &[Request<'a>], grouped: &[Groups<'a>], key: Key) -> Option<Aligned<'a>> {
    let mut candidates: Vec<(usize, Request<'a>, &[Device<'a>])> = Vec::new();
    for (position, (request, groups)) in requests.iter().zip(grouped).enumerate() {
        let devices = groups.get(key).map(Group::devices).unwrap_or_default();
        if devices.len() < request.count() {
            return None;
        }
        candidates.push((position, *request, devices));
    }
    let mut all: Vec<Device<'a>> = candidates.iter().flat_map(|(.., d)| *d).copied().collect();
    all.sort_unstable();
    all.dedup();
    // Who has the least choice chooses first.
    candidates.sort_by_key(|(_, request, devices)| devices.len().saturating_sub(request.count()));
    let mut taken: Vec<Device<'a>> = Vec::new();
    let mut served = Vec::new();
    for (position, request, devices) in candidates {
        let free = devices
            .iter()
            .copied()
            .filter(|device| !taken.contains(device));
        let own: Vec<Device<'a>> = free.take(request.count()).collect();
        if own.len() < request.count() {
            return None;
        }
        taken.extend(own.iter().copied());
        served.push((position, request, own));
    }
    served.sort_by_key(|(position, ..)| *position);
    let spare = all.len().saturating_sub(taken.len());
    let assignments = served
        .into_iter()
        .map(|(_, request, devices)| (request, devices))
        .collect();
    Some(Aligned {
        key,
        assignments,
        spare,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attribute;
    use crate::testkit::{Fixture, FixtureDevice, with_situation};

    const ROOT: Attribute<str> = Attribute::string("a.example", "root");

    struct Rooted;
    impl crate::Policy for Rooted {
        type Settings = crate::NoSettings;
        const ATTRIBUTES: &'static [Name] = &[ROOT.name()];
    }

    #[test]
    fn only_roots_that_serve_every_request_are_ways() {
        let device = |name: &str, root: &str| FixtureDevice::new(name).string("root", root);
        let fixture = Fixture::new("a.example")
            .device(device("gpu-0", "x"))
            .device(device("gpu-1", "y"))
            .device(device("gpu-2", "y"))
            .device(device("nic-0", "y"))
            .request_among("gpu", 1, ["gpu-0", "gpu-1", "gpu-2"])
            .request_among("nic", 1, ["nic-0"]);
        let ways = with_situation::<Rooted, _>(&fixture, |situation| {
            let requests: Vec<_> = situation.requests().collect();
            let ways = aligned(&requests, ROOT);
            let positions = |(_, devices): &(_, Vec<Device<'_>>)| devices[0].position();
            ways.iter()
                .map(|way| {
                    (
                        way.assignments().iter().map(positions).collect::<Vec<_>>(),
                        way.spare(),
                    )
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(ways.unwrap(), [(vec![1, 3], 1)]);
    }
}
