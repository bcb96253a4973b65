//! What `place` is asked and answers.

use std::borrow::Cow;

use crate::attribute::{Name, sealed::Read, text};
use crate::bindings::exports::supercargo::policy::allocation;
use crate::parameters::Parameters;
use crate::proposal::bounded;
use crate::table::{cell, column};

/// A domain that needs nodes.
///
/// ```
/// use supercargo_guest::place::Domain;
/// fn is_possible(domain: Domain<'_>) -> bool {
///     domain.nodes().count() >= domain.nodes_needed()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Domain<'a> {
    raw: &'a allocation::Domain,
    labels: &'static [Name],
}

impl<'a> Domain<'a> {
    pub(crate) fn new(raw: &'a allocation::Domain, labels: &'static [Name]) -> Self {
        Self { raw, labels }
    }

    /// How many nodes it needs, at least 1.
    ///
    /// ```
    /// # use supercargo_guest::place::Domain;
    /// fn is_single(domain: Domain<'_>) -> bool {
    ///     domain.nodes_needed() == 1
    /// }
    /// ```
    #[must_use]
    pub fn nodes_needed(self) -> usize {
        self.raw.nodes_needed as usize
    }

    /// The nodes that may join, in the host's order.
    ///
    /// ```
    /// # use supercargo_guest::place::Domain;
    /// fn free(domain: Domain<'_>) -> u32 {
    ///     domain.nodes().map(|node| node.free_devices()).sum()
    /// }
    /// ```
    pub fn nodes(self) -> impl Iterator<Item = Node<'a>> {
        (0..).zip(&self.raw.nodes).map(move |(position, raw)| Node {
            domain: self,
            position,
            raw,
        })
    }

    /// Nodes that are in the domain already. A node set must hold them.
    ///
    /// ```
    /// # use supercargo_guest::place::Domain;
    /// fn is_new(domain: Domain<'_>) -> bool {
    ///     domain.members().next().is_none()
    /// }
    /// ```
    pub fn members(self) -> impl Iterator<Item = Node<'a>> {
        self.raw.members.iter().filter_map(move |&position| {
            let raw = self.raw.nodes.get(position as usize)?;
            Some(Node {
                domain: self,
                position,
                raw,
            })
        })
    }

    /// The parameters for the drivers of this policy.
    ///
    /// ```
    /// # use supercargo_guest::place::Domain;
    /// fn has_parameters(domain: Domain<'_>) -> bool {
    ///     domain.parameters().next().is_some()
    /// }
    /// ```
    pub fn parameters(self) -> impl Iterator<Item = Parameters<'a>> {
        self.raw.parameters.iter().map(Parameters::new)
    }
}

/// A node that may join a domain.
///
/// ```
/// use supercargo_guest::place::Node;
/// fn is_idle(node: Node<'_>) -> bool {
///     node.free_devices() == node.total_devices()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    domain: Domain<'a>,
    position: u32,
    raw: &'a allocation::CandidateNode,
}

impl<'a> Node<'a> {
    /// Its position in the question.
    ///
    /// ```
    /// # use supercargo_guest::place::Node;
    /// fn same(a: Node<'_>, b: Node<'_>) -> bool {
    ///     a.position() == b.position()
    /// }
    /// ```
    #[must_use]
    pub fn position(self) -> u32 {
        self.position
    }

    /// The clique it belongs to: nodes that share one fabric. None where it has no fabric.
    ///
    /// ```
    /// # use supercargo_guest::place::Node;
    /// fn has_fabric(node: Node<'_>) -> bool {
    ///     node.clique().is_some()
    /// }
    /// ```
    #[must_use]
    pub fn clique(self) -> Option<Clique> {
        let position = self.raw.clique?;
        let raw = self.domain.raw.cliques.get(position as usize)?;
        Some(Clique {
            position,
            nodes: raw.nodes,
            taken: raw.taken,
        })
    }

