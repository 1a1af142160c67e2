//! Requests and their golden responses, as stored in the files `tests/golden/*/*.cases`.
//!
//! ```text
//! === name of the case
//! about: what it shows
//! key: value                           (what else the test wants to know)
//! >>>
//! the request, without the line end before `<<<`; \r, \n, \t, \\, \u{1F600}, bytes as \xE9, and \*3<ab> for ababab
//! <<<
//! the answer
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One request and its answer.
pub(crate) struct Case<'a> {
    /// The lines from the name to before `>>>`.
    head: &'a str,
    pub(crate) request: &'a str,
    pub(crate) expected: String,
}

/// Compares the responses to all requests in a folder with the stored ones, and returns how many there are;
/// `UPDATE_GOLDEN=1` writes the answers that are given instead.
pub(crate) fn check_all(folder: &str, answer: impl Fn(&Case<'_>) -> String) -> usize {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut count, mut wrong) = (0, String::new());
    for path in files(folder) {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut rewritten = String::new();
        for mut case in cases(&text) {
            println!("{}", case.name());
            let answer = answer(&case);
            if answer != case.expected && !update {
                write!(wrong, "{}\n  expected: {}\n  answered: {answer}\n", case.name(), case.expected).unwrap();
            }
            case.expected = answer;
            case.write(&mut rewritten);
            count += 1;
        }
        if update {
            std::fs::write(&path, rewritten).unwrap();
        } else {
            assert!(!wrong.is_empty() || rewritten == text, "{} is not in its canonical form", path.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    count
}

/// Fails if two cases in a folder have one name.
pub(crate) fn check_names(folder: &str) {
    let texts: Vec<_> = files(folder).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut names: Vec<_> =
        texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("=== ")).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The files of a folder in `tests/golden`.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    files
}

/// The cases of a file.
pub(crate) fn cases(text: &str) -> impl Iterator<Item = Case<'_>> {
    let text = text.strip_prefix("=== ").expect("a file begins with a case");
    text.split("\n=== ").map(|case| {
        let (head, rest) = case.split_once("\n>>>\n").expect("a case has a request");
        let (request, expected) = rest.split_once("\n<<<\n").expect("a case has an answer, if only an empty one");
        Case { head, request, expected: expected.trim_end_matches('\n').to_owned() }
    })
}

impl Case<'_> {
    pub(crate) fn name(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// What stands behind a key.
    pub(crate) fn line(&self, key: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }

    /// The settings behind a key, as the inside of a TOML table.
    pub(crate) fn table<T: serde::de::DeserializeOwned + Default>(&self, key: &str) -> T {
        #[derive(serde::Deserialize)]
        struct Table<T> {
            it: T,
        }
        let read = |line| toml::from_str::<Table<T>>(&format!("it = {{ {line} }}")).expect("a table of settings");
        self.line(key).map_or_else(T::default, |line| read(line).it)
    }

    /// The request's bytes, its escapes replaced.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        unescaped(self.request)
    }

    /// The same, in the encoding of UTF-16 that the key `as` names, if it does.
    pub(crate) fn request_bytes(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let utf16 = || String::from_utf8(bytes.clone()).unwrap().encode_utf16().collect::<Vec<_>>();
        match self.line("as") {
            None => bytes,
            Some("utf-16le") => utf16().into_iter().flat_map(u16::to_le_bytes).collect(),
            Some("utf-16be") => utf16().into_iter().flat_map(u16::to_be_bytes).collect(),
            Some(other) => panic!("no way to write {other}"),
        }
    }

    fn write(&self, to: &mut String) {
        let gap = if to.is_empty() { "" } else { "\n" };
        writeln!(to, "{gap}=== {}\n>>>\n{}\n<<<\n{}", self.head, self.request, self.expected).unwrap();
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (escaped, length) = escape(after);
        bytes.extend_from_slice(&escaped);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn escape(after: &str) -> (Vec<u8>, usize) {
    match after.as_bytes() {
        [b'r', ..] => (vec![b'\r'], 1),
        [b'n', ..] => (vec![b'\n'], 1),
        [b't', ..] => (vec![b'\t'], 1),
        [b'\\', ..] => (vec![b'\\'], 1),
        [b'x', ..] => (vec![u8::from_str_radix(&after[1..3], 16).expect("two hexadecimal digits")], 3),
        [b'u', b'{', ..] => {
            let end = after.find('}').expect("the end of a code point");
            let code = u32::from_str_radix(&after[2..end], 16).expect("a code point");
            (char::from_u32(code).expect("a character").to_string().into_bytes(), end + 1)
        }
        [b'*', ..] => {
            let (count, rest) = after[1..].split_once('<').expect("what is repeated");
            let (repeated, _) = rest.split_once('>').expect("the end of what is repeated");
            let length = 1 + count.len() + 1 + repeated.len() + 1;
            (unescaped(repeated).repeat(count.parse().expect("how often")), length)
        }
        _ => panic!("no escape begins \\{}", &after[..1]),
    }
}
