//! Devices that have the value of an attribute in common.

use crate::attribute::{Key, Name};
use crate::situation::Device;

/// The devices that have one value in common.
///
/// ```
/// use supercargo_guest::topology::Group;
/// fn is_pair(group: &Group<'_>) -> bool {
///     group.devices().len() == 2
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Group<'a> {
    key: Key,
    devices: Vec<Device<'a>>,
}

impl<'a> Group<'a> {
    /// The value they have in common.
    ///
    /// ```
    /// use supercargo_guest::topology::Group;
    /// fn same(a: &Group<'_>, b: &Group<'_>) -> bool {
    ///     a.key() == b.key()
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The devices, in the order they were given.
    ///
    /// ```
    /// use supercargo_guest::topology::Group;
    /// fn first<'a>(group: &Group<'a>) -> Option<supercargo_guest::Device<'a>> {
    ///     group.devices().first().copied()
    /// }
    /// ```
    #[must_use]
    pub fn devices(&self) -> &[Device<'a>] {
        &self.devices
    }
}

/// Devices in groups, and those that belong to none.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::topology::Groups;
///
/// const RACK: Attribute<str> = Attribute::string("example.com", "rack");
///
/// /// All on one rack, and on the one where the least is left over.
/// fn on_one_rack<'a>(request: Request<'a>) -> Option<Vec<Device<'a>>> {
///     let racks = Groups::of(request.devices(), RACK);
///     let rack = racks.tightest(request.count())?;
///     Some(rack.devices().iter().copied().take(request.count()).collect())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Groups<'a> {
    groups: Vec<Group<'a>>,
    loose: Vec<Device<'a>>,
}

