//! The page that lists the hazards names a test for each; those have to be there, and to run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands between backquotes on the page.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether the page means a test of this package: `target::module::name` or `c::file::name`.
fn is_test(word: &str) -> bool {
    word.contains("::")
        && word != "c::"
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
}

/// The file that the test is to be in, and what it looks like there.
fn place(test: &str) -> (PathBuf, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match test.split("::").collect::<Vec<_>>()[..] {
        ["c", file, name] => (root.join(format!("c-tests/{file}.c")), format!("\nTEST({name})\n")),
        [target, name] => {
            let [alone, main] =
                [".rs", "/main.rs"].map(|end| root.join(format!("tests/{target}{end}")));
            (if alone.exists() { alone } else { main }, format!("\nfn {name}()"))
        }
        // Made by a macro from a list of names.
        ["powerloss", "survive", name] => {
            (root.join("tests/powerloss/workloads.rs"), format!("name: \"{name}\""))
        }
        [target, module, name] => {
            (root.join(format!("tests/{target}/{module}.rs")), format!("\nfn {name}()"))
        }
        // Inside the engine itself.
        ["engine", chapter, "tests", name] => {
            (root.join(format!("src/engine/{chapter}/mod.rs")), format!("fn {name}()"))
        }
        ["engine", chapter, module, "tests", name] => {
            (root.join(format!("src/engine/{chapter}/{module}.rs")), format!("fn {name}()"))
        }
        _ => panic!("`{test}` is no name of a test"),
    }
}

fn problem(test: &str) -> Option<String> {
    let (path, wanted) = place(test);
    let source = fs::read_to_string(&path).unwrap_or_default();
    let Some(found) = source.find(&wanted) else {
        return Some(format!("{test} is not in {}", path.display()));
    };
    let attributes = source[..found].rsplit("\n\n").next().unwrap_or_default();
    // The page says so of tests that fail as yet.
    let ignored = attributes.contains("#[ignore") && !attributes.contains("open");
    ignored.then(|| format!("{test} is ignored"))
}

#[test]
fn every_test_that_the_list_of_hazards_names_is_there_and_runs() {
    let page = include_str!("../../docs/engine.md");
    let tests: BTreeSet<&str> = quoted(page).filter(|word| is_test(word)).collect();
    assert!(tests.len() > 60, "the names are found: {tests:?}");
    let mut problems: Vec<String> = tests.into_iter().filter_map(problem).collect();
    let files = quoted(page).filter(|word| word.starts_with("tests/") || word.starts_with("src/"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    problems.extend(
        files.filter(|file| !root.join(file).exists()).map(|file| format!("{file} is not there")),
    );
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Each hazard has a test, or says that it is open.
#[test]
fn every_hazard_of_the_list_has_a_test_or_is_open() {
    let page = include_str!("../../docs/engine.md");
    let hazards: Vec<&str> = page.split("\n### ").skip(1).collect();
    assert!(hazards.len() > 50, "the hazards are found: {}", hazards.len());
    let is_bare = |hazard: &&&str| {
        let text = hazard.split("\n## ").next().unwrap_or_default();
        let shown = text.split("\nShown by ").nth(1).unwrap_or_default();
        let is_shown = quoted(shown).any(|word| is_test(word) || word.starts_with("tests/"));
        !is_shown && !text.contains("*open*")
    };
    let bare: Vec<_> = hazards.iter().filter(is_bare).filter_map(|it| it.lines().next()).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}
