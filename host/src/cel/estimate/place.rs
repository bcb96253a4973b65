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

/// A place as an expression or a variable refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// `device` or something directly in it.
    Fixed(Place),
    /// One domain's attributes or capacities, and the cell where the next step is noted.
    Domain(Place, usize),
    /// What was noted last in the cell.
    Noted(usize),
}

/// The cells of one estimate.
///
/// Upstream keeps a path as a slice of names and extends it by `append`. A path of three names has
/// room for a fourth, so everything that steps on from the same path writes to the same memory, and
/// whoever stepped first reads the step of the last: the keys of a domain's map seem as large as
/// its values when a loop takes both. Estimates are part of the API, so the effect is kept.
#[derive(Debug, Default)]
pub(super) struct Cells(Vec<Option<Place>>);

impl Cells {
    /// Where the path leads now.
    pub(super) fn place(&self, path: Path) -> Option<Place> {
        match path {
            Path::Fixed(place) | Path::Domain(place, _) => Some(place),
            Path::Noted(cell) => self.0.get(cell).copied().flatten(),
        }
    }

    /// Takes a step from a path.
    pub(super) fn step(&mut self, path: Path, step: Step<'_>) -> Option<Path> {
        let place = self.place(path).and_then(|place| place.step(step));
        if let Path::Domain(_, cell) = path {
            if let Some(noted) = self.0.get_mut(cell) {
                *noted = place;
            }
            return Some(Path::Noted(cell));
        }
        Some(match place? {
            place @ (Place::DomainAttributes | Place::DomainCapacities) => {
                self.0.push(None);
                Path::Domain(place, self.0.len() - 1)
            }
            place => Path::Fixed(place),
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

    #[test]
    fn steps_from_one_path_overwrite_each_other() {
        let mut cells = Cells::default();
        let attributes = Path::Fixed(Place::Attributes);
        let domain = cells.step(attributes, Step::Elements).unwrap();
        let key = cells.step(domain, Step::Keys).unwrap();
        assert_eq!(cells.place(key), Some(Place::Id));
        let value = cells.step(domain, Step::Elements).unwrap();
        assert_eq!(cells.place(value), Some(Place::Attribute));
        assert_eq!(cells.place(key), Some(Place::Attribute));
    }
}
