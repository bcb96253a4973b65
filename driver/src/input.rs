//! Manifests from files, folders and standard input, read within bounds.
//!
//! What is read comes from strangers as often as from the user: a folder may hold a symlink to
//! itself, a device file, or a core dump named `.yaml`. So every dimension has a limit, special
//! files are never opened, folders are walked in name order (the same input gives the same output
//! on any machine) and symlinked folders are not entered.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read: room for the ResourceSlices of 5,000 nodes as YAML.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// The most that all files of one invocation may hold.
pub const MAX_TOTAL_BYTES: u64 = 512 << 20;
/// The most files that one invocation reads.
pub const MAX_FILES: usize = 20_000;
/// How deep folders are walked.
pub const MAX_DEPTH: usize = 32;

/// The text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user would type it; `<stdin>` for standard input.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Why input could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum InputError {
    #[error("{path}: {source}")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path}: no such file or folder")]
    Missing { path: String },
    #[error(
        "{path}: is neither a file nor a folder; give a manifest, a folder of manifests, or `-`"
    )]
    Special { path: String },
    #[error("{path}: holds no manifests (looked for *.yaml, *.yml and *.json)")]
    NoManifests { path: String },
    #[error("{path}: is larger than {} MiB; split it", limit >> 20)]
    TooLarge { path: String, limit: u64 },
    #[error("{path}: with this file the input is larger than {} MiB; read fewer files at once", MAX_TOTAL_BYTES >> 20)]
    TotalTooLarge { path: String },
    #[error("{path}: more than {MAX_FILES} files; name the folders that matter")]
    TooManyFiles { path: String },
    #[error("{path}: folders are nested more than {MAX_DEPTH} deep; name the inner folder")]
    TooDeep { path: String },
    #[error("{path}: is not UTF-8 text (byte {offset}); manifests are YAML or JSON in UTF-8")]
    NotText { path: String, offset: usize },
    #[error("standard input is named twice; `-f -` can be read only once")]
    StdinTwice,
}

/// Reads every file, every manifest under every folder, and standard input for `-`, in the order
/// given; a file named twice is read once.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Source>, InputError> {
    let mut reader = Reader::default();
    for path in paths {
        if path.as_os_str() == "-" {
            reader.stdin(&mut io::stdin().lock())?;
        } else {
            reader.path(path)?;
        }
    }
    Ok(reader.sources)
}

/// Reads one file of at most `limit` bytes, whatever it holds.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, InputError> {
    let name = path.display().to_string();
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => InputError::Missing { path: name.clone() },
        _ => InputError::Io {
            path: name.clone(),
            source,
        },
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(InputError::Special { path: name });
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .map_err(io)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(InputError::TooLarge { path: name, limit });
    }
    Ok(bytes)
}

#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    seen: std::collections::BTreeSet<PathBuf>,
    stdin_read: bool,
    total: u64,
}

