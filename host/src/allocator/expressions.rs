//! Selectors and their verdicts: each expression is compiled once, and asked once per device.
//!
//! A verdict depends on the expression and the device alone, and devices do not change during the
//! life of an allocator. So verdicts are two bits a device in atomics, shared by all calls, nodes
//! and threads without a lock. Errors are not kept: they end the search anyway. What an expression
//! compiles to depends on nothing else, so [`Selectors`] can serve many allocators.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Allocator;
use super::inventory::Inventory;
use crate::cel::{CelError, Environment, Options, Selector};

/// Beyond this many expressions the memory of verdicts is dropped and built anew: who writes claims
/// must not be able to make the host grow.
const MOST: usize = 1024;

/// Compiled selectors, shared by allocators that cover parts of a cluster or follow one another.
#[derive(Debug, Default)]
pub struct Selectors(RwLock<HashMap<(String, bool, bool), Arc<Compiled>>>);

type Compiled = Result<Selector, CelError>;

impl Selectors {
    fn get(&self, text: &str, options: Options) -> Arc<Compiled> {
        let key = (
            text.to_owned(),
            options.consumable_capacity,
            options.list_type_attributes,
        );
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(&key) {
            return Arc::clone(compiled);
        }
        drop(known);
        let compiled = Arc::new(Selector::compile(text, options));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        Arc::clone(known.entry(key).or_insert(compiled))
    }
}

/// All expressions met so far.
#[derive(Debug)]
pub(super) struct Expressions {
    options: Options,
    selectors: Arc<Selectors>,
    known: RwLock<HashMap<String, Arc<Expression>>>,
}

/// A compiled selector with its verdicts.
#[derive(Debug)]
pub(super) struct Expression {
    selector: Arc<Compiled>,
    asked: Box<[AtomicU64]>,
    matched: Box<[AtomicU64]>,
    /// How often the selector was evaluated.
    evaluations: AtomicU64,
}

impl Expressions {
    pub(super) fn new(
        selectors: Arc<Selectors>,
        consumable_capacity: bool,
        list_type_attributes: bool,
    ) -> Self {
        Self {
            selectors,
            options: Options {
                consumable_capacity,
                list_type_attributes,
                environment: Environment::Stored,
            },
            known: RwLock::default(),
        }
    }

    pub(super) fn get(&self, text: &str, devices: usize) -> Arc<Expression> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(expression) = known.get(text) {
            return expression.clone();
        }
        drop(known);
        let bits = || {
            (0..devices.div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect()
        };
        let expression = Arc::new(Expression {
            selector: self.selectors.get(text, self.options),
            asked: bits(),
            matched: bits(),
            evaluations: AtomicU64::new(0),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.entry(text.to_owned()).or_insert(expression).clone()
    }
}

impl Allocator {
    /// How often a selector was evaluated on a device so far. It stands still while claims ask what
    /// was asked before of slices that did not change.
    #[must_use]
    pub fn selector_evaluations(&self) -> u64 {
        let known = self
            .expressions
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        known
            .values()
            .map(|expression| expression.evaluations.load(Ordering::Relaxed))
            .sum()
    }
}

impl Expression {
    /// Why it does not compile.
    pub(super) fn compile_error(&self) -> Option<&CelError> {
        (*self.selector).as_ref().err()
    }

    /// The verdict on a device, if it was asked before.
    #[inline]
    pub(super) fn remembered(&self, device: u32) -> Option<bool> {
        let (word, bit) = (device as usize / 64, 1 << (device % 64));
        // `matched` is written before `asked`, so it is there once `asked` is seen.
        if self.asked.get(word)?.load(Ordering::Acquire) & bit == 0 {
            return None;
        }
        Some(self.matched.get(word)?.load(Ordering::Relaxed) & bit != 0)
    }

    /// Asks about a device.
    pub(super) fn ask(&self, inventory: &Inventory, device: u32) -> Result<bool, CelError> {
        if let Some(verdict) = self.remembered(device) {
            return Ok(verdict);
        }
        let selector = (*self.selector).as_ref().map_err(Clone::clone)?;
        let driver = &inventory
            .slice(inventory.published(device).slice)
            .object
            .spec
            .driver;
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let verdict = selector.matches(driver, inventory.device(device))?.matches;
        let (word, bit) = (device as usize / 64, 1 << (device % 64));
        if verdict && let Some(matched) = self.matched.get(word) {
            matched.fetch_or(bit, Ordering::Relaxed);
        }
        if let Some(asked) = self.asked.get(word) {
            asked.fetch_or(bit, Ordering::Release);
        }
        Ok(verdict)
    }
}
