//! The names of methods for operations: a method has a name of ASCII letters, digits and few other characters, and no two
//! methods of a group have the same name.

use std::collections::HashSet;

use crate::model::shape::unescape;
use crate::protocol::discovered::UniqueNames;

/// The Latin letters for the letters of the Cyrillic alphabets, from U+0430 (`а`) to U+045F (`џ`).
const CYRILLIC: [&str; 48] = [
    "a", "b", "v", "g", "d", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh",
    "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya", "e", "yo", "dj", "gj", "ye", "dz", "i", "yi", "j", "lj",
    "nj", "c", "kj", "i", "u", "dz",
];
/// The Latin letters with diacritics, and the letters without.
const LATIN: [(&str, &str); 24] = [
    ("àáâãåāăą", "a"),
    ("ä", "ae"),
    ("æ", "ae"),
    ("çćĉċč", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥħ", "h"),
    ("ìíîïĩīĭįı", "i"),
    ("ĵ", "j"),
    ("ķ", "k"),
    ("ĺļľŀł", "l"),
    ("ñńņňŋ", "n"),
    ("òóôõøōŏő", "o"),
    ("öœ", "oe"),
    ("ŕŗř", "r"),
    ("śŝşšș", "s"),
    ("ß", "ss"),
    ("ţťŧțþ", "t"),
    ("ùúûũūŭůűų", "u"),
    ("ü", "ue"),
    ("ŵ", "w"),
    ("ýÿŷ", "y"),
    ("źżž", "z"),
];

/// The names of the methods for operations with these names, in the same order. Further operations of a name get a number.
pub(super) fn method_names<'n>(operations: impl Iterator<Item = &'n str>) -> Vec<String> {
    let names: Vec<String> = operations.map(method_name).collect();
    let own: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut numbers = UniqueNames::default();
    let mut seen = HashSet::new();
    // The first operation of a name has it, even if a further one of another name would get it with a number.
    let unique = names.iter().map(|name| match seen.insert(name.as_str()) {
        true => numbers.unique(name, |_| false),
        false => numbers.unique(name, |unique| own.contains(unique)),
    });
    unique.collect()
}

/// The name of the method for an operation. Letters of other alphabets are written in Latin ones, or as `u` and their codes
/// in hexadecimal digits; other characters that the name of a method cannot have become `_`. The name of a method cannot
/// begin with `_`.
fn method_name(operation: &str) -> String {
    let mut name = String::with_capacity(operation.len());
    for c in unescape(operation).chars() {
        if c.is_ascii() {
            name.push(if c.is_ascii_alphanumeric() || "_.:/".contains(c) { c } else { '_' });
        } else if c.is_alphanumeric() {
            push_letter(&mut name, c);
        } else {
            name.push('_');
        }
    }
    match name.trim_start_matches('_') {
        "" => "operation".to_owned(),
        name => name.to_owned(),
    }
}

fn push_letter(name: &mut String, c: char) {
    let lower = c.to_lowercase().next().unwrap_or(c);
    let index = u32::from(lower).checked_sub(0x430).and_then(|index| usize::try_from(index).ok());
    let cyrillic = index.and_then(|index| CYRILLIC.get(index)).copied();
    let latin = || LATIN.iter().find(|(letters, _)| letters.contains(lower)).map(|(_, plain)| *plain);
    match cyrillic.or_else(latin) {
        Some(plain) if lower == c => name.push_str(plain),
        Some(plain) => {
            let mut letters = plain.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
        None => name.push_str(&format!("u{:04X}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::discovered::is_valid_method_name;

    #[test]
    fn each_operation_has_a_name_that_can_be_called() {
        for (operation, name) in [
            ("GetItems", "GetItems"),
            ("get-it", "get_it"),
            ("_private", "private"),
            ("___", "operation"),
            ("Suche_Größe", "Suche_Groesse"),
            ("Übersicht", "Uebersicht"),
            ("ЗаказыПоДате", "ZakazyPoDate"),
            ("Ещё", "Eshchyo"),
            ("取消", "u53D6u6D88"),
            ("a·b", "a_b"),
            ("_x0031_2", "12"),
        ] {
            assert_eq!(method_name(operation), name);
            assert!(is_valid_method_name(name), "{name}");
        }
    }

    #[test]
    fn no_two_methods_have_the_same_name() {
        let names = |operations: &[&'static str]| method_names(operations.iter().copied());
        assert_eq!(names(&["add", "add", "get", "add"]), ["add", "add_2", "get", "add_3"]);
        assert_eq!(names(&["add", "add", "add_2"]), ["add", "add_3", "add_2"]);
        assert_eq!(names(&["schön", "schoen", "_a", "a"]), ["schoen", "schoen_2", "a", "a_2"]);
    }

    #[test]
    fn thousands_of_operations_of_one_name_are_numbered_in_time() {
        let names = method_names(std::iter::repeat_n("same", 2000));
        assert_eq!(names.last().map(String::as_str), Some("same_2000"));
    }
}
