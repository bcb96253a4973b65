//! The little that templates need: lines that are there for some hooks only, and words that depend on
//! what was asked for.
//!
//! A line `//@ if select place` (in Python `#@ if ...`) begins lines that are there if one of these
//! hooks or interfaces is wanted, `//@ if not select` lines that are there if it is not, and
//! `//@ end` ends the innermost. `@hooks@` and its like are words.

use std::collections::BTreeSet;

use super::Hook;
use super::name::Names;
use crate::project::Language;

/// What is wanted, as templates see it.
pub(super) struct Terms {
    /// The hooks and their interfaces.
    wanted: BTreeSet<&'static str>,
    /// Words, and what stands for each.
    words: Vec<(&'static str, String)>,
}

impl Terms {
    pub(super) fn new(names: &Names, language: Language, hooks: &BTreeSet<Hook>) -> Self {
        let interfaces: BTreeSet<&str> = hooks.iter().map(|hook| hook.interface()).collect();
        let each = |form: &dyn Fn(&str) -> String, between: &str| {
            let hooks: Vec<_> = hooks.iter().map(|hook| form(hook.name())).collect();
            hooks.join(between)
        };
        let world = match interfaces.iter().copied().collect::<Vec<_>>().as_slice() {
            ["allocation"] => "selection-policy",
            ["configuration"] => "configuration-policy",
            _ => "driver-policy",
        };
        // The world of several interfaces has all of them, so all have to be written.
        let interfaces: BTreeSet<&str> = if world == "driver-policy" && language != Language::Rust {
            ["allocation", "configuration", "inventory"].into()
        } else {
            interfaces
        };
        let mut modules: Vec<&str> = vec!["about", "types"];
        modules.extend(&interfaces);
        modules.sort_unstable();
        let flag = |name: &str| {
            let flag = name.to_ascii_uppercase();
            format!("EXPORTS_SUPERCARGO_POLICY_ABOUT_HOOKS_{flag}")
        };
        let wasm = match language {
            Language::Rust => format!("target/policies/{}.wasm", names.package),
            _ => format!("build/{}.wasm", names.package),
        };
        // Engines and interpreters are larger than the limits that an unknown policy gets.
        let most = match language {
            Language::Rust | Language::C => "",
            Language::JavaScript | Language::Python => " --most",
        };
        let words = vec![
            ("@hooks@", each(&str::to_owned, ", ")),
            ("@c-hooks@", each(&flag, " |\n               ")),
            ("@js-hooks@", each(&|name| format!("{name}: true"), ", ")),
            (
                "@py-hooks@",
                each(
                    &|name| format!("about.Hooks.{}", name.to_ascii_uppercase()),
                    " | ",
                ),
            ),
            ("@py-modules@", modules.join(", ")),
            ("@world@", world.to_owned()),
            ("@language@", language.name().to_owned()),
            ("@wasm@", wasm),
            ("@most@", most.to_owned()),
            ("@install@", install(language).to_owned()),
            ("@ci-install@", ci_install(language).to_owned()),
            ("@where@", layout(language).to_owned()),
            ("my-policy", names.package.clone()),
            ("my_policy", names.module.clone()),
            ("MyPolicy", names.structure.clone()),
        ];
        let wanted = interfaces
            .into_iter()
            .chain(hooks.iter().map(|hook| hook.name()))
            .collect();
        Self { wanted, words }
    }

    pub(super) fn expand(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len());
        let mut within = Vec::new();
        for line in template.lines() {
            let directive = line
                .strip_prefix("//@ ")
                .or_else(|| line.strip_prefix("#@ "));
            match directive {
                Some("end") => drop(within.pop()),
                Some(condition) => within.push(self.holds(condition)),
                None if within.iter().all(|holds| *holds) => {
                    text.push_str(line);
                    text.push('\n');
                }
                None => {}
            }
        }
        for (word, meaning) in &self.words {
            text = text.replace(word, meaning);
        }
        text
    }

    /// Whether what follows `if` holds.
    fn holds(&self, condition: &str) -> bool {
        let mut words = condition.split_whitespace().skip(1).peekable();
        let negated = words.next_if_eq(&"not").is_some();
        words.any(|word| self.wanted.contains(word)) != negated
    }
}

/// What has to be done once before the first build.
fn install(language: Language) -> &'static str {
    match language {
        Language::Rust | Language::C => "",
        Language::JavaScript => "npm install                 # once\n",
        Language::Python => {
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt    # once\n"
        }
    }
}

fn ci_install(language: Language) -> &'static str {
    match language {
        Language::Rust => "rustup target add wasm32-unknown-unknown",
        Language::C => "sudo apt-get update && sudo apt-get install --yes clang lld",
        Language::JavaScript => "npm install",
        Language::Python => "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
    }
}

fn layout(language: Language) -> &'static str {
    match language {
        Language::Rust => {
            "The policy is in `src`, a file for each question. `cargo test` runs it as ordinary Rust, without\n\
             WebAssembly. `vendor` holds the SDK as it was when this project was made; the crates that it needs\n\
             come from the registry that cargo uses, in the versions of `Cargo.lock`. Where there is no registry,\n\
             `cargo vendor crates` elsewhere and take the folder along."
        }
        Language::C => {
            "The policy is `policy.c`. `build/generated/policy.h`, which `policy build` makes from the contract, says what\n\
             there is to call and to answer. There is no C library: `stdlib.h` and `string.h` hold what is needed."
        }
        Language::JavaScript => {
            "The policy is `policy.js`; QuickJS goes into the component with it. Numbers are exact up to 2^53. Anything\n\
             thrown but a refusal ends the call without words, so try code in node first. The engine needs more than\n\
             the limits that a policy gets by default, hence `--most`; an administrator raises them for this policy."
        }
        Language::Python => {
            "The policy is `policy.py`; the interpreter goes into the component with it. Neither clock nor random numbers\n\
             are there. The interpreter needs more than the limits that a policy gets by default, hence `--most`; an\n\
             administrator raises them for this policy."
        }
    }
}
