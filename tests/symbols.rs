//! Four lists of functions have to be the same: what the shared library exports, what the header
//! declares, what the C tests call, and `c-tests/functions.txt`, which is kept by hand so that
//! nothing joins or leaves the ABI by accident.

mod c_library;
#[path = "c_library/declarations.rs"]
mod declarations;

use std::collections::BTreeSet;
use std::fs;

use c_library::{built_library, c_files, package};
use declarations::Declarations;
use object::elf::{DF_1_NODELETE, DT_FLAGS_1, DT_SONAME};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};

type Names = BTreeSet<String>;

fn read(path: &str) -> String {
    fs::read_to_string(package().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The functions that are called, or handed on, in the C tests.
fn called() -> Names {
    let functions = declared().functions;
    let files = c_files();
    let texts = files.iter().map(|file| fs::read_to_string(file).expect("a C file is text"));
    texts.flat_map(|text| declarations::calls(&text)).filter(|it| functions.contains(it)).collect()
}

fn declared() -> Declarations {
    Declarations::of(&read("include/sledstore.h"))
}

/// The golden list: one name a line.
fn golden() -> Vec<String> {
    read("c-tests/functions.txt").lines().map(str::to_owned).collect()
}

/// What the shared library exports.
fn exported(library: &[u8]) -> Names {
    let file = object::File::parse(library).expect("the library can be read");
    let symbols = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    symbols.map(|symbol| symbol.name().expect("symbols have names").to_owned()).collect()
}

fn shared_library() -> Vec<u8> {
    fs::read(built_library("libsledstore.so")).expect("the library can be read")
}

/// Each difference, in words.
fn differences(what: &str, found: &Names, golden: &Names) -> Vec<String> {
    let missing = golden.difference(found).map(|name| format!("{name} is not {what}"));
    let added = found.difference(golden).map(|name| format!("{name} is {what}, but not listed"));
    missing.chain(added).collect()
}

#[test]
fn exports_header_tests_and_golden_list_agree() {
    let golden: Names = golden().into_iter().collect();
    assert!(golden.len() > 50, "the golden list was found");
    let lists = [
        ("exported", exported(&shared_library())),
        ("declared in the header", declared().functions),
        ("called by a C test", called()),
    ];
    let all: Vec<String> =
        lists.iter().flat_map(|(what, names)| differences(what, names, &golden)).collect();
    assert!(all.is_empty(), "compared with c-tests/functions.txt:\n{}", all.join("\n"));
}

#[test]
fn golden_list_is_in_order_without_repetition() {
    let golden = golden();
    assert!(golden.is_sorted_by(|one, next| one < next), "sort c-tests/functions.txt");
}

#[test]
fn exports_have_the_prefix() {
    let strangers: Vec<String> = (exported(&shared_library()).into_iter())
        .filter(|name| !name.starts_with("sledstore_"))
        .collect();
    assert!(strangers.is_empty(), "exported as well: {strangers:?}");
}

#[test]
fn header_defines_nothing_without_the_prefix() {
    let declared = declared();
    assert!(declared.functions.len() > 50 && declared.types.len() > 8, "{declared:?}");
    assert!(declared.constants.len() > 20 && declared.macros.len() > 20, "{declared:?}");
    let small = declared.functions.iter().chain(&declared.types);
    let large = declared.constants.iter().chain(&declared.macros);
    let strangers: Vec<&String> = small
        .filter(|name| !name.starts_with("sledstore_") && *name != "sledstore")
        .chain(large.filter(|name| !name.starts_with("SLEDSTORE_")))
        .collect();
    assert!(strangers.is_empty(), "the header also defines {strangers:?}");
}

/// What the dynamic section of the shared library says: its sonames and the second set of flags.
fn dynamic_section() -> (Vec<String>, u64) {
    let library = shared_library();
    let file = ElfFile64::<Endianness>::parse(&*library).expect("the library is 64-bit ELF");
    let table = file.elf_section_table().dynamic_table(file.endian(), &*library);
    let table = table.expect("the dynamic section can be read");
    let text = |entry| String::from_utf8_lossy(table.string(entry).expect("a string")).into_owned();
    let sonames = table.iter().filter(|entry| entry.tag == DT_SONAME).map(text).collect();
    let flags = table.iter().filter(|entry| entry.tag == DT_FLAGS_1).map(|entry| entry.val);
    (sonames, flags.fold(0, |all, some| all | some))
}

/// Programs find the library by this name, so it says which ABI it has.
#[test]
fn shared_library_has_its_soname() {
    assert_eq!(dynamic_section().0, ["libsledstore.so.0"]);
}

/// The engine's threads would run in memory that is no longer there.
#[test]
fn shared_library_stays_loaded() {
    assert_ne!(dynamic_section().1 & DF_1_NODELETE.0, 0);
}
