//! Dumps, and loading them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sledstore::{DumpFormat, Failure, Reason, SledStore, SledStoreBuilder, StoreError};

use crate::common::{assert_failed, assert_unsupported, ms, Fixture};
use crate::{content, fill, Content};

const FORMATS: [DumpFormat; 3] = [DumpFormat::Binary, DumpFormat::ByteValue, DumpFormat::Print];

fn dump(store: &SledStore, format: DumpFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.dump(format, &mut bytes).unwrap();
    bytes
}

fn loaded(bytes: &[u8]) -> Content {
    let fixture = Fixture::new();
    fixture.store.load(bytes).unwrap();
    let fixture = fixture.reopen();
    content(&fixture.store)
}

/// Loads, fails, and leaves everything as it was; what it says.
fn refused(fixture: &Fixture, bytes: &[u8]) -> String {
    let names = || {
        let entries = fs::read_dir(fixture.store.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        // Log files come and go.
        names.filter(|name| !name.to_string_lossy().starts_with("sledstore.log")).count()
    };
    let before = (names(), content(&fixture.store));
    let error = fixture.store.load(bytes).expect_err("it is refused");
    assert!((names(), content(&fixture.store)) == before, "something was kept");
    match error {
        StoreError::Corruption(text) | StoreError::Unsupported(text) => text,
        error => panic!("{error:?}"),
    }
}

#[test]
fn each_format_brings_every_row_and_expiry_of_every_keyspace() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    let expected = content(&fixture.store);
    for format in FORMATS {
        let bytes = dump(&fixture.store, format);
        assert!(loaded(&bytes) == expected, "{format:?}");
        assert!(dump(&fixture.store, format) == bytes, "the same store, the same dump");
    }
}

#[test]
fn a_dump_is_merged_into_what_is_there() {
    let (one, other) = (Fixture::new(), Fixture::new());
    one.store.put(b"a", b"new").unwrap();
    one.keyspace("k").put_with_ttl(b"b", b"new", ms(50)).unwrap();
    other.store.put_with_ttl(b"a", b"old", ms(5)).unwrap();
    other.store.put(b"c", b"old").unwrap();
    other.keyspace("k").put(b"b", b"old").unwrap();
    for format in FORMATS {
        let mut expected = content(&other.store);
        for (name, rows) in content(&one.store) {
            expected.entry(name).or_default().extend(rows);
        }
        other.store.load(&dump(&one.store, format)[..]).unwrap();
        assert!(content(&other.store) == expected, "{format:?}");
    }
    assert_eq!(other.store.ttl(b"a").unwrap(), None);
}

/// Writes to the store whenever it is given something.
struct Disturber<'a>(&'a SledStore, Vec<u8>);

impl Write for Disturber<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for number in 0..2_500_u32 {
            self.0.put(&number.to_be_bytes(), b"disturbed").unwrap();
        }
        self.0.delete(b"large").unwrap();
        self.0.compact().unwrap();
        self.1.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_dump_shows_one_moment_whatever_is_written_meanwhile() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    fixture.store.put(b"large", &vec![3; 100_000]).unwrap();
    let expected = content(&fixture.store);
    let mut disturber = Disturber(&fixture.store, Vec::new());
    fixture.store.dump(DumpFormat::Binary, &mut disturber).unwrap();
    let bytes = disturber.1;
    assert!(content(&fixture.store) != expected);
    assert!(loaded(&bytes) == expected);
}

/// Fails from its second write on, and must not be asked again.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        match self.0 {
            1 => Ok(bytes.len()),
            2 => Err(io::Error::from_raw_os_error(28)),
            _ => panic!("it has failed already"),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_receiver_answers_is_told() {
    let fixture = Fixture::new();
    fill(&fixture.store);
    for format in FORMATS {
        let error = assert_failed(fixture.store.dump(format, Full(0)), Reason::DiskFull);
        assert_eq!(Failure::of(&error).unwrap().os_code(), Some(28));
    }
}

#[test]
fn a_binary_stream_that_was_cut_or_altered_is_refused_and_nothing_is_kept() {
    let source = Fixture::new();
    source.store.put(b"key", b"value").unwrap();
    source.keyspace("k").put_with_ttl(b"mortal", b"value", ms(50)).unwrap();
    let bytes = dump(&source.store, DumpFormat::Binary);
    let fixture = Fixture::new();
    fixture.store.put(b"own", b"own").unwrap();
    for length in 0..bytes.len() {
        let text = refused(&fixture, &bytes[..length]);
        assert!(text.contains("byte "), "cut at {length}: {text}");
    }
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let text = refused(&fixture, &altered);
        assert!(text.contains("byte "), "altered at {place}: {text}");
    }
    let text = refused(&fixture, &[&bytes[..], b"more"].concat());
    assert!(text.contains(&format!("byte {} of", bytes.len())), "{text}");
    fixture.store.load(&bytes[..]).unwrap();
    assert_eq!(fixture.store.count().unwrap(), 2);
}

