//! Places within `device`, whose sizes the API limits.

use super::range::Range;

/// Where in `device` an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Device,
    Driver,
    AllowMultipleAllocations,
    Attributes,
    DomainAttributes,
    Attribute,
    Capacities,
    DomainCapacities,
    Capacity,
    Domain,
    Id,
}

/// How a place leads to another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'n> {
    /// `place.name`
    Field(&'n str),
    /// The values of a map or the elements of a list.
    Elements,
    /// The keys of a map.
    Keys,
    /// The indices of a list.
    Indices,
}

impl Place {
    /// Where the step leads, if it stays within what is known.
    pub(super) fn step(self, step: Step<'_>) -> Option<Self> {
        use Step::{Elements, Field, Keys};
        Some(match (self, step) {
            (Self::Device, Field("driver")) => Self::Driver,
            (Self::Device, Field("attributes")) => Self::Attributes,
            (Self::Device, Field("capacity")) => Self::Capacities,
            (Self::Device, Field("allowMultipleAllocations")) => Self::AllowMultipleAllocations,
            (Self::Attributes, Elements) => Self::DomainAttributes,
            (Self::Attributes | Self::Capacities, Keys) => Self::Domain,
            (Self::DomainAttributes, Elements | Field(_)) => Self::Attribute,
            (Self::DomainAttributes | Self::DomainCapacities, Keys) => Self::Id,
            (Self::Capacities, Elements) => Self::DomainCapacities,
            (Self::DomainCapacities, Elements) => Self::Capacity,
            _ => return None,
        })
    }

    /// The sizes that the API allows there.
    pub(super) fn size(self) -> Range {
        Range::up_to(match self {
            Self::Device | Self::Capacity => 0,
            Self::AllowMultipleAllocations => 1,
            Self::Attributes
            | Self::DomainAttributes
            | Self::Capacities
            | Self::DomainCapacities
            | Self::Id => 32,
            Self::Driver | Self::Domain => 63,
            Self::Attribute => 64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_by_name_or_by_key_but_a_capacity_only_by_key() {
        let attributes = Place::Device.step(Step::Field("attributes")).unwrap();
        let domain = attributes.step(Step::Elements).unwrap();
        assert_eq!(domain.step(Step::Field("numa")), Some(Place::Attribute));
        assert_eq!(domain.step(Step::Elements), Some(Place::Attribute));
        assert_eq!(attributes.step(Step::Field("numa")), None);
        let capacities = Place::DomainCapacities;
        assert_eq!(capacities.step(Step::Field("memory")), None);
        assert_eq!(capacities.step(Step::Elements), Some(Place::Capacity));
    }
}
