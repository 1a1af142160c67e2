//! Guesses by the names of methods. They become suggestions, never settings.

use crate::model::interface::Method;

/// The first words of methods that probably change nothing.
const READING: [&str; 6] = ["get", "list", "is", "has", "read", "tell"];
/// Words of methods that probably stop the server, or run what they are given.
const DANGEROUS: [&str; 13] = [
    "shutdown",
    "restart",
    "reboot",
    "halt",
    "poweroff",
    "kill",
    "exit",
    "quit",
    "terminate",
    "exec",
    "execute",
    "eval",
    "shell",
];

/// The methods that probably change nothing.
pub(super) fn reading(methods: &[Method]) -> Vec<&str> {
    let reads = |name: &&str| words(last(name)).first().is_some_and(|first| READING.contains(&first.as_str()));
    names(methods).filter(reads).filter(|name| !is_dangerous(name)).collect()
}

/// The methods that should probably not be public.
pub(super) fn dangerous(methods: &[Method]) -> Vec<&str> {
    names(methods).filter(|name| is_dangerous(name)).collect()
}

/// The part before the first dot, if it is the same for all names.
pub(super) fn common(methods: &[Method]) -> Option<&str> {
    let mut spaces = names(methods).map(|name| name.split_once('.').map(|(space, _)| space));
    let first = spaces.next()??;
    spaces.all(|space| space == Some(first)).then_some(first)
}

fn names(methods: &[Method]) -> impl Iterator<Item = &str> {
    methods.iter().map(|method| method.name.as_str())
}

fn is_dangerous(name: &str) -> bool {
    words(name).iter().any(|word| DANGEROUS.contains(&word.as_str()))
}

fn last(name: &str) -> &str {
    name.rsplit(['.', '/', ':']).next().unwrap_or(name)
}

/// The words of a name, in lower case: `getProcess_info2` has `get`, `process` and `info`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && small) {
            words.push(String::new());
        }
        small = c.is_lowercase();
        if let (true, Some(word)) = (c.is_alphabetic(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn methods(names: &[&str]) -> Vec<Method> {
        names.iter().map(|name| Method::undescribed(name)).collect()
    }

    #[test]
    fn names_are_taken_for_reading_by_their_first_word() {
        let methods = methods(&[
            "supervisor.getState",
            "getaway",
            "list_users",
            "listen",
            "isOn",
            "issue",
            "hash",
            "a.GetName",
            "readLog",
            "ready",
            "get",
            "getAndKill",
        ]);
        assert_eq!(reading(&methods), ["supervisor.getState", "list_users", "isOn", "a.GetName", "readLog", "get"]);
    }

    #[test]
    fn names_are_taken_for_dangerous_by_any_word() {
        let methods = methods(&["a.shutdown", "forceShutdown", "execute2", "skill", "system.shutdown.quick", "exits"]);
        assert_eq!(dangerous(&methods), ["a.shutdown", "forceShutdown", "execute2", "system.shutdown.quick"]);
    }

    #[test]
    fn a_space_is_common_only_if_all_have_it() {
        assert_eq!(common(&methods(&["aria2.a", "aria2.b.c"])), Some("aria2"));
        assert_eq!(common(&methods(&["aria2.a", "b"])), None);
        assert_eq!(common(&[]), None);
    }
}