#[test]
fn blocks_of_a_binary_stream_that_are_left_out_or_exchanged_are_found() {
    let source = Fixture::new();
    for number in 0..20_000_u32 {
        source.store.put(&number.to_be_bytes(), &[7; 20]).unwrap();
    }
    let bytes = dump(&source.store, DumpFormat::Binary);
    let mut blocks = vec![16];
    while blocks.last().unwrap() < &bytes.len() {
        let begin = *blocks.last().unwrap();
        let length = u32::from_le_bytes(bytes[begin + 1..begin + 5].try_into().unwrap());
        blocks.push(begin + 9 + length as usize);
    }
    assert!(blocks.len() > 6);
    let block = |at: usize| &bytes[blocks[at]..blocks[at + 1]];
    let fixture = Fixture::new();
    let (head, rest) = (&bytes[..blocks[2]], &bytes[blocks[4]..]);
    assert!([head, block(2), block(3), rest].concat() == bytes);
    for altered in [[head, block(3), block(2), rest].concat(), [head, block(3), rest].concat()] {
        let text = refused(&fixture, &altered);
        assert!(text.contains(&format!("byte {} of", blocks[2])), "{text}");
    }
}

#[test]
fn a_text_that_was_cut_inside_of_a_section_is_refused_and_nothing_is_kept() {
    let source = Fixture::new();
    source.store.put(b"key", b"va\\lue\n").unwrap();
    let fixture = Fixture::new();
    for format in [DumpFormat::ByteValue, DumpFormat::Print] {
        let bytes = dump(&source.store, format);
        for length in 0..bytes.len() - 1 {
            let text = refused(&fixture, &bytes[..length]);
            assert!(text.contains("byte "), "cut at {length}: {text}");
        }
    }
}

#[test]
fn texts_that_no_store_can_have_are_refused_with_the_place() {
    let fixture = Fixture::new();
    let text =
        |header: &str, data: &str| format!("VERSION=3\n{header}HEADER=END\n{data}DATA=END\n");
    let good = "format=bytevalue\ntype=btree\n";
    fixture.store.load(text(good, " 61\n 62\n").as_bytes()).unwrap();
    assert_eq!(fixture.store.get(b"a").unwrap().as_deref(), Some(&b"b"[..]));
    // As db_dump writes a backslash.
    let backslash = text("format=print\n", " x\\\\y\n \\\\\n");
    fixture.store.load(backslash.as_bytes()).unwrap();
    assert_eq!(fixture.store.get(b"x\\y").unwrap().as_deref(), Some(&b"\\"[..]));
    let cases = [
        ("VERSION=2\n".to_string() + &text(good, ""), "byte 0 of"),
        (text("format=bytevalue\ntype=recno\n", ""), "byte 27 of"),
        (text("format=bytevalue\nduplicates=1\n", ""), "byte 27 of"),
        (text("format=other\n", ""), "byte 10 of"),
        (text("type=btree\n", ""), "byte 21 of"),
        (text("format\n", ""), "byte 10 of"),
        (text("format=bytevalue\ndatabase=__mark__\n", ""), "__mark__"),
        (text("format=bytevalue\ndatabase=\n", ""), "it is empty"),
        (text(good, " 6\n 62\n"), "byte 49 of"),
        (text(good, " 6x\n 62\n"), "byte 49 of"),
        (text(good, "61\n 62\n"), "byte 49 of"),
        (text(good, " 61\n"), "byte 53 of"),
        (text("format=print\ntype=btree\n", " a\n \\6\n"), "byte 48 of"),
        (text(good, &format!(" {}\n 62\n", "61".repeat(4097))), "4097 bytes"),
        ("nothing\n".into(), "byte 0 of"),
    ];
    for (text, wanted) in cases {
        let told = refused(&fixture, text.as_bytes());
        assert!(told.contains(wanted), "{text:.100}: {told}");
    }
}

