//! The names of tools.
//!
//! Models take fewer characters than methods have, and clients put names of their own before those of the tools. So the
//! name of a tool has only letters, digits, `_` and `-`, at most [`MAX_NAME`] of them. Each other character of the method's
//! name becomes `_`. A name that is too long, or that two methods would share, ends in a hash of the method's name.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::interface::Interface;
use crate::service::random::key_of;

/// The longest name of a tool, in bytes.
const MAX_NAME: usize = 48;
/// The number of bytes of a name before a `_` and the eight digits of the hash.
const BEFORE_HASH: usize = MAX_NAME - 9;
/// The beginnings of the names of methods that are no tools: those of the protocols themselves.
const BUILT_IN: [&str; 2] = ["system.", "rpc."];

/// The names of the tools of an interface. They do not depend on the order of its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolNames {
    /// The names of tools by those of their methods.
    tools: HashMap<String, String>,
}

impl ToolNames {
    /// The tools of an interface: all its methods, except those that are private or parts of a protocol. `given` are names that the
    /// configuration gives to methods.
    pub(crate) fn new(interface: &Interface, given: &HashMap<&str, &str>) -> ToolNames {
        let names = interface.methods.iter().map(|method| method.name.as_str());
        ToolNames::of_methods(names.filter(|name| is_tool(name)).collect(), given)
    }