impl<'a> Groups<'a> {
    /// Groups devices by a declared attribute. Groups come in the order of their first devices.
    ///
    /// # Panics
    /// For an attribute that is not listed in [`Policy::ATTRIBUTES`](crate::Policy::ATTRIBUTES).
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, Request, topology::Groups};
    /// const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");
    /// fn numa_nodes(request: Request<'_>) -> usize {
    ///     Groups::of(request.devices(), NUMA).iter().count()
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn of(devices: impl IntoIterator<Item = Device<'a>>, attribute: impl Into<Name>) -> Self {
        let attribute = attribute.into();
        Self::by(devices, |device| device.key(attribute))
    }

    /// Groups devices by whatever `key` says of each.
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, Request, topology::Groups};
    /// const NVLINK: Attribute<str> = Attribute::string("example.com", "nvlink");
    /// const ROOT: Attribute<str> = Attribute::string("resource.kubernetes.io", "pcieRoot");
    /// fn near<'a>(request: Request<'a>) -> Groups<'a> {
    ///     Groups::by(request.devices(), |device| device.key(NVLINK).or(device.key(ROOT)))
    /// }
    /// ```
    #[must_use]
    pub fn by(
        devices: impl IntoIterator<Item = Device<'a>>,
        key: impl Fn(Device<'a>) -> Option<Key>,
    ) -> Self {
        let mut this = Self {
            groups: Vec::new(),
            loose: Vec::new(),
        };
        // Neighbours mostly belong together, so the group found last is tried first.
        let mut last = 0;
        for device in devices {
            let Some(key) = key(device) else {
                this.loose.push(device);
                continue;
            };
            if this.groups.get(last).is_none_or(|group| group.key != key) {
                let found = this.groups.iter().position(|group| group.key == key);
                last = found.unwrap_or_else(|| {
                    this.groups.push(Group {
                        key,
                        devices: Vec::new(),
                    });
                    this.groups.len() - 1
                });
            }
            if let Some(group) = this.groups.get_mut(last) {
                group.devices.push(device);
            }
        }
        this
    }

    /// The groups, in the order of their first devices.
    ///
    /// ```
    /// # use supercargo_guest::topology::Groups;
    /// fn largest(groups: &Groups<'_>) -> usize {
    ///     groups.iter().map(|group| group.devices().len()).max().unwrap_or(0)
    /// }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter()
    }

    /// The group of a value, if a device has it.
    ///
    /// ```
    /// # use supercargo_guest::{Key, topology::Groups};
    /// fn size(groups: &Groups<'_>, key: Key) -> usize {
    ///     groups.get(key).map_or(0, |group| group.devices().len())
    /// }
    /// ```
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Group<'a>> {
        self.groups.iter().find(|group| group.key == key)
    }

    /// The devices that lack the attribute.
    ///
    /// ```
    /// # use supercargo_guest::topology::Groups;
    /// fn all_grouped(groups: &Groups<'_>) -> bool {
    ///     groups.loose().is_empty()
    /// }
    /// ```
    #[must_use]
    pub fn loose(&self) -> &[Device<'a>] {
        &self.loose
    }

    /// The smallest group of at least `count` devices, so that larger ones stay whole; of equals
    /// the first.
    ///
    /// ```
    /// # use supercargo_guest::topology::Groups;
    /// fn fits(groups: &Groups<'_>, count: usize) -> bool {
    ///     groups.tightest(count).is_some()
    /// }
    /// ```
    #[must_use]
    pub fn tightest(&self, count: usize) -> Option<&Group<'a>> {
        let large = |group: &&Group<'a>| group.devices.len() >= count;
        self.groups
            .iter()
            .filter(large)
            .min_by_key(|group| group.devices.len())
    }

    /// `count` devices with as many pairs in common groups as there can be: from the tightest group
    /// that holds them, else the largest groups whole and the rest from the tightest that holds it.
    /// Devices without a group come last. None where there are too few devices.
    ///
    /// ```
    /// # use supercargo_guest::{Device, topology::Groups};
    /// fn four<'a>(groups: &Groups<'a>) -> Option<Vec<Device<'a>>> {
    ///     groups.pack(4)
    /// }
    /// ```
    #[must_use]
    pub fn pack(&self, count: usize) -> Option<Vec<Device<'a>>> {
        let mut chosen = Vec::with_capacity(count);
        let mut unused: Vec<&Group<'a>> = self.groups.iter().collect();
        while chosen.len() < count && !unused.is_empty() {
            let rest = count - chosen.len();
            let size = |group: &&Group<'a>| group.devices.len();
            let tightest = unused
                .iter()
                .filter(|group| size(group) >= rest)
                .map(size)
                .min();
            let wanted = tightest.or_else(|| unused.iter().map(size).max())?;
            let position = unused.iter().position(|group| size(group) == wanted)?;
            let group = unused.remove(position);
            chosen.extend(group.devices.iter().copied().take(rest));
        }
        self.complete(chosen, count)
    }

    /// `count` devices as evenly from all groups as there can be, beginning where most are free.
    /// Devices without a group come last. None where there are too few devices.
    ///
    /// ```
    /// # use supercargo_guest::{Device, topology::Groups};
    /// fn four<'a>(groups: &Groups<'a>) -> Option<Vec<Device<'a>>> {
    ///     groups.spread(4)
    /// }
    /// ```
    #[must_use]
    pub fn spread(&self, count: usize) -> Option<Vec<Device<'a>>> {
        let mut order: Vec<&Group<'a>> = self.groups.iter().collect();
        order.sort_by_key(|group| std::cmp::Reverse(group.devices.len()));
        let rounds = order.first().map_or(0, |group| group.devices.len());
        let one_each = (0..rounds).flat_map(|round| {
            order
                .iter()
                .filter_map(move |group| group.devices.get(round))
        });
        let chosen = one_each.copied().take(count).collect();
        self.complete(chosen, count)
    }

    fn complete(&self, mut chosen: Vec<Device<'a>>, count: usize) -> Option<Vec<Device<'a>>> {
        chosen.extend(
            self.loose
                .iter()
                .copied()
                .take(count.saturating_sub(chosen.len())),
        );
        (chosen.len() == count).then_some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use crate::Attribute;
    use crate::testkit::{Fixture, FixtureDevice, with_situation};
    use crate::topology::Groups;

    const GROUP: Attribute<str> = Attribute::string("a.example", "group");

    struct Grouped;
    impl crate::Policy for Grouped {
        type Settings = crate::NoSettings;
        const ATTRIBUTES: &'static [crate::Name] = &[GROUP.name()];
    }

    /// Positions that `choose` takes of devices in these groups; `-` is a device without one.
    fn chosen(
        groups: &str,
        choose: impl for<'a> Fn(&Groups<'a>) -> Option<Vec<crate::Device<'a>>>,
    ) -> Vec<u32> {
        let device = |(position, group): (usize, char)| {
            let device = FixtureDevice::new(format!("d{position}"));
            if group == '-' {
                device
            } else {
                device.string("group", group.to_string())
            }
        };
        let devices = groups.chars().enumerate().map(device);
        let fixture = devices
            .fold(Fixture::new("a.example"), Fixture::device)
            .request("r", 1);
        with_situation::<Grouped, _>(&fixture, |situation| {
            let groups = Groups::of(situation.devices(), GROUP);
            choose(&groups)
                .unwrap_or_default()
                .into_iter()
                .map(crate::Device::position)
                .collect()
        })
        .unwrap()
    }

    #[test]
    fn the_tightest_group_that_holds_all_is_packed() {
        assert_eq!(chosen("aaaabbbcc", |groups| groups.pack(3)), [4, 5, 6]);
        assert_eq!(chosen("aaaabbbcc", |groups| groups.pack(2)), [7, 8]);
    }

    #[test]
    fn what_no_group_holds_takes_the_largest_whole() {
        assert_eq!(
            chosen("aaaabbbcc", |groups| groups.pack(6)),
            [0, 1, 2, 3, 7, 8]
        );
    }

    #[test]
    fn devices_without_a_group_are_the_last_resort() {
        assert_eq!(chosen("-ab-", |groups| groups.pack(3)), [1, 2, 0]);
        assert_eq!(chosen("-ab-", |groups| groups.pack(5)), [0_u32; 0]);
    }

    #[test]
    fn spreading_takes_one_of_each_beginning_where_most_are_free() {
        assert_eq!(chosen("abbb", |groups| groups.spread(2)), [1, 0]);
        assert_eq!(chosen("abbb", |groups| groups.spread(3)), [1, 0, 2]);
    }
}