#[test]
fn expiries_find_their_rows_in_whichever_order_the_sections_come() {
    let fixture = Fixture::new();
    let at = (crate::common::START + 70).to_le_bytes();
    let hex: String = at.iter().map(|byte| format!("{byte:02x}")).collect();
    let section = |name: &str, value: &str| {
        format!(
            "VERSION=3\nformat=bytevalue\ndatabase={name}\nHEADER=END\n 61\n {value}\nDATA=END\n"
        )
    };
    let (rows, lives) = (section("K", "62"), section("__ttl__:K", &hex));
    for text in [format!("{rows}{lives}"), format!("{lives}{rows}")] {
        fixture.store.drop_keyspace("K").unwrap();
        fixture.store.load(text.as_bytes()).unwrap();
        assert_eq!(fixture.keyspace("K").ttl(b"a").unwrap(), Some(ms(70)));
    }
    // Without a row, and with another length, an expiry is none.
    fixture.store.drop_keyspace("K").unwrap();
    fixture.store.load(lives.as_bytes()).unwrap();
    assert_eq!(fixture.keyspace("K").count().unwrap(), 0);
    let text = rows + &section("__ttl__:K", "00");
    fixture.store.load(text.as_bytes()).unwrap();
    assert_eq!(fixture.keyspace("K").ttl(b"a").unwrap(), None);
}

#[test]
fn names_with_line_breaks_are_for_the_binary_format() {
    let fixture = Fixture::new();
    fixture.keyspace("two\nlines").put(b"a", b"b").unwrap();
    for format in [DumpFormat::ByteValue, DumpFormat::Print] {
        let mut out = Vec::new();
        assert_unsupported(fixture.store.dump(format, &mut out));
        assert!(out.is_empty());
    }
    assert!(loaded(&dump(&fixture.store, DumpFormat::Binary)) == content(&fixture.store));
}

#[test]
fn a_store_that_must_not_change_takes_no_dump_and_one_that_is_restored_neither() {
    let fixture = Fixture::new();
    fixture.store.put(b"a", b"b").unwrap();
    let bytes = dump(&fixture.store, DumpFormat::Binary);
    let path = fixture.store.path().to_path_buf();
    fixture.store.close().unwrap();
    let store = SledStoreBuilder::new().read_only(true).build(path).unwrap();
    let refused = store.load(&bytes[..]);
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert!(dump(&store, DumpFormat::Binary) == bytes);
}

/// Runs a program of lmdb-utils; `None` if it is not installed.
fn lmdb(program: &str, arguments: &[&str], directory: &Path, input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).arg(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    writer.join().unwrap().unwrap();
    Some(output.stdout)
}

#[test]
fn lmdb_reads_what_we_dump_and_we_read_what_it_dumps() {
    let fixture = Fixture::new();
    // LMDB has neither empty keys nor long ones.
    for number in 0..3_000_u32 {
        let name = format!("K{}", number % 3);
        let keyspace = fixture.keyspace(&name);
        let key = [&number.to_be_bytes()[..], &[b'\\'; 3], &[0xFF; 200][..number as usize % 200]]
            .concat();
        match number % 5 {
            0 => keyspace.put_with_ttl(&key, b"", ms(u64::from(number) + 9)).unwrap(),
            1 => keyspace.put(&key, &vec![number as u8; 9_000]).unwrap(),
            _ => keyspace.put(&key, &key).unwrap(),
        }
        fixture.store.put_with_ttl(&key, b"in the default one", ms(1_000_000)).unwrap();
    }
    let expected = content(&fixture.store);
    for format in [DumpFormat::ByteValue, DumpFormat::Print] {
        let directory = crate::common::scratch();
        let bytes = dump(&fixture.store, format);
        if lmdb("mdb_load", &[], directory.path(), &bytes).is_none() {
            eprintln!("mdb_load is not installed: this test has shown nothing");
            return;
        }
        let back = lmdb("mdb_dump", &["-a"], directory.path(), b"").unwrap();
        assert!(back != bytes);
        assert!(loaded(&back) == expected, "{format:?}");
    }
    // A database without a name is the default keyspace.
    let directory = crate::common::scratch();
    let text = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n a\n b\n c\n d\\00\nDATA=END\n";
    lmdb("mdb_load", &[], directory.path(), text.as_bytes()).unwrap();
    // Not of backslashes: mdb_dump -p of 0.9.24 leaves them as they are, so that nobody can tell what they mean.
    let back = lmdb("mdb_dump", &["-p"], directory.path(), b"").unwrap();
    let rows = loaded(&back).remove(&b"default"[..]).unwrap();
    assert_eq!(
        rows.into_iter().map(|row| (row.0, row.1 .0)).collect::<Vec<_>>(),
        [(b"a".to_vec(), b"b".to_vec()), (b"c".to_vec(), b"d\0".to_vec()),]
    );
}