impl Reader {
    fn stdin(&mut self, stdin: &mut dyn Read) -> Result<(), InputError> {
        if std::mem::replace(&mut self.stdin_read, true) {
            return Err(InputError::StdinTwice);
        }
        let name = "<stdin>".to_owned();
        let mut bytes = Vec::new();
        stdin
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| InputError::Io {
                path: name.clone(),
                source,
            })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(InputError::TooLarge {
                path: name,
                limit: MAX_FILE_BYTES,
            });
        }
        self.keep(name, bytes)
    }

    fn path(&mut self, path: &Path) -> Result<(), InputError> {
        let name = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => InputError::Missing { path: name.clone() },
            _ => InputError::Io {
                path: name.clone(),
                source,
            },
        })?;
        if metadata.is_dir() {
            let before = self.sources.len();
            self.folder(path, 0)?;
            if self.sources.len() == before {
                return Err(InputError::NoManifests { path: name });
            }
            Ok(())
        } else {
            self.file(path)
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), InputError> {
        let name = || folder.display().to_string();
        if depth > MAX_DEPTH {
            return Err(InputError::TooDeep { path: name() });
        }
        let io = |source| InputError::Io {
            path: name(),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entries.len() > MAX_FILES {
                return Err(InputError::TooManyFiles { path: name() });
            }
            entries.push((entry.path(), entry.file_type().map_err(io)?));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (path, kind) in entries {
            if is_hidden(&path) {
                continue;
            }
            if kind.is_dir() {
                self.folder(&path, depth + 1)?;
            } else if is_manifest(&path) && fs::metadata(&path).is_ok_and(|m| m.is_file()) {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), InputError> {
        if let Ok(identity) = path.canonicalize()
            && !self.seen.insert(identity)
        {
            return Ok(());
        }
        let bytes = read_bytes(path, MAX_FILE_BYTES)?;
        self.keep(path.display().to_string(), bytes)
    }

    fn keep(&mut self, name: String, bytes: Vec<u8>) -> Result<(), InputError> {
        self.total += bytes.len() as u64;
        if self.total > MAX_TOTAL_BYTES {
            return Err(InputError::TotalTooLarge { path: name });
        }
        if self.sources.len() >= MAX_FILES {
            return Err(InputError::TooManyFiles { path: name });
        }
        let text = String::from_utf8(bytes).map_err(|error| InputError::NotText {
            path: name.clone(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        self.sources.push(Source { name, text });
        Ok(())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            matches!(
                extension.to_ascii_lowercase().as_str(),
                "yaml" | "yml" | "json"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn names(folder: &Path, sources: &[Source]) -> Vec<String> {
        let prefix = format!("{}/", folder.display());
        sources
            .iter()
            .map(|source| source.name.replace(&prefix, ""))
            .collect()
    }

    #[test]
    fn a_folder_is_read_in_name_order_without_hidden_and_foreign_files() {
        let folder = folder(&[
            ("b.yml", b"b"),
            ("a/z.json", b"z"),
            ("c.yaml", b"c"),
            (".git/x.yaml", b"x"),
            ("README.md", b"no"),
        ]);
        let sources = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(
            names(folder.path(), &sources),
            ["a/z.json", "b.yml", "c.yaml"]
        );
    }

    #[test]
    fn a_file_named_twice_is_read_once() {
        let folder = folder(&[("a.yaml", b"a")]);
        let sources = read(&[folder.path().to_owned(), folder.path().join("a.yaml")]).unwrap();
        assert_eq!(sources.len(), 1);
    }

    #[test]
    fn a_folder_that_contains_itself_ends() {
        let folder = folder(&[("a.yaml", b"a")]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert_eq!(read(&[folder.path().to_owned()]).unwrap().len(), 1);
    }

    #[test]
    fn a_device_is_not_opened() {
        let error = read(&[PathBuf::from("/dev/zero")]).unwrap_err();
        assert!(matches!(error, InputError::Special { .. }), "{error}");
    }

    #[test]
    fn what_is_not_text_is_refused_with_the_byte() {
        let folder = folder(&[("a.yaml", b"ok\xff")]);
        let error = read(&[folder.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("byte 2"), "{error}");
    }

    #[test]
    fn a_file_over_its_limit_is_refused() {
        let folder = folder(&[("a.wasm", b"12345")]);
        let path = folder.path().join("a.wasm");
        assert_eq!(read_bytes(&path, 5).unwrap(), b"12345");
        assert!(matches!(
            read_bytes(&path, 4),
            Err(InputError::TooLarge { .. })
        ));
    }

    #[test]
    fn an_empty_folder_says_what_was_looked_for() {
        let folder = folder(&[("README.md", b"")]);
        let error = read(&[folder.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("*.yaml"), "{error}");
    }

    #[test]
    fn standard_input_can_be_read_once() {
        let mut reader = Reader::default();
        reader.stdin(&mut "kind: Pod".as_bytes()).unwrap();
        assert_eq!(reader.sources[0].name, "<stdin>");
        assert!(matches!(
            reader.stdin(&mut "".as_bytes()),
            Err(InputError::StdinTwice)
        ));
    }
}