    /// Devices of this policy's drivers that nobody uses.
    ///
    /// ```
    /// # use supercargo_guest::place::Node;
    /// fn is_full(node: Node<'_>) -> bool {
    ///     node.free_devices() == 0
    /// }
    /// ```
    #[must_use]
    pub fn free_devices(self) -> u32 {
        self.raw.free_devices
    }

    /// Devices of this policy's drivers in all.
    ///
    /// ```
    /// # use supercargo_guest::place::Node;
    /// fn used(node: Node<'_>) -> u32 {
    ///     node.total_devices() - node.free_devices()
    /// }
    /// ```
    #[must_use]
    pub fn total_devices(self) -> u32 {
        self.raw.total_devices
    }

    /// The value of a declared label.
    ///
    /// # Panics
    /// For a label that is not listed in [`Policy::NODE_LABELS`](crate::Policy::NODE_LABELS).
    ///
    /// ```
    /// # use supercargo_guest::{Name, place::Node};
    /// const ZONE: Name = Name::new("topology.kubernetes.io", "zone");
    /// fn zone<'a>(node: Node<'a>) -> Option<&'a str> {
    ///     node.label(ZONE)
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn label(self, label: Name) -> Option<&'a str> {
        let columns = self.domain.labels;
        let column = column(columns, label, "NODE_LABELS");
        let value = cell(
            &self.domain.raw.labels,
            columns.len(),
            self.position,
            column,
        )?;
        <str as Read>::read(value, &self.domain.raw.strings)
    }

    /// Its name, when [`Context::NODE_NAME`](crate::Context::NODE_NAME) is declared.
    ///
    /// ```
    /// # use supercargo_guest::place::Node;
    /// fn is_named(node: Node<'_>) -> bool {
    ///     node.name().is_some()
    /// }
    /// ```
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        let name = self.domain.raw.names.get(self.position as usize)?;
        text(&self.domain.raw.strings, *name)
    }
}

/// Nodes that share one fabric.
///
/// ```
/// use supercargo_guest::place::Clique;
/// fn is_untouched(clique: Clique) -> bool {
///     clique.taken == 0
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clique {
    /// Its position in the question, which tells cliques apart.
    pub position: u32,
    /// How many nodes it has in all.
    pub nodes: u32,
    /// How many of them belong to domains already.
    pub taken: u32,
}

/// One way to place a domain.
///
/// ```
/// use supercargo_guest::place::{Domain, NodeSet};
/// fn first(domain: Domain<'_>) -> NodeSet {
///     NodeSet::of(domain.nodes().take(domain.nodes_needed())).reason("the first nodes")
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct NodeSet {
    nodes: Vec<u32>,
    score: f64,
    reason: Cow<'static, str>,
}

impl NodeSet {
    /// These nodes, as many as are needed.
    ///
    /// ```
    /// # use supercargo_guest::place::{Domain, NodeSet};
    /// fn all(domain: Domain<'_>) -> NodeSet {
    ///     NodeSet::of(domain.nodes())
    /// }
    /// ```
    pub fn of<'a>(nodes: impl IntoIterator<Item = Node<'a>>) -> Self {
        let nodes = nodes.into_iter().map(Node::position).collect();
        Self {
            nodes,
            score: 50.0,
            reason: Cow::Borrowed(""),
        }
    }

    /// How good it is: 0 to 100; 50 unless said.
    ///
    /// ```
    /// # use supercargo_guest::place::NodeSet;
    /// let set = NodeSet::of([]).score(90.0);
    /// ```
    pub fn score(mut self, score: f64) -> Self {
        self.score = if score.is_nan() {
            0.0
        } else {
            score.clamp(0.0, 100.0)
        };
        self
    }

    /// Why, in one sentence.
    ///
    /// ```
    /// # use supercargo_guest::place::NodeSet;
    /// let set = NodeSet::of([]).reason("one whole clique");
    /// ```
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    pub(crate) fn into_raw(self) -> allocation::NodeSet {
        let reason = bounded(self.reason.into_owned());
        allocation::NodeSet {
            nodes: self.nodes,
            score: self.score,
            reason,
        }
    }
}
