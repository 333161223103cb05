//! The header for C: that it says what the source says, and that every C and C++ compiler takes it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The files that the header is made of, in the order in which a reader meets them.
const PARTS: [&str; 28] = [
    "status",
    "error",
    "value",
    "boundary/arguments",
    "library",
    "options",
    "store",
    "rename",
    "maintenance",
    "verify",
    "point",
    "expiry",
    "merge/operator",
    "merge/builtin",
    "merge/mod",
    "batch",
    "batch_expiry",
    "iterator",
    "snapshot",
    "transaction/mod",
    "count",
    "delete_range",
    "watch",
    "changes",
    "progress",
    "backup",
    "dump",
    "stats",
];

const C_STANDARDS: [&str; 3] = ["c99", "c11", "c17"];
const CPP_STANDARDS: [&str; 4] = ["c++11", "c++14", "c++17", "c++20"];
const COMPILERS: [(&str, &str); 2] = [("gcc", "g++"), ("clang", "clang++")];
const WARNINGS: [&str; 5] = ["-pedantic", "-Wall", "-Wextra", "-Wundef", "-Werror"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header_path() -> PathBuf {
    root().join("include/sledstore.h")
}

/// The header that is checked in. With SLEDSTORE_UPDATE_HEADER=1, which `make header` sets, it is
/// written anew first.
fn header() -> &'static str {
    static HEADER: LazyLock<String> = LazyLock::new(|| {
        if env::var_os("SLEDSTORE_UPDATE_HEADER").is_some_and(|value| value == "1") {
            fs::create_dir_all(root().join("include")).expect("include/ can be made");
            fs::write(header_path(), generate()).expect("include/sledstore.h can be written");
        }
        fs::read_to_string(header_path()).expect("include/sledstore.h is there: run `make header`")
    });
    &HEADER
}

/// The header as it follows from the source.
fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml"));
    let mut config = config.expect("cbindgen.toml is in order");
    config.after_includes = config.after_includes.map(|text| {
        text.replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
            .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
            .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"))
    });
    let source = |part: &str| root().join("src/capi").join(part).with_extension("rs");
    let builder =
        PARTS.iter().fold(cbindgen::Builder::new(), |builder, part| builder.with_src(source(part)));
    let mut text = Vec::new();
    builder.with_config(config).generate().expect("the source is in order").write(&mut text);
    String::from_utf8(text).expect("the header is UTF-8")
}

#[test]
fn the_header_is_up_to_date() {
    let generated = generate();
    let first_difference = header()
        .lines()
        .zip(generated.lines())
        .position(|(checked_in, generated)| checked_in != generated);
    assert!(
        header() == generated,
        "include/sledstore.h differs from the source, first in line {}: run `make header`",
        first_difference.map_or("after its end".into(), |line| (line + 1).to_string()),
    );
}

#[test]
fn all_names_start_with_the_prefix() {
    let header = header();
    let defined = header.lines().filter_map(|line| line.trim_start().strip_prefix("#define "));
    let macros = defined.map(|rest| rest.split([' ', '(']).next().expect("split gives a part"));
    let types = header.lines().filter(|line| !line.contains("//")).filter_map(|line| {
        let name = line.strip_prefix("} ").or(line.strip_prefix("typedef struct "))?;
        name.trim_end_matches([';', '{', ' ']).split_whitespace().last()
    });
    let functions = header.split("\nSLEDSTORE_API").skip(1).filter_map(|declaration| {
        let before_parameters = declaration.split('(').next()?;
        before_parameters.split([' ', '*', '\n']).next_back()
    });
    let (macros, types, functions): (Vec<_>, Vec<_>, Vec<_>) =
        (macros.collect(), types.collect(), functions.collect());
    assert!(macros.len() > 20 && types.len() > 5 && functions.len() > 50, "the names were found");
    for name in macros.iter() {
        assert!(name.starts_with("SLEDSTORE_"), "macro {name}");
    }
    for name in types.iter().chain(&functions) {
        assert!(name.starts_with("sledstore"), "name {name}");
    }
}

