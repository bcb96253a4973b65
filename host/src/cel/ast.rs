//! The tree of an expression, as the parser leaves it with every macro expanded.
//!
//! Nodes live in one vector and name each other by index. That makes dropping a tree flat, gives
//! every later pass (types, references, costs, plans) plain vectors beside it, and, since children
//! are always made before their parents, lets a pass that only needs its children run as a loop.

/// The index of a node in its [`Ast`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ExprId(u32);

impl ExprId {
    /// The index into vectors that run parallel to the nodes.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An expression with its macros expanded. Nodes that a macro left out stay in the vector,
/// unreachable from the root.
#[derive(Debug, Clone)]
pub(crate) struct Ast {
    nodes: Vec<Node>,
    root: ExprId,
}

/// One node and where in the source it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Byte offset of the token that errors about this node point at.
    pub(crate) position: u32,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Literal(Literal),
    Ident(Box<str>),
    /// `operand.field`, or with `test_only` `has(operand.field)`.
    Select {
        operand: ExprId,
        field: Box<str>,
        test_only: bool,
    },
    /// A function or operator (`_+_`, `_?_:_`, `_[_]`, `_[?_]`, `_?._`, `!_`, `-_`, `@in`,
    /// `@not_strictly_false`, ...). With a target it is a member call.
    Call {
        function: Box<str>,
        target: Option<ExprId>,
        args: Vec<ExprId>,
    },
    List {
        elements: Vec<ExprId>,
        /// Indices of the elements written `?e`, ascending.
        optional: Vec<u32>,
    },
    Map(Vec<Entry>),
    /// A message literal, `Name{field: value}`. The checker passes only the type of `device`,
    /// and that cannot be built either: evaluation fails with `unknown type`, as upstream's does.
    Struct {
        type_name: Box<str>,
        fields: Vec<Field>,
    },
    Comprehension(Box<Comprehension>),
}

/// A constant written in the source or put there by a macro.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
}

/// One `key: value` of a map literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) position: u32,
    pub(crate) key: ExprId,
    pub(crate) value: ExprId,
    /// Written `?key: value`.
    pub(crate) optional: bool,
}

/// One `field: value` of a message literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) position: u32,
    pub(crate) name: Box<str>,
    pub(crate) value: ExprId,
    pub(crate) optional: bool,
}

/// The loop that macros expand to: start with `accu_init`, and for each element of `iter_range`,
/// while `loop_condition` holds, let the accumulator be `loop_step`; the answer is `result`.
///
/// With one variable it is the element of a list or the key of a map; with two they are index and
/// element, or key and value. `cel.bind` and its relatives are loops over an empty list whose
/// accumulator is the bound variable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comprehension {
    pub(crate) iter_range: ExprId,
    pub(crate) iter_var: Box<str>,
    pub(crate) iter_var2: Option<Box<str>>,
    pub(crate) accu_var: Box<str>,
    pub(crate) accu_init: ExprId,
    pub(crate) loop_condition: ExprId,
    pub(crate) loop_step: ExprId,
    pub(crate) result: ExprId,
}

/// The accumulator of the standard macros. No identifier of the language starts with `@`.
pub(crate) const ACCUMULATOR: &str = "@result";

/// The iteration variable of loops that have no use for one.
pub(crate) const UNUSED_ITERATION_VARIABLE: &str = "#unused";

