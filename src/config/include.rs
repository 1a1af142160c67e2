//! Included files: finds and reads them, and adds their groups and pages to those of the main file.

use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::LARGEST_FILE;
use super::problem::Problem;
use super::sources::{ConfigSources, moved, shift};
use super::syntax::Distinct;
use super::variables::{ENV, Variables};
use crate::files;
use crate::model::text::abridge;

/// The key of the main file with the patterns.
const INCLUDE: &str = "include";
/// The keys that an included file may have.
const KEYS: [&str; 2] = ["group", "page"];
/// How many files may be included.
const MAX_FILES: usize = 1000;

/// `*` matches no slash, and no dot at the beginning of a name: editors keep their own files there.
const MATCH_OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Reads the files that the main file includes into `sources`, in the order of their names.
pub(super) fn read_files(
    root: &DeTable<'_>,
    sources: &mut ConfigSources,
    variables: &Variables,
    problems: &mut Vec<Problem>,
) {
    let Some(main) = sources.texts.files().first().cloned() else { return };
    let mut files: Vec<(PathBuf, Range<usize>)> = Vec::new();
    // A value of another type is reported when the table is checked.
    if let Some(DeValue::Array(patterns)) = root.get(INCLUDE).map(Spanned::get_ref) {
        for pattern in patterns.iter() {
            let text = match pattern.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                DeValue::Table(table) => match table.get(ENV).map(Spanned::get_ref) {
                    // One that is not set is reported when the table is checked.
                    Some(DeValue::String(name)) => variables.get(name),
                    _ => None,
                },
                _ => None,
            };
            let Some(text) = text else { continue };
            match find(&main.folder, &text, sources) {
                Ok(found) => files.extend(found.into_iter().map(|path| (path, pattern.span()))),
                Err(message) => problems.push(Problem::at(pattern.span(), message)),
            }
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files.dedup_by(|(a, _), (b, _)| a == b);
    let main_file = without_dots(Path::new(&main.name));
    files.retain(|(path, _)| without_dots(path) != main_file);
    if let Some((_, pattern)) = files.get(MAX_FILES) {
        let message = format!("{} files are included, but there may be at most {MAX_FILES}", files.len());
        problems.push(Problem::at(pattern.clone(), message));
        return;
    }
    for (path, pattern) in files {
        let left = LARGEST_FILE.saturating_sub(sources.texts.text().len());
        let name = path.display().to_string();
        sources.note(path.clone());
        match files::read_text(&path, left) {
            Ok(text) => sources.add(name, path.parent().unwrap_or(Path::new("")).to_owned(), &text),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let message =
                    format!("`{name}` cannot be read: all files together have more than {LARGEST_FILE} bytes");
                problems.push(Problem::at(pattern, message));
            }
            Err(error) => problems.push(Problem::at(pattern, format!("`{name}` cannot be read: {error}"))),
        }
    }
}

/// A path without components that are a single dot.
fn without_dots(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

/// The files that a pattern matches. Without special characters it is the name of a file that has to exist.
fn find(folder: &Path, pattern: &str, sources: &mut ConfigSources) -> Result<Vec<PathBuf>, String> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![folder.join(pattern)]);
    }
    let searched = folder.join(folder_of_pattern(pattern));
    let folder = folder.to_str().ok_or("the folder of the configuration file has a name that is not UTF-8")?;
    // The folder of an absolute pattern is its own.
    let pattern = Path::new(&Pattern::escape(folder)).join(pattern);
    let pattern = pattern.to_string_lossy().into_owned();
    sources.patterns.push((pattern.clone(), searched));
    files::in_bounded_time(move || matching_files(&pattern)).map_err(|error| error.to_string())?
}

/// The files that a pattern matches; one more than may be included, if there are more.
pub(crate) fn matching_files(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob_with(pattern, MATCH_OPTIONS).map_err(|error| format!("it is not a valid pattern: {error}"))?;
    paths.take(MAX_FILES + 1).map(|path| path.map_err(|error| error.to_string())).collect()
}

/// The part of a pattern before the first name with a special character.
fn folder_of_pattern(pattern: &str) -> &str {
    let special = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let folder = pattern.get(..special).and_then(|before| before.rfind('/'));
    folder.and_then(|end| pattern.get(..=end)).unwrap_or("")
}

/// Adds the groups and pages of the included files to those of the main file. `parsed` are the included files.
///
/// # Errors
/// If one of them is not valid TOML.
pub(super) fn merge<'t>(
    root: &mut DeTable<'t>,
    parsed: &'t [Distinct],
    sources: &ConfigSources,
    problems: &mut Vec<Problem>,
) -> Result<(), Vec<Problem>> {
    let main = sources.texts.files().first().map(|file| file.name.as_str()).unwrap_or_default();
    let mut invalid = Vec::new();
    for (file, distinct) in sources.texts.files().iter().skip(1).zip(parsed) {
        let start = file.range.start;
        match distinct.table() {
            Ok((table, wrong)) => {
                problems.extend(wrong.into_iter().map(|problem| shift_problem(problem, start)));
                for (key, value) in shift(table, start) {
                    if KEYS.contains(&key.get_ref().as_ref()) {
                        merge_table(root, key, value, problems);
                    } else {
                        let message =
                            format!("`{}` cannot be given in an included file", abridge(key.get_ref().as_ref()));
                        let hint = format!(
                            "an included file has tables of `group` and `page` only; everything else is in `{main}`"
                        );
                        problems.push(Problem::at(key.span(), message).hint(hint));
                    }
                }
            }
            Err(wrong) => invalid.extend(wrong.into_iter().map(|problem| shift_problem(problem, start))),
        }
    }
    if invalid.is_empty() { Ok(()) } else { Err(invalid) }
}

/// Adds the groups or pages of one file.
fn merge_table<'t>(
    root: &mut DeTable<'t>,
    key: Spanned<toml::de::DeString<'t>>,
    value: Spanned<DeValue<'t>>,
    problems: &mut Vec<Problem>,
) {
    let span = value.span();
    match (root.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value.into_inner()) {
        (Some(DeValue::Table(known)), DeValue::Table(more)) => {
            for (path, value) in more {
                match known.get_key_value(path.get_ref().as_ref()) {
                    Some((first, _)) => {
                        problems.push(Problem::duplicate_path(path.get_ref(), path.span(), first.span()));
                    }
                    None => drop(known.insert(path, value)),
                }
            }
        }
        (Some(DeValue::Table(_)), _) => {
            problems.push(Problem::at(span, format!("`{}` should be a table", key.get_ref())));
        }
        // What the main file has there is reported when its table is checked.
        (Some(_), _) => {}
        (None, value) => drop(root.insert(key, Spanned::new(span, value))),
    }
}

/// Moves the places of a problem.
fn shift_problem(problem: Problem, by: usize) -> Problem {
    let Problem { span, related, .. } = problem;
    let related = related.map(|(span, label)| (moved(span, by), label));
    Problem { span: span.map(|span| moved(span, by)), related, ..problem }
}
