//! Files of a state folder: read within bounds, replaced as a whole.
//!
//! Each change is one rename, so whoever reads, at whatever moment, sees the value before or the value
//! after it. Nothing is synced to disk: a process that is killed loses nothing by that, and a machine
//! that goes down takes the settings of real hardware with it, too.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// What half-made and half-removed things are called; nobody looks at them.
const UNFINISHED: &str = ".unfinished-";

/// The most entries of one folder that are looked at.
const MOST_ENTRIES: usize = 4096;

/// The text of a file without the white space around it; `None`: there is no such file.
pub(super) fn read(file: &Path, most: u64) -> io::Result<Option<String>> {
    let open = match fs::File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !open.metadata()?.is_file() {
        return Err(invalid("is no plain file"));
    }
    let mut text = String::new();
    open.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(invalid(&format!("is larger than {most} bytes")));
    }
    Ok(Some(text.trim().to_owned()))
}

/// Replaces a file as a whole; folders above it are made.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    let unfinished = unfinished(file)?;
    let mut made = fs::File::create(&unfinished)?;
    made.write_all(text.as_bytes())?;
    if !text.is_empty() {
        made.write_all(b"\n")?;
    }
    fs::rename(unfinished, file)
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    found(fs::remove_file(file))
}

/// Makes a folder with these files in it, all at once. There must be no such folder.
pub(super) fn make(folder: &Path, files: &[(String, String)]) -> io::Result<()> {
    let unfinished = unfinished(folder)?;
    found(fs::remove_dir_all(&unfinished))?;
    fs::create_dir(&unfinished)?;
    for (name, text) in files {
        write(&unfinished.join(name), text)?;
    }
    fs::rename(unfinished, folder)
}

/// Removes a folder, all at once; one that is not there is fine.
pub(super) fn unmake(folder: &Path) -> io::Result<()> {
    let unfinished = unfinished(folder)?;
    found(fs::remove_dir_all(&unfinished))?;
    found(fs::rename(folder, &unfinished))?;
    found(fs::remove_dir_all(unfinished))
}

/// The names in a folder, sorted, without what is unfinished; none where there is no folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| !name.starts_with(UNFINISHED)) {
            names.push(name.to_owned());
        }
        if names.len() > MOST_ENTRIES {
            return Err(invalid(&format!("holds more than {MOST_ENTRIES} entries")));
        }
    }
    names.sort();
    Ok(names)
}

/// Removes what a process that was killed left half-done, in a folder and those below it.
pub(super) fn sweep(folder: &Path, depth: usize) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.take(MOST_ENTRIES) {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        let unfinished = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(UNFINISHED.as_bytes());
        match (unfinished, is_folder) {
            (true, true) => found(fs::remove_dir_all(entry.path()))?,
            (true, false) => remove(&entry.path())?,
            (false, true) if depth > 0 => sweep(&entry.path(), depth - 1)?,
            (false, _) => {}
        }
    }
    Ok(())
}

/// Where something is made before it is renamed to its place, in a folder that is there.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(invalid("is no path of a file"));
    };
    fs::create_dir_all(folder)?;
    let mut unfinished = std::ffi::OsString::from(UNFINISHED);
    unfinished.push(name);
    Ok(folder.join(unfinished))
}

fn found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_and_goes_as_a_whole_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mig/0-4");
        make(&folder, &[("profile".to_owned(), "3g.20gb".to_owned())]).unwrap();
        assert_eq!(names(&root.path().join("mig")).unwrap(), ["0-4"]);
        let profile = read(&folder.join("profile"), 64).unwrap();
        assert_eq!(profile.as_deref(), Some("3g.20gb"));
        unmake(&folder).unwrap();
        unmake(&folder).unwrap();
        assert_eq!(fs::read_dir(root.path().join("mig")).unwrap().count(), 0);
    }

    #[test]
    fn what_was_left_half_done_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let half = root.path().join("gpu-0/.unfinished-mig");
        fs::create_dir_all(half.join("deep")).unwrap();
        fs::write(root.path().join(".unfinished-x"), "").unwrap();
        fs::write(root.path().join("gpu-0/kept"), "").unwrap();
        sweep(root.path(), 4).unwrap();
        assert_eq!(names(root.path()).unwrap(), ["gpu-0"]);
        assert_eq!(fs::read_dir(root.path().join("gpu-0")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_over_its_limit_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("health");
        fs::write(&file, "x".repeat(65)).unwrap();
        assert!(read(&file, 64).is_err());
        assert!(read(&root.path().join("none"), 64).unwrap().is_none());
        assert!(read(root.path(), 64).is_err());
    }
}
