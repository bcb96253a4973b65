//! The CEL environment in which Kubernetes evaluates device selectors.
//!
//! A selector passes through one module a step: tokens (`lex`), a tree (`parse`) whose macros
//! are expanded as their calls are met (`expand`), types and meanings (`check` against
//! `declarations`), literals (`validate`), the worst case's cost (`estimate`), and a program
//! (`plan`) that is evaluated for each device (`matching`).
//!
//! Every step decides as upstream does, since a selector that matches elsewhere must match here:
//! what is refused and with which kind of error, which overloads stay candidates, what is charged.
//! That is also why the parser is our own. The parsers at hand accept about one in 150
//! selectors that upstream refuses or the other way round, refuse depth by other counts (or
//! overflow the stack), and expand macros their own way, which the cost account would show.

mod ast;
mod check;
mod compile;
mod declarations;
mod device;
mod estimate;
mod evaluate;
mod expand;
mod lex;
mod library;
mod literal;
mod matching;
mod parse;
mod plan;
mod price;
mod source;
mod suggest;
mod types;
mod validate;
mod value;

use k8s_openapi::api::resource::v1::Device;

/// What evaluating a selector may cost (`CELSelectorExpressionMaxCost`), and what its static estimate
/// may be for the API server to admit it.
pub const COST_LIMIT: u64 = 1_000_000;

/// Which declarations and checks a selector is compiled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Gate `DRAConsumableCapacity`: `device.allowMultipleAllocations` exists in new expressions.
    pub consumable_capacity: bool,
    /// Gate `DRAListTypeAttributes`: attribute values are `dyn` instead of `any`.
    pub list_type_attributes: bool,
    /// Whose rules: the scheduler's or those of API validation.
    pub environment: Environment,
}

/// The two environments of `k8s.io/apiserver/pkg/cel/environment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// What the scheduler evaluates: newest everything, whatever the gates.
    Stored,
    /// What the API server admits: gates apply. That it also holds [`Selector::max_cost`] to
    /// [`COST_LIMIT`] is for the caller to check: compiling does not.
    New,
}

/// A compiled selector; cheap to share, evaluated without locks.
#[derive(Debug)]
pub struct Selector {
    program: plan::Program,
    max_cost: u64,
}

/// The answer of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Whether the device satisfies the selector.
    pub matches: bool,
    /// What the evaluation cost, in upstream's units.
    pub cost: u64,
}

/// What kind of error it is: names as in the oracle's `errorKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Not CEL.
    Syntax,
    /// Types do not fit.
    Type,
    /// A name that is not declared.
    Undeclared,
    /// A map has no such key.
    NoSuchKey,
    /// Integer or other arithmetic overflow.
    Overflow,
    /// Division or modulus by zero.
    DivideByZero,
    /// An argument out of its function's domain.
    InvalidArgument,
    /// The cost limit was exceeded.
    CostExceeded,
    /// The result is not a bool.
    NotBool,
    /// Anything else.
    Other,
}

/// Why a selector did not compile or could not be evaluated.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CelError {
    /// The kind.
    pub kind: ErrorKind,
    /// Upstream-like text, with the position and a hint where there is one.
    pub message: String,
    /// What the expression had cost when it failed (0 for compile errors).
    pub cost: u64,
}

impl Selector {
    /// Parses, type-checks and plans `expression`.
    ///
    /// # Errors
    /// Text that is no selector, or that has a constant part without a value.
    pub fn compile(expression: &str, options: Options) -> Result<Self, CelError> {
        compile::with_deep_stack(expression, || {
            let compiled = compile::compile(expression, options, library::LITERAL_RULES)?;
            Ok(Self {
                program: plan::Program::plan(&compiled.checked)?,
                max_cost: compiled.max_cost,
            })
        })
    }

    /// The static estimate of the worst case, in upstream's units (`estimatedMaxCost`).
    #[must_use]
    pub fn max_cost(&self) -> u64 {
        self.max_cost
    }

    /// Evaluates the selector for a device published by `driver`. Reads the device lazily:
    /// nothing is built that the expression does not look at.
    ///
    /// # Errors
    /// A device with an attribute value that nobody supports, and whatever fails while the
    /// selector is evaluated and is not absorbed by `&&`, `||` or `?:`.
    pub fn matches(&self, driver: &str, device: &Device) -> Result<Match, CelError> {
        self.program.matches(driver, device)
    }
}
