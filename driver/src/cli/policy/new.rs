//! `supercargo policy new`: a policy that builds and is tested as it stands.

use std::path::Path;

use clap::{Args, ValueEnum};
use supercargo_guest_build::{Hook, Language, Project, Template};

use crate::cli::{Exit, Failure};
use crate::render::style::{GOOD, STRONG, WAITING, paint};
use crate::render::terminal;

const LONG: &str = "\
Begin a policy: a folder that builds and is tested as it stands

The folder is named as the policy. In it are the source with an answer to each question, a \
fixture for each answer, and a file for continuous integration. Nothing is fetched: all of it is \
in this program, for Rust the SDK too.

  select     which devices does a claim get?
  place      which nodes does a domain get?
  validate   are a claim's opaque parameters right?
  prepare    what must be done before its containers start?
  unprepare  what must be undone when it is over?
  publish    what does a node announce?
  assess     what follows from a health event?";

const EXAMPLES: &str = "\
Examples:
  supercargo policy new gpu-pairs
  supercargo policy new gpu-pairs --lang c
  supercargo policy new my-driver --hooks select,validate,prepare,publish,assess

Exit status: 0 made, 2 not.";

/// Begin a policy: a folder that builds and is tested as it stands
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct New {
    /// The policy's name: lower-case letters, digits and `-`
    name: String,

    /// What to write it in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Written,

    /// The questions it answers, with commas between
    #[arg(
        long,
        value_name = "HOOK,...",
        value_delimiter = ',',
        default_value = "select"
    )]
    hooks: Vec<Hook>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Written {
    /// Rust: small and fast, with the SDK
    Rust,
    /// C: the smallest and fastest; clang and nothing else
    C,
    /// JavaScript: with an engine inside, 1.6 MB
    #[value(alias = "javascript")]
    Js,
    /// Python: with its interpreter inside, 18 MB
    #[value(alias = "py")]
    Python,
}

impl From<Written> for Language {
    fn from(written: Written) -> Self {
        match written {
            Written::Rust => Self::Rust,
            Written::C => Self::C,
            Written::Js => Self::JavaScript,
            Written::Python => Self::Python,
        }
    }
}

impl New {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let language = self.lang.into();
        let template = Template::new(&self.name, language, self.hooks)?;
        let folder = Path::new(&self.name);
        template.write(folder)?;
        let mut text = format!("{}\n", paint(GOOD, &format!("{}/", self.name)));
        for (name, _) in template.files() {
            if !name.starts_with("vendor/") {
                text.push_str(&format!("  {name}\n"));
            }
        }
        if language == Language::Rust {
            text.push_str("  vendor/  (the SDK)\n");
        }
        let most = match language {
            Language::Rust | Language::C => "",
            Language::JavaScript | Language::Python => " --most",
        };
        let install = match language {
            Language::Rust | Language::C => "",
            Language::JavaScript => "  npm install\n",
            Language::Python => {
                "  python3 -m venv .venv && .venv/bin/pip install -r requirements.txt\n"
            }
        };
        text.push_str(&format!(
            "\n{}\n  cd {}\n{install}  supercargo policy test{most}\n",
            paint(STRONG, "Next:"),
            self.name
        ));
        terminal::print(&text)?;
        // Where the language's own tools are installed in the folder, they cannot be there yet.
        if install.is_empty()
            && let Err(missing) = Project::find(folder).and_then(|p| p.toolchain())
        {
            anstream::eprintln!("\n{} {missing}", paint(WAITING, "before that:"));
        }
        Ok(Exit::Done)
    }
}