#[test]
fn the_manual_speaks_c() {
    for word in ["Rust", "Option<", "Result<", "Vec<", "&str", "`Self", "[`", "unwrap", "SAFETY"] {
        assert!(!header().contains(word), "the header says {word}");
    }
}

/// Every function says what it returns, which threads may call it, and since when it is there.
#[test]
fn every_function_is_documented_in_full() {
    let documented = header().split("/**").skip(1);
    let functions: Vec<(&str, &str)> = documented
        .filter_map(|item| item.split_once("*/"))
        .filter(|(_, declaration)| declaration.trim_start().starts_with("SLEDSTORE_API"))
        .collect();
    assert_eq!(functions.len(), header().matches("\nSLEDSTORE_API").count(), "each has a comment");
    for (manual, declaration) in functions {
        let returns_status = declaration.split_whitespace().nth(1) == Some("sledstore_status");
        let tells_statuses = manual.contains("Statuses:") || manual.contains("@return");
        assert!(tells_statuses, "statuses of {declaration}");
        assert!(returns_status || manual.contains("@return"), "result of {declaration}");
        assert!(manual.contains("Threads:"), "threads of {declaration}");
        let words: Vec<&str> = manual.split_whitespace().filter(|word| *word != "*").collect();
        assert!(words.join(" ").contains("Since 0."), "version of {declaration}");
    }
}

/// A directory with C sources in it, removed at the end.
struct Sources(tempfile::TempDir);

impl Sources {
    fn new() -> Self {
        Sources(tempfile::tempdir().expect("a temporary directory"))
    }

    fn compile(&self, compiler: &str, standard: &str, name: &str, source: &str) {
        let file = self.0.path().join(name);
        fs::write(&file, source).expect("the source can be written");
        let output = Command::new(compiler)
            .args(WARNINGS)
            .arg(format!("-std={standard}"))
            .arg("-fsyntax-only")
            .arg("-I")
            .arg(root().join("include"))
            .arg(&file)
            .output()
            .expect("the compiler was there a moment ago");
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compiler} -std={standard} {name}:\n{messages}");
    }
}

