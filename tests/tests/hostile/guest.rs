//! Components to be hostile with: a core module in text, wrapped for the WIT of this project.
//!
//! Everything a guest answers is laid out in its memory beforehand, so a test can put any bytes
//! anywhere, and every function body can be replaced, so a test can do anything at any moment.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

/// Where the data of a guest begins; below lies what a test wants to read by accident.
const DATA: u32 = 1024;

/// A guest to be built.
pub(crate) struct Guest {
    /// What its memory begins with.
    pub(crate) data: Vec<u8>,
    pub(crate) world: &'static str,
    /// Pages of memory to begin with.
    pub(crate) pages: u32,
    /// Body of `describe`, which leaves a pointer.
    pub(crate) describe: String,
    /// Body of `select`, which has `$question` and leaves a pointer.
    pub(crate) select: String,
    /// Bodies of other hooks, by name; those that are not here trap.
    pub(crate) others: Vec<(&'static str, String)>,
    /// Body of `cabi_realloc`, which has `$old $old_size $align $size` and leaves a pointer.
    pub(crate) realloc: String,
    /// More fields of the module.
    pub(crate) fields: String,
}

/// A piece of data in a guest: a list or text as pointer and length.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) pointer: u32,
    pub(crate) length: u32,
}

/// What `describe` answers.
pub(crate) struct Describe<'d> {
    pub(crate) name: &'d [u8],
    pub(crate) version: &'d str,
    /// Bits of the flags `hooks`.
    pub(crate) hooks: u8,
    pub(crate) attributes: &'d [&'d str],
    pub(crate) capacities: &'d [&'d str],
    pub(crate) schema: Option<&'d str>,
}

impl Default for Describe<'_> {
    fn default() -> Self {
        Self {
            name: b"guest",
            version: "1.0.0",
            hooks: 0b1,
            attributes: &[],
            capacities: &[],
            schema: None,
        }
    }
}

/// An assignment, by positions.
pub(crate) type Assigned<'d> = (u32, &'d [u32]);

/// A proposal in a guest's memory.
pub(crate) struct Proposed<'d> {
    pub(crate) prefer: bool,
    pub(crate) assignments: &'d [Assigned<'d>],
    pub(crate) score: f64,
    pub(crate) reason: &'d [u8],
}

impl Default for Proposed<'_> {
    fn default() -> Self {
        Self {
            prefer: false,
            assignments: &[(0, &[0])],
            score: 50.0,
            reason: b"because",
        }
    }
}

/// A bump allocator that grows the memory as it must.
const REALLOC: &str = "
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $done (loop $more
        (br_if $done (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $more)))
    (local.get $at)";

/// The hooks: export, parameters as the canonical ABI flattens them, worlds that have it.
const HOOKS: [(&str, &str, &[&str]); 7] = [
    (
        "allocation@0.1.0#select",
        "(param $question i32)",
        &["selection-policy", "driver-policy"],
    ),
    (
        "allocation@0.1.0#place",
        "(param i32)",
        &["selection-policy", "driver-policy"],
    ),
    (
        "configuration@0.1.0#validate",
        "(param i32 i32 i32 i32 i32 i32 i32)",
        &["configuration-policy", "driver-policy"],
    ),
    (
        "configuration@0.1.0#prepare",
        "(param i32)",
        &["configuration-policy", "driver-policy"],
    ),
    (
        "configuration@0.1.0#unprepare",
        "(param i32)",
        &["configuration-policy", "driver-policy"],
    ),
    (
        "inventory@0.1.0#publish",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
        &["driver-policy"],
    ),
    (
        "inventory@0.1.0#assess",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i64)",
        &["driver-policy"],
    ),
];

impl Guest {
    /// A guest with nothing in it: all hooks trap.
    pub(crate) fn empty() -> Self {
        Self {
            data: Vec::new(),
            world: "selection-policy",
            pages: 1,
            describe: "unreachable".to_owned(),
            select: "unreachable".to_owned(),
            others: Vec::new(),
            realloc: REALLOC.to_owned(),
            fields: String::new(),
        }
    }

    /// A guest that describes itself and proposes device 0 for request 0.
    pub(crate) fn good() -> Self {
        let mut guest = Self::empty();
        guest.describes(&Describe::default());
        guest.proposes(&[Proposed::default()]);
        guest
    }

