//! A policy: what it reads, and which questions it answers. Each answer is a file of its own.

//@ if assess
mod assess;
//@ end
//@ if place
mod place;
//@ end
//@ if prepare
mod prepare;
//@ end
//@ if publish
mod publish;
//@ end
//@ if select
mod select;
//@ end
//@ if unprepare
mod unprepare;
//@ end
//@ if validate
mod validate;
//@ end

use supercargo_guest::prelude::*;

/// The policy. It has no state: every question is answered from what is in it.
pub struct MyPolicy;

impl Policy for MyPolicy {
    /// What the administrator may set: nothing yet. See the cookbook for settings with a schema.
    type Settings = NoSettings;
//@ if select

    /// What is read of devices; nothing else is sent.
    const ATTRIBUTES: &'static [Name] = &[select::NUMA_NODE.name()];
//@ end
}

supercargo_guest::export!(MyPolicy: @hooks@);