fn is_installed(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Compiles a source with every compiler in every standard.
fn compile_everywhere(for_c: &str, for_cpp: &str) {
    assert!(!header().is_empty());
    let sources = Sources::new();
    let mut compiled = 0;
    for (c, cpp) in COMPILERS {
        for (compiler, standards, name, source) in [
            (c, &C_STANDARDS[..], "source.c", for_c),
            (cpp, &CPP_STANDARDS[..], "source.cpp", for_cpp),
        ] {
            if !is_installed(compiler) {
                eprintln!("NOTE: {compiler} is not installed: the header was not tried with it");
                continue;
            }
            for standard in standards {
                sources.compile(compiler, standard, name, source);
                compiled += 1;
            }
        }
    }
    assert!(compiled > 0, "neither gcc nor clang is installed");
}

#[test]
fn it_compiles_alone_and_twice() {
    let source = "#include <sledstore.h>\n#include <sledstore.h>\nint main(void) { return 0; }\n";
    compile_everywhere(source, source);
}

#[test]
fn its_macros_have_the_values_that_they_should() {
    let source = USES_EVERY_MACRO.replace("@STRING@", env!("CARGO_PKG_VERSION"));
    compile_everywhere(
        &format!("#define CHECK(name, it) typedef char name[(it) ? 1 : -1]\n{source}"),
        &format!("#define CHECK(name, it) static_assert(it, #name)\n{source}"),
    );
}

const USES_EVERY_MACRO: &str = r#"
#include <sledstore.h>
CHECK(string, sizeof(SLEDSTORE_VERSION_STRING) == sizeof("@STRING@"));
CHECK(number, SLEDSTORE_VERSION_NUMBER == SLEDSTORE_VERSION_MAJOR * 1000000
    + SLEDSTORE_VERSION_MINOR * 1000 + SLEDSTORE_VERSION_PATCH);
CHECK(never, SLEDSTORE_FLUSH_NEVER == UINT32_MAX);
CHECK(open_flags, (SLEDSTORE_OPEN_MUST_EXIST | SLEDSTORE_OPEN_MUST_CREATE
    | SLEDSTORE_OPEN_COMPRESSION | SLEDSTORE_OPEN_TEMPORARY
    | SLEDSTORE_OPEN_SALVAGE) == 31);
CHECK(modes, SLEDSTORE_MODE_LOW_SPACE == 1 && SLEDSTORE_MODE_HIGH_THROUGHPUT == 2);
CHECK(durability, SLEDSTORE_DURABILITY_BUFFERED == 1 && SLEDSTORE_DURABILITY_SYNCED == 2);
CHECK(iter_flags, (SLEDSTORE_ITER_LOWER_EXCLUSIVE | SLEDSTORE_ITER_UPPER_INCLUSIVE
    | SLEDSTORE_ITER_KEYS_ONLY) == 7);
CHECK(kinds, SLEDSTORE_KIND_STORE == 1 && SLEDSTORE_KIND_BATCH == 2 && SLEDSTORE_KIND_ITER == 3
    && SLEDSTORE_KIND_VALUE == 4 && SLEDSTORE_KIND_ERROR == 5
    && SLEDSTORE_KIND_SNAPSHOT == 6 && SLEDSTORE_KIND_TXN == 7
    && SLEDSTORE_KIND_WATCH == 8
    && SLEDSTORE_KIND_CHANGES == 9 && SLEDSTORE_CHANGE_DROP_KEYSPACE == 4);
CHECK(events, SLEDSTORE_EVENT_INSERT == 1 && SLEDSTORE_EVENT_LOST == 5
    && SLEDSTORE_WAIT_FOREVER == UINT32_MAX && sizeof(sledstore_event) == 64);
CHECK(statuses, SLEDSTORE_OK == 0 && SLEDSTORE_OTHER == -12 && SLEDSTORE_END == 100
    && SLEDSTORE_INVALID_ARGUMENT == -100 && SLEDSTORE_READ_ONLY_FILESYSTEM == -110);
CHECK(status_size, sizeof(sledstore_status) == 4);
CHECK(bytes_size, sizeof(sledstore_bytes) == 16 && sizeof(sledstore_pair) == 32);
CHECK(options_size, sizeof(sledstore_open_options) == 80 && sizeof(sledstore_iter_options) == 64
    && sizeof(sledstore_txn_callback) == 32 && sizeof(sledstore_merge_operator) == 32);
sledstore_status use(sledstore_error **error);
sledstore_status use(sledstore_error **error) {
  sledstore_open_options open = SLEDSTORE_OPEN_OPTIONS_INIT;
  sledstore_iter_options iter = SLEDSTORE_ITER_OPTIONS_INIT;
  sledstore_watch_options watch = SLEDSTORE_WATCH_OPTIONS_INIT;
  sledstore *store;
  sledstore_status status;
  open.flags = SLEDSTORE_OPEN_MUST_EXIST | SLEDSTORE_OPEN_TEMPORARY;
  open.flush_every_ms = SLEDSTORE_FLUSH_NEVER;
  iter.flags = SLEDSTORE_ITER_KEYS_ONLY;
  status = sledstore_open("directory", &open, &store, error);
  if (watch.max_bytes) return SLEDSTORE_OK;
  return sledstore_status_is_retryable(status) && iter.flags ? SLEDSTORE_OK : status;
}
"#;

/// The example in the manual, without the comment around it.
#[test]
fn the_example_compiles() {
    let header = header();
    let example = header.split("EXAMPLE").nth(1).and_then(|rest| rest.split(" * STATUSES").next());
    let lines = example.expect("the header has an example").lines();
    let code: Vec<&str> = lines.filter_map(|line| line.strip_prefix(" *     ")).collect();
    assert!(code.len() > 10, "the example was found");
    let code = code.join("\n") + "\n";
    let as_cpp = "int main() { return 0; }\n"; // It is C: in C++ nobody would write it with goto.
    compile_everywhere(&code, as_cpp);
}
