//! The page that lists the hazards names tests; those have to be there.

use std::path::{Path, PathBuf};

/// Where the source of a test may be that is called `target::module::name`, `target::name`, or, inside
/// the engine room itself, `engine::module::tests::name`.
fn places(parts: &[&str]) -> Vec<PathBuf> {
    match parts {
        ["engine", module, "tests", _] => vec![format!("src/engine/{module}.rs").into()],
        ["c", module, _] => vec![format!("c-tests/{module}.c").into()],
        [target, module, _] => vec![format!("tests/{target}/{module}.rs").into()],
        [target, _] => {
            vec![format!("tests/{target}.rs").into(), format!("tests/{target}/main.rs").into()]
        }
        _ => Vec::new(),
    }
}

fn is_there(name: &str) -> bool {
    let parts: Vec<_> = name.split("::").collect();
    let last = parts.last().expect("a name has parts");
    let wanted = [format!("fn {last}()"), format!("TEST({last})")];
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts =
        places(&parts).into_iter().filter_map(|it| std::fs::read_to_string(package.join(it)).ok());
    texts.into_iter().any(|text| wanted.iter().any(|wanted| text.contains(wanted)))
}

#[test]
fn every_test_that_the_list_of_hazards_names_is_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/engine.md");
    let text = std::fs::read_to_string(page).expect("the list of hazards");
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let names: Vec<_> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|name| name.contains("::") && !name.starts_with("SledStore::"))
        .collect();
    assert!(names.len() > 40, "the list names tests: {}", names.len());
    let missing: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