    fn of_methods(mut methods: BTreeSet<&str>, given: &HashMap<&str, &str>) -> ToolNames {
        let given: Vec<(&str, &str)> = given
            .iter()
            .filter(|(method, _)| methods.remove(**method))
            .map(|(method, name)| (*method, *name))
            .collect();
        let plain: Vec<String> = methods.iter().map(|method| plain_name(method)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for name in &plain {
            *counts.entry(name).or_default() += 1;
        }
        let has_plain_name = |method: &str, plain: &str| {
            let is_free = given.iter().all(|(_, name)| *name != plain);
            is_free && plain.len() <= MAX_NAME && (method == plain || counts.get(plain).is_none_or(|count| *count == 1))
        };
        let pairs = methods.into_iter().zip(&plain);
        let (kept, hashed): (Vec<_>, Vec<_>) = pairs.partition(|(method, plain)| has_plain_name(method, plain));
        let mut taken: HashSet<String> = kept.iter().map(|(_, plain)| (*plain).clone()).collect();
        taken.extend(given.iter().map(|(_, name)| (*name).to_owned()));
        let mut tools: HashMap<String, String> =
            kept.into_iter().map(|(method, plain)| (method.to_owned(), plain.clone())).collect();
        for (method, plain) in hashed {
            let name = hashed_name(method, plain, |name| taken.contains(name));
            taken.insert(name.clone());
            tools.insert(method.to_owned(), name);
        }
        tools.extend(given.into_iter().map(|(method, name)| (method.to_owned(), name.to_owned())));
        ToolNames { tools }
    }

    /// The tool of a method; `None` if it is no tool.
    pub(crate) fn of_method(&self, method: &str) -> Option<&str> {
        self.tools.get(method).map(String::as_str)
    }
}

/// Whether a method is offered as a tool.
fn is_tool(method: &str) -> bool {
    !method.starts_with('_') && !BUILT_IN.iter().any(|built_in| method.starts_with(built_in))
}

fn plain_name(method: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    method.chars().map(allowed).collect()
}

/// The beginning of a name and a hash of the method's name; a further one if another tool has that name.
fn hashed_name(method: &str, plain: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let start = plain.get(..BEFORE_HASH).unwrap_or(plain);
    let mut hashed = method.to_owned();
    loop {
        let name = format!("{start}_{:08x}", key_of(hashed.as_bytes()) >> 32);
        if !is_taken(&name) {
            return name;
        }
        hashed.push('\0');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::interface::Method;

    /// The tools in the order of their names, each with its method.
    fn tools(methods: &[&str]) -> Vec<(String, String)> {
        let methods = methods.iter().map(|name| Method::undescribed(name)).collect();
        let names = ToolNames::new(&Interface { methods, ..Interface::default() }, &HashMap::new());
        let mut tools: Vec<_> = names.tools.into_iter().map(|(method, tool)| (tool, method)).collect();
        tools.sort();
        tools
    }

    fn tool(methods: &[&str], method: &str) -> String {
        tools(methods).into_iter().find(|(_, own)| own == method).unwrap().0
    }

    #[test]
    fn names_have_plain_characters_and_are_in_order() {
        let found = tools(&["wheel.spin", "b-2", "pets/{id}:get", "ä", "Zoo"]);
        let found: Vec<_> = found.iter().map(|(tool, method)| (tool.as_str(), method.as_str())).collect();
        let expected = [
            ("Zoo", "Zoo"),
            ("_", "ä"),
            ("b-2", "b-2"),
            ("pets__id__get", "pets/{id}:get"),
            ("wheel_spin", "wheel.spin"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_of_the_configuration_is_taken_from_no_other_tool() {
        let methods = ["book", "greet", "a.b"].map(Method::undescribed).to_vec();
        let given = HashMap::from([("book", "greet"), ("missing", "a_b")]);
        let names = ToolNames::new(&Interface { methods, ..Interface::default() }, &given);
        assert_eq!(names.of_method("book"), Some("greet"));
        let other = names.of_method("greet").unwrap();
        assert!(other.starts_with("greet_") && other.len() == "greet_".len() + 8, "{other}");
        assert_eq!((names.of_method("a.b"), names.of_method("missing")), (Some("a_b"), None));
    }

    #[test]
    fn private_and_built_in_methods_are_no_tools() {
        let names = ["_odds", "system.listMethods", "rpc.discover", "systems.list", "rpc_x", "a._b"];
        let found: Vec<_> = tools(&names).into_iter().map(|(tool, _)| tool).collect();
        assert_eq!(found, ["a__b", "rpc_x", "systems_list"]);
    }

    #[test]
    fn long_names_end_in_a_hash() {
        let (longest, longer) = ("m".repeat(48), "m".repeat(49));
        assert_eq!(tool(&[&longest], &longest), longest);
        let name = tool(&[&longer], &longer);
        let (start, hash) = name.split_at(39);
        assert_eq!((start, name.len()), (&longer[..39], 48));
        assert!(hash.starts_with('_') && hash[1..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        let other = format!("{longer}n");
        assert_ne!(tool(&[&longer, &other], &other), name);
        assert_eq!(tool(&[&other, &longer], &longer), name);
    }

    #[test]
    fn methods_that_would_share_a_name_have_hashes() {
        let both = ["a.b", "a/b"];
        assert!(
            tools(&both).iter().all(|(tool, _)| tool.starts_with("a_b_") && tool.len() == 12),
            "{:?}",
            tools(&both)
        );
        // The one that has the name already keeps it.
        assert_eq!(tool(&["a.b", "a_b"], "a_b"), "a_b");
        let hashed = tool(&["a.b", "a_b"], "a.b");
        assert_eq!(hashed, tool(&both, "a.b"));
        // A method whose own name is that with the hash.
        let all = tools(&["a.b", "a_b", &hashed]);
        assert_eq!(all.len(), 3);
        assert!(all.contains(&(hashed.clone(), hashed)));
    }

    proptest! {
        #[test]
        fn every_method_has_one_name_whatever_the_order(
            methods in prop::collection::btree_set("[a-c./:_é]{1,4}|[ab.]{45,60}", 0..40),
            turn in 0_usize..40,
        ) {
            let mut order: Vec<&str> = methods.iter().map(String::as_str).filter(|name| is_tool(name)).collect();
            let found = tools(&order);
            let turn = turn % order.len().max(1);
            order.rotate_left(turn);
            prop_assert_eq!(&tools(&order), &found);
            let distinct: BTreeSet<&str> = found.iter().map(|(tool, _)| tool.as_str()).collect();
            prop_assert_eq!((distinct.len(), found.len()), (order.len(), order.len()));
            for tool in distinct {
                prop_assert!(!tool.is_empty() && tool.len() <= 48);
                prop_assert!(tool.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')));
            }
        }
    }
}