    /// Puts bytes into memory.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Slice {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let pointer = DATA + u32::try_from(self.data.len()).unwrap();
        self.data.extend_from_slice(bytes);
        Slice {
            pointer,
            length: u32::try_from(bytes.len()).unwrap(),
        }
    }

    /// Puts 32-bit words into memory; the length counts words.
    pub(crate) fn words(&mut self, words: &[u32]) -> Slice {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Slice {
            length: u32::try_from(words.len()).unwrap(),
            ..self.bytes(&bytes)
        }
    }

    fn texts(&mut self, texts: &[&str]) -> Slice {
        let slices: Vec<u32> = texts
            .iter()
            .flat_map(|text| {
                let slice = self.bytes(text.as_bytes());
                [slice.pointer, slice.length]
            })
            .collect();
        Slice {
            length: u32::try_from(texts.len()).unwrap(),
            ..self.words(&slices)
        }
    }

    /// Lays out a description, and has `describe` answer it.
    pub(crate) fn describes(&mut self, described: &Describe<'_>) {
        let name = self.bytes(described.name);
        let version = self.bytes(described.version.as_bytes());
        let attributes = self.texts(described.attributes);
        let capacities = self.texts(described.capacities);
        let schema = described.schema.map(|schema| self.bytes(schema.as_bytes()));
        let answer = self.words(&[
            name.pointer,
            name.length,
            version.pointer,
            version.length,
            0,
            0,
            u32::from(described.hooks),
            attributes.pointer,
            attributes.length,
            capacities.pointer,
            capacities.length,
            0,
            0,
            0,
            u32::from(schema.is_some()),
            schema.map_or(0, |schema| schema.pointer),
            schema.map_or(0, |schema| schema.length),
        ]);
        self.describe = format!("(i32.const {})", answer.pointer);
    }

    /// Lays out proposals, and has `select` answer them.
    pub(crate) fn proposes(&mut self, proposals: &[Proposed<'_>]) {
        let list = self.proposals(proposals);
        self.answers(list);
    }

    /// Lays out proposals.
    pub(crate) fn proposals(&mut self, proposals: &[Proposed<'_>]) -> Slice {
        let mut words = Vec::new();
        for proposal in proposals {
            let assignments: Vec<u32> = proposal
                .assignments
                .iter()
                .flat_map(|(request, devices)| {
                    let devices = self.words(devices);
                    [*request, devices.pointer, devices.length]
                })
                .collect();
            let list = self.words(&assignments);
            let reason = self.bytes(proposal.reason);
            let score = proposal.score.to_bits();
            words.extend([
                u32::from(proposal.prefer),
                list.pointer,
                u32::try_from(proposal.assignments.len()).unwrap(),
                0,
                u32::try_from(score & 0xffff_ffff).unwrap(),
                u32::try_from(score >> 32).unwrap(),
                reason.pointer,
                reason.length,
            ]);
        }
        Slice {
            length: u32::try_from(proposals.len()).unwrap(),
            ..self.words(&words)
        }
    }

    /// Has `select` answer a list of proposals, true or not.
    pub(crate) fn answers(&mut self, list: Slice) {
        let answer = self.words(&[0, list.pointer, list.length]);
        self.select = format!("(i32.const {})", answer.pointer);
    }

    /// Has `select` decline.
    pub(crate) fn refuses(&mut self, reason: &[u8]) {
        let reason = self.bytes(reason);
        let answer = self.words(&[1, reason.pointer, reason.length]);
        self.select = format!("(i32.const {})", answer.pointer);
    }

    /// The core module, as text.
    fn text(&self) -> String {
        let Self {
            pages,
            describe,
            realloc,
            fields,
            ..
        } = self;
        let data: String = self
            .data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let heap = DATA + u32::try_from(self.data.len()).unwrap().next_multiple_of(16);
        let hooks: String = HOOKS
            .iter()
            .filter(|(_, _, worlds)| worlds.contains(&self.world))
            .map(|(export, params, _)| {
                let (_, name) = export.split_once('#').unwrap();
                let body = self
                    .others
                    .iter()
                    .find(|(hook, _)| *hook == name)
                    .map(|(_, body)| &**body);
                let body = if name == "select" {
                    &self.select
                } else {
                    body.unwrap_or("unreachable")
                };
                format!(
                    "(func (export \"supercargo:policy/{export}\") {params} (result i32) {body})\n"
                )
            })
            .collect();
        format!(
            "(module
                (memory (export \"memory\") {pages})
                (global $heap (mut i32) (i32.const {heap}))
                (data (i32.const {DATA}) \"{data}\")
                (func $realloc (export \"cabi_realloc\")
                    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                    {realloc})
                (func (export \"supercargo:policy/about@0.1.0#describe\") (result i32) {describe})
                {hooks}
                {fields})"
        )
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        self.component_of(&contract())
    }

    /// The component, built for another WIT.
    pub(crate) fn component_of(&self, wit: &[(String, String)]) -> Vec<u8> {
        let mut core = wat::parse_str(self.text()).unwrap();
        let mut sources = SourceMap::default();
        for (name, text) in wit {
            sources.push_str(name, text);
        }
        let mut resolve = Resolve::default();
        let package = resolve
            .push_group(sources.parse().map_err(|(_, error)| error).unwrap())
            .unwrap();
        let world = resolve.select_world(&[package], Some(self.world)).unwrap();
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
        // Not validated here: what is invalid is for the host to find.
        ComponentEncoder::default()
            .module(&core)
            .unwrap()
            .encode()
            .unwrap()
    }
}

/// The WIT of this project.
pub(crate) fn contract() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    [
        "types",
        "about",
        "allocation",
        "configuration",
        "inventory",
        "worlds",
    ]
    .map(|name| {
        let name = format!("{name}.wit");
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        (name, text)
    })
    .to_vec()
}
