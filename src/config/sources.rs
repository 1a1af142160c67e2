//! The files of a configuration: the main file, and those that it includes.
//!
//! Their texts are kept one after the other, so that a place in any of them is a range of bytes of one text. Each file is
//! parsed by itself, and the places of its keys and values are then moved to where the text of the file begins ([`shift`]).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::NamedFiles;

/// The texts of all files, and the files on which the configuration depends.
#[derive(Debug)]
pub(super) struct ConfigSources {
    pub(super) texts: SourceTexts,
    named: RefCell<BTreeSet<PathBuf>>,
    /// Texts from the environment and from files with secrets, which messages must not repeat.
    hidden: RefCell<Vec<String>>,
    /// The patterns of included files, and the folder of each.
    pub(super) patterns: Vec<(String, PathBuf)>,
}

/// The texts of all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SourceTexts {
    /// All texts, each but the last followed by a line break.
    text: String,
    /// The main file comes first.
    files: Vec<SourceFile>,
}

/// Where the names of files start from. It notes the files, and what is secret in them.
#[derive(Clone, Copy)]
pub(super) struct Folder<'s> {
    path: &'s Path,
    named: &'s RefCell<BTreeSet<PathBuf>>,
    hidden: &'s RefCell<Vec<String>>,
}

impl Folder<'_> {
    /// The path of a file with this name.
    pub(super) fn join(self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        self.named.borrow_mut().insert(path.clone());
        path
    }

    /// The path of a file with this name that is no part of the configuration: it changes while the server runs.
    pub(super) fn join_unwatched(self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Notes the text of a secret.
    pub(super) fn hide(self, secret: &str) {
        self.hidden.borrow_mut().push(secret.to_owned());
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// How messages call it.
    pub(super) name: String,
    /// Where the names of further files in it start from.
    pub(super) folder: PathBuf,
    /// Where its text is.
    pub(super) range: Range<usize>,
}

impl ConfigSources {
    /// A main file without included files.
    pub(super) fn main(name: &str, folder: &Path, text: &str) -> ConfigSources {
        let file = SourceFile { name: name.to_owned(), folder: folder.to_owned(), range: 0..text.len() };
        ConfigSources {
            texts: SourceTexts { text: text.to_owned(), files: vec![file] },
            named: RefCell::default(),
            hidden: RefCell::default(),
            patterns: Vec::new(),
        }
    }

    /// Adds an included file.
    pub(super) fn add(&mut self, name: String, folder: PathBuf, text: &str) {
        let SourceTexts { text: all, files } = &mut self.texts;
        all.push('\n');
        let start = all.len();
        all.push_str(text);
        files.push(SourceFile { name, folder, range: start..all.len() });
    }

    /// The folder of the file in which a place is.
    pub(super) fn folder_at(&self, place: &Range<usize>) -> Folder<'_> {
        let path = self.texts.file_at(place).map_or(Path::new(""), |file| &file.folder);
        Folder { path, named: &self.named, hidden: &self.hidden }
    }

    /// Notes texts that messages must not repeat.
    pub(super) fn hide(&self, secrets: Vec<String>) {
        self.hidden.borrow_mut().extend(secrets);
    }

    /// The texts of all files, and the texts that messages must not repeat.
    pub(super) fn into_texts(self) -> (SourceTexts, Vec<String>) {
        (self.texts, self.hidden.into_inner())
    }

    /// Notes a file on which the configuration depends.
    pub(super) fn note(&self, path: PathBuf) {
        self.named.borrow_mut().insert(path);
    }

    /// All files on which the configuration depends, except the main file.
    pub(super) fn named(&self) -> NamedFiles {
        let (patterns, folders) = self.patterns.iter().cloned().unzip();
        NamedFiles { files: self.named.borrow().iter().cloned().collect(), patterns, folders }
    }
}

impl SourceTexts {
    /// The texts of all files.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The text of a file.
    pub(super) fn text_of(&self, file: &SourceFile) -> &str {
        self.text.get(file.range.clone()).unwrap_or_default()
    }

    /// The file in which a place is.
    pub(super) fn file_at(&self, place: &Range<usize>) -> Option<&SourceFile> {
        self.files.iter().rev().find(|file| file.range.start <= place.start)
    }

    /// The same files with other texts of the same lengths.
    pub(super) fn with_text(self, text: String) -> SourceTexts {
        SourceTexts { text, ..self }
    }
}

/// Moves the places in a table.
pub(super) fn shift(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let shifted = table.into_iter().map(|(key, value)| {
        let span = moved(key.span(), by);
        (Spanned::new(span, key.into_inner()), shift_value(value, by))
    });
    shifted.collect()
}

fn shift_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = moved(value.span(), by);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(shift(table, by)),
        DeValue::Array(array) => {
            let mut shifted = DeArray::new();
            array.into_iter().for_each(|item| shifted.push(shift_value(item, by)));
            DeValue::Array(shifted)
        }
        other => other,
    };
    Spanned::new(span, value)
}

/// A place that is moved.
pub(super) fn moved(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

/// The span of a part of a text in the file if the text is written there without escapes; otherwise that of the whole text.
/// `file` is the text of the file.
pub(super) fn within(file: &str, text: &Spanned<String>, part: Option<&Range<usize>>) -> Range<usize> {
    let span = text.span();
    let value = text.get_ref();
    let written = file.get(span.start + 1..(span.start + 1).saturating_add(value.len()));
    match part {
        Some(part) if written == Some(value) && !part.is_empty() => {
            span.start + 1 + part.start..span.start + 1 + part.end
        }
        _ => span,
    }
}
