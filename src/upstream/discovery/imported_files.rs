//! Descriptions in files: reads the files that they refer to, relative to themselves (RFC 3986, section 5.1).

use std::collections::{BTreeSet, VecDeque};

use percent_encoding::percent_decode_str;

use super::MAX_DOCUMENTS;
use crate::model::fault::Fault;
use crate::upstream::DescriptionFile;
use crate::upstream::gaps::UnreadImport;

/// Finds the references of a document, of which the first text is the location and the second the content. They are as
/// written.
pub(crate) type FindReferences = fn(&str, &str) -> Result<Vec<String>, Fault>;

/// Reads the files that a document refers to, and those that these refer to. `read` reads a file by its name, which is
/// relative if that of the document is. Such a document refers to nothing outside the folder that names are relative to.
///
/// Returns the document, followed by the files, and those that cannot be read. A document in which no references can be found has
/// none.
pub(crate) fn with_imports(
    document: DescriptionFile,
    find: FindReferences,
    mut read: impl FnMut(&str) -> Result<String, String>,
) -> (Vec<DescriptionFile>, Vec<UnreadImport>) {
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::from([document.name.clone()]);
    let mut waiting = VecDeque::from([document]);
    while let Some(file) = waiting.pop_front() {
        let imports = match find(&file.name, &file.text) {
            Ok(imports) => imports,
            // What is wrong with the document itself is reported by its reader.
            Err(_) if files.is_empty() => Vec::new(),
            Err(fault) => {
                unread.push(UnreadImport { location: file.name, reason: fault.message.into_owned() });
                continue;
            }
        };
        for reference in imports {
            // What is not a file is fetched from the server.
            let Some(name) = resolve(&file.name, &reference) else { continue };
            if !seen.insert(name.clone()) {
                continue;
            }
            let text = match is_outside(&file.name, &name) {
                true => Err("it is outside the folder of the configuration".to_owned()),
                false if seen.len() > MAX_DOCUMENTS => Err(format!("there are more than {MAX_DOCUMENTS} documents")),
                false => read(&name),
            };
            match text {
                Ok(text) => waiting.push_back(DescriptionFile { name, text }),
                Err(reason) => unread.push(UnreadImport { location: name, reason }),
            }
        }
        files.push(file);
    }
    (files, unread)
}

/// Whether a file may not be imported: only an absolute name leads to any folder.
fn is_outside(from: &str, name: &str) -> bool {
    !from.starts_with('/') && (name.starts_with('/') || name.split('/').next() == Some(".."))
}

/// The name of the file that a reference in the file `from` leads to; `None` if it does not lead to a file.
pub(super) fn resolve(from: &str, reference: &str) -> Option<String> {
    let path = reference.split('#').next().unwrap_or_default();
    let path = match path.split_once(':') {
        Some(("file", path)) => match path.strip_prefix("//") {
            // The name of a host, which may be left out, precedes the path.
            Some(path) => path.get(path.find('/')?..)?,
            None => path,
        },
        // A name may have a colon in it, but only behind a slash.
        Some((scheme, _)) if !scheme.contains('/') => return None,
        _ => path,
    };
    if path.is_empty() || path.contains('?') || path.starts_with("//") {
        return None;
    }
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let joined = match from.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with('/') => format!("{folder}/{path}"),
        _ => path.into_owned(),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in joined.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        match segment {
            ".." if segments.last().is_some_and(|last| *last != "..") => drop(segments.pop()),
            ".." if joined.starts_with('/') => {}
            segment => segments.push(segment),
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    Some(format!("{root}{}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::discovery::wsdl;

    #[test]
    fn references_are_relative_to_their_file() {
        for (from, reference, name) in [
            ("a.wsdl", "b.xsd", Some("b.xsd")),
            ("./a/b.wsdl", "./c.xsd#d", Some("a/c.xsd")),
            ("a/b.wsdl", "../c.xsd", Some("c.xsd")),
            ("a/b.wsdl", "../../c/./d.xsd", Some("../c/d.xsd")),
            ("/a/b.wsdl", "../../../c.xsd", Some("/c.xsd")),
            ("/a/b.wsdl", "c%20d/e.xsd", Some("/a/c d/e.xsd")),
            ("a/b.wsdl", "/c/d.xsd", Some("/c/d.xsd")),
            ("a/b.wsdl", "file:///c/d.xsd", Some("/c/d.xsd")),
            ("a/b.wsdl", "c/d:e.xsd", Some("a/c/d:e.xsd")),
            ("a/b.wsdl", "http://localhost/c.xsd", None),
            ("a/b.wsdl", "//localhost/c.xsd", None),
            ("a/b.wsdl", "?xsd=1", None),
            ("a/b.wsdl", "", None),
            ("a/b.wsdl", "urn:c", None),
        ] {
            assert_eq!(resolve(from, reference).as_deref(), name, "{from} {reference}");
        }
    }

    fn schema(imports: &[&str]) -> String {
        let imports: String = imports.iter().map(|at| format!("<x:include schemaLocation='{at}'/>")).collect();
        format!("<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema'>{imports}</x:schema>")
    }

    fn read(name: &str, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let text = |name: &str| {
            let found = files.iter().find(|(other, _)| *other == name);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "it is not there".to_owned())
        };
        let document = DescriptionFile { name: name.to_owned(), text: text(name).unwrap() };
        let (files, unread) = with_imports(document, wsdl::imports, |name| text(name));
        (files.into_iter().map(|file| file.name).collect(), unread.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn files_are_read_once_each_and_what_is_missing_is_reported() {
        let (main, types) = (schema(&["types/b.xsd", "gone.xsd", "html.xsd"]), schema(&["../a.xsd", "b.xsd", "c.xsd"]));
        let (files, unread) =
            read("a.xsd", &[("a.xsd", &main), ("types/b.xsd", &types), ("types/c.xsd", &types), ("html.xsd", "<p/>")]);
        assert_eq!(files, ["a.xsd", "types/b.xsd", "types/c.xsd"]);
        assert_eq!(
            unread,
            [
                "`gone.xsd` cannot be read: it is not there",
                "`html.xsd` cannot be read: html.xsd:1:1: `p` is neither WSDL 1.1 nor XML Schema"
            ]
        );
    }

    #[test]
    fn only_an_absolute_name_leads_out_of_the_folder() {
        let main = schema(&["../b.xsd", "/c.xsd"]);
        let files = [("w/a.xsd", main.as_str()), ("a.xsd", &main), ("/w/a.xsd", &main), ("/b.xsd", "<p/>")];
        let (read_files, unread) = read("a.xsd", &files);
        assert_eq!((read_files.len(), unread.len()), (1, 2));
        assert!(unread.iter().all(|unread| unread.contains("is outside the folder")), "{unread:?}");
        let (_, unread) = read("/w/a.xsd", &files);
        assert!(unread.iter().all(|unread| !unread.contains("is outside the folder")), "{unread:?}");
    }
}
