//! Finds what C source declares and calls. No C parser: it knows as much of C as the header and the
//! C tests use.

use std::collections::BTreeSet;

/// The names that a header defines.
#[derive(Debug, Default)]
pub struct Declarations {
    pub functions: BTreeSet<String>,
    /// Names of typedefs, and tags of structs and enums.
    pub types: BTreeSet<String>,
    pub constants: BTreeSet<String>,
    pub macros: BTreeSet<String>,
}

impl Declarations {
    /// Of the text of a header.
    pub fn of(header: &str) -> Self {
        let text = without_comments(header);
        let mut found = Self { macros: macros(&text), ..Self::default() };
        let tokens = tokens(&without_directives(&text));
        // `extern "C" {` is no scope of its own.
        for declaration in top_level(&tokens) {
            found.add(declaration);
        }
        found
    }

    /// One declaration with the semicolon left out.
    fn add(&mut self, tokens: &[String]) {
        let keyword = |index: usize| tokens.get(index).map(String::as_str);
        if keyword(0) == Some("typedef") {
            self.types.extend(tokens.last().cloned());
        }
        for pair in tokens.windows(2) {
            if matches!(&*pair[0], "struct" | "enum" | "union") && is_name(&pair[1]) {
                self.types.insert(pair[1].clone());
            }
        }
        let brace = tokens.iter().position(|token| token == "{");
        match (brace, tokens.iter().position(|token| token == "(")) {
            (Some(brace), _) if tokens[..brace].iter().any(|token| token == "enum") => {
                self.constants.extend(enumerators(&tokens[brace..]));
            }
            (None, Some(parameters)) if parameters > 0 => {
                self.functions.insert(tokens[parameters - 1].clone());
            }
            _ => {}
        }
    }
}

/// The names that are followed by an opening parenthesis.
pub fn calls(source: &str) -> BTreeSet<String> {
    let tokens = tokens(&without_comments(source));
    let calls = tokens.windows(2).filter(|pair| is_name(&pair[0]) && pair[1] == "(");
    calls.map(|pair| pair[0].clone()).collect()
}

/// Strings stay: none in our sources holds the sign of a comment.
fn without_comments(source: &str) -> String {
    let mut rest = source;
    let mut text = String::new();
    while let Some(start) = rest.find("/*") {
        text.push_str(&rest[..start]);
        text.push(' ');
        let end = rest[start..].find("*/").expect("a comment ends");
        rest = &rest[start + end + 2..];
    }
    text.push_str(rest);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn macros(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix('#'));
    let definitions = lines.filter_map(|line| line.trim_start().strip_prefix("define "));
    definitions.filter_map(|rest| tokens(rest).into_iter().next()).collect()
}

/// Without lines for the preprocessor, and those that continue them.
fn without_directives(text: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        let directive = inside || line.trim_start().starts_with('#');
        inside = directive && line.trim_end().ends_with('\\');
        !directive
    };
    text.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Names and numbers as wholes, strings as one, everything else sign by sign.
fn tokens(text: &str) -> Vec<String> {
    let word = |sign: &char| sign.is_ascii_alphanumeric() || *sign == '_';
    let mut tokens = Vec::new();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let mut token = String::from(sign);
        if word(&sign) {
            while let Some(more) = signs.next_if(word) {
                token.push(more);
            }
        } else if sign == '"' {
            let mut escaped = false;
            for more in signs.by_ref() {
                token.push(more);
                if more == '"' && !escaped {
                    break;
                }
                escaped = more == '\\' && !escaped;
            }
        }
        if !sign.is_whitespace() {
            tokens.push(token);
        }
    }
    tokens
}

/// The declarations outside of all braces.
fn top_level(tokens: &[String]) -> Vec<&[String]> {
    let is_linkage = |window: &[String]| window[0] == "extern" && window[1] == "\"C\"";
    let tokens = match tokens.windows(2).position(is_linkage) {
        // What stands before it has been closed by then: types, and declarations of nothing else.
        Some(at) => [&tokens[..at], &tokens[at + 3..]],
        None => [tokens, &[]],
    };
    tokens.into_iter().flat_map(declarations).collect()
}

fn declarations(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    tokens
        .split(|token| {
            depth += i32::from(token == "{") - i32::from(token == "}");
            depth <= 0 && token == ";"
        })
        .collect()
}

/// In the body of an enum: the names that stand first or after a comma.
fn enumerators(body: &[String]) -> Vec<String> {
    let starts = body.windows(2).filter(|pair| matches!(&*pair[0], "{" | ",") && is_name(&pair[1]));
    starts.map(|pair| pair[1].clone()).collect()
}