/// Names of operators, as functions.
pub(crate) mod operator {
    pub(crate) const CONDITIONAL: &str = "_?_:_";
    pub(crate) const LOGICAL_AND: &str = "_&&_";
    pub(crate) const LOGICAL_OR: &str = "_||_";
    pub(crate) const LOGICAL_NOT: &str = "!_";
    pub(crate) const EQUALS: &str = "_==_";
    pub(crate) const NOT_EQUALS: &str = "_!=_";
    pub(crate) const LESS: &str = "_<_";
    pub(crate) const LESS_EQUALS: &str = "_<=_";
    pub(crate) const GREATER: &str = "_>_";
    pub(crate) const GREATER_EQUALS: &str = "_>=_";
    pub(crate) const IN: &str = "@in";
    pub(crate) const ADD: &str = "_+_";
    pub(crate) const SUBTRACT: &str = "_-_";
    pub(crate) const MULTIPLY: &str = "_*_";
    pub(crate) const DIVIDE: &str = "_/_";
    pub(crate) const MODULO: &str = "_%_";
    pub(crate) const NEGATE: &str = "-_";
    pub(crate) const INDEX: &str = "_[_]";
    pub(crate) const OPT_INDEX: &str = "_[?_]";
    pub(crate) const OPT_SELECT: &str = "_?._";
    pub(crate) const NOT_STRICTLY_FALSE: &str = "@not_strictly_false";
}

impl Ast {
    /// A tree in the making; [`Builder::finish`] gives it its root.
    pub(crate) fn builder() -> Builder {
        Builder { nodes: Vec::new() }
    }

    /// The node that is the whole expression.
    pub(crate) fn root(&self) -> ExprId {
        self.root
    }

    /// How many nodes there are: the length of vectors that run parallel to them.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node of an id of this tree.
    #[expect(clippy::indexing_slicing, reason = "ids come from this tree only")]
    pub(crate) fn node(&self, id: ExprId) -> &Node {
        &self.nodes[id.index()]
    }

    /// What the node is.
    pub(crate) fn kind(&self, id: ExprId) -> &Kind {
        &self.node(id).kind
    }

    /// Puts another node in the place of one; its children must be older nodes of this tree.
    #[expect(clippy::indexing_slicing, reason = "ids come from this tree only")]
    pub(crate) fn replace(&mut self, id: ExprId, kind: Kind) {
        self.nodes[id.index()].kind = kind;
    }

    /// Every node, children before parents.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ExprId, &Node)> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(index, node)| (ExprId(u32::try_from(index).unwrap_or(u32::MAX)), node))
    }

    /// How many levels the tree has: what a recursive walk needs in stack frames.
    pub(crate) fn depth(&self) -> usize {
        let mut depths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let mut below = 0;
            node.kind.for_each_child(|child| {
                below = below.max(depths.get(child.index()).copied().unwrap_or(0));
            });
            depths.push(below + 1);
        }
        depths.get(self.root.index()).copied().unwrap_or(0)
    }
}

impl Kind {
    /// Calls `visit` with each child, in the order of the source.
    pub(crate) fn for_each_child(&self, mut visit: impl FnMut(ExprId)) {
        match self {
            Self::Literal(_) | Self::Ident(_) => {}
            Self::Select { operand, .. } => visit(*operand),
            Self::Call { target, args, .. } => {
                target.iter().for_each(|target| visit(*target));
                args.iter().for_each(|arg| visit(*arg));
            }
            Self::List { elements, .. } => elements.iter().for_each(|element| visit(*element)),
            Self::Map(entries) => entries.iter().for_each(|entry| {
                visit(entry.key);
                visit(entry.value);
            }),
            Self::Struct { fields, .. } => fields.iter().for_each(|field| visit(field.value)),
            Self::Comprehension(comprehension) => {
                visit(comprehension.iter_range);
                visit(comprehension.accu_init);
                visit(comprehension.loop_condition);
                visit(comprehension.loop_step);
                visit(comprehension.result);
            }
        }
    }
}

/// A tree that still grows.
#[derive(Debug)]
pub(crate) struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    /// Adds a node whose children are there already.
    pub(crate) fn push(&mut self, position: u32, kind: Kind) -> ExprId {
        let id = ExprId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node { position, kind });
        id
    }

    /// How many nodes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node made before.
    #[expect(clippy::indexing_slicing, reason = "ids come from this tree only")]
    pub(crate) fn node(&self, id: ExprId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The tree below `root`.
    pub(crate) fn finish(self, root: ExprId) -> Ast {
        Ast {
            nodes: self.nodes,
            root,
        }
    }
}
