//! The names of tools.
//!
//! Models accept fewer characters than names of methods have, and clients add prefixes of their own. So the name of a tool has only letters,
//! digits, `_` and `-`, at most [`MAX_NAME`] of them. Each other character of the method's name becomes `_`. A name that is too
//! long, or that two methods would share, ends in a hash of the method's name.
//!
//! Where several groups share an endpoint, each has a prefix: the tool `wheel_spin` is the method `spin` of the group with the prefix
//! `wheel`. The rules above are then applied to `wheel.spin`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::interface::Interface;
use crate::service::random::key_of;

/// The longest name of a tool, in bytes.
const MAX_NAME: usize = 48;
/// The longest name that the configuration may give a tool, in bytes: what the models of all known clients accept.
const MAX_GIVEN_NAME: usize = 64;
/// The number of bytes of a name before a `_` and the eight digits of the hash.
const BEFORE_HASH: usize = MAX_NAME - 9;
/// The beginnings of the names of methods that are no tools: those of the protocols themselves.
const BUILT_IN: [&str; 2] = ["system.", "rpc."];

/// What the names of a group's tools depend on.
#[derive(Debug)]
pub(crate) struct NamedGroup<'a> {
    /// The prefix of the names of its tools; empty at the group's own endpoint.
    pub(crate) prefix: &'a str,
    pub(crate) interface: &'a Interface,
    /// The names of tools in the configuration, by method.
    pub(crate) given: HashMap<&'a str, &'a str>,
}

/// The names of the tools of an endpoint. They do not depend on the order of the methods and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolNames {
    /// The names of tools by the [keys](key) of their methods.
    tools: HashMap<String, String>,
}

impl ToolNames {
    /// Names the tools of these groups. All methods are tools, except those that are private or parts of a protocol. No tool gets one of
    /// the `reserved` names. If the configuration has the same name for two methods, prefixes included, the first one gets it.
    pub(crate) fn new(groups: &[NamedGroup<'_>], reserved: &[&str]) -> ToolNames {
        let (mut methods, mut given, mut taken) = (BTreeSet::new(), HashMap::new(), HashSet::new());
        for group in groups {
            let names = group.interface.methods.iter().map(|method| method.name.as_str());
            methods.extend(names.filter(|name| is_tool(name)).map(|name| key(group.prefix, name)));
            let mut of_group: Vec<_> = group.given.iter().filter(|(method, _)| is_tool(method)).collect();
            of_group.sort_unstable();
            for (method, name) in of_group {
                let name = prefixed(group.prefix, name);
                let is_there = group.interface.method(method).is_some();
                let is_usable = name.len() <= MAX_GIVEN_NAME && !reserved.contains(&name.as_ref());
                if is_there && is_usable && taken.insert(name.clone()) {
                    given.insert(key(group.prefix, method), name);
                }
            }
        }
        let given = given.iter().map(|(key, name)| (key.as_ref(), name.as_ref())).collect();
        ToolNames::of_methods(methods.iter().map(AsRef::as_ref).collect(), &given, reserved)
    }

    fn of_methods(mut methods: BTreeSet<&str>, given: &HashMap<&str, &str>, reserved: &[&str]) -> ToolNames {
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
            let is_free = given.iter().all(|(_, name)| *name != plain) && !reserved.contains(&plain);
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

    /// The tool of a method of the group with this prefix; `None` if it is no tool.
    pub(crate) fn of_method(&self, prefix: &str, method: &str) -> Option<&str> {
        self.tools.get(key(prefix, method).as_ref()).map(String::as_str)
    }
}

/// The key of a method in the map of all groups: `prefix.name`. It is unique, because a prefix has no dot.
fn key<'a>(prefix: &str, method: &'a str) -> Cow<'a, str> {
    if prefix.is_empty() { Cow::Borrowed(method) } else { Cow::Owned(format!("{prefix}.{method}")) }
}

/// A name that the configuration gives a tool, with the prefix of its group.
pub(crate) fn prefixed<'a>(prefix: &str, name: &'a str) -> Cow<'a, str> {
    if prefix.is_empty() { Cow::Borrowed(name) } else { Cow::Owned(format!("{prefix}_{name}")) }
}

/// The prefix of the group at a path, if the configuration gives it none: the path with `_` in place of each slash inside it. That of
/// the group at `/` is `root`.
pub(crate) fn prefix_of(path: &str) -> String {
    match path.trim_matches('/') {
        "" => "root".to_owned(),
        inner => plain_name(inner),
    }
}

/// Whether a text can be the name of a tool or prompt, or the prefix of such names.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_GIVEN_NAME && text.chars().all(is_name_char)
}

/// Whether the names of tools, prompts and their arguments may have a character.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Whether a method may be a tool: it is neither private nor a part of a protocol.
pub(crate) fn is_tool(method: &str) -> bool {
    !method.starts_with('_') && !BUILT_IN.iter().any(|built_in| method.starts_with(built_in))
}

fn plain_name(method: &str) -> String {
    method.chars().map(|c| if is_name_char(c) { c } else { '_' }).collect()
}

/// The beginning of the plain name, `_`, and a hash of the method's name: another hash if a tool has that name already.
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
        let names = named(methods, HashMap::new());
        let mut tools: Vec<_> = names.tools.into_iter().map(|(method, tool)| (tool, method)).collect();
        tools.sort();
        tools
    }

    /// The names of the tools of one group.
    fn named(methods: Vec<Method>, given: HashMap<&str, &str>) -> ToolNames {
        let interface = Interface { methods, ..Interface::default() };
        ToolNames::new(&[NamedGroup { prefix: "", interface: &interface, given }], &[])
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
        let names = named(methods, given);
        assert_eq!(names.of_method("", "book"), Some("greet"));
        let other = names.of_method("", "greet").unwrap();
        assert!(other.starts_with("greet_") && other.len() == "greet_".len() + 8, "{other}");
        assert_eq!((names.of_method("", "a.b"), names.of_method("", "missing")), (Some("a_b"), None));
    }

    #[test]
    fn two_groups_share_no_name_of_the_configuration() {
        let interface = Interface { methods: vec![Method::undescribed("spin")], ..Interface::default() };
        let group = |prefix, name| NamedGroup { prefix, interface: &interface, given: HashMap::from([("spin", name)]) };
        let names = ToolNames::new(&[group("a", "b_c"), group("a_b", "c")], &[]);
        assert_eq!((names.of_method("a", "spin"), names.of_method("a_b", "spin")), (Some("a_b_c"), Some("a_b_spin")));
    }

    #[test]
    fn the_tools_of_several_groups_begin_with_the_prefix_of_their_group() {
        let interface = |methods: &[&str]| {
            let methods = methods.iter().map(|name| Method::undescribed(name)).collect();
            Interface { methods, ..Interface::default() }
        };
        let (wheel, nested) = (interface(&["spin", "a.b", "_odds", "b_c"]), interface(&["spin", "c"]));
        let long = "long".repeat(15);
        let groups = [
            NamedGroup { prefix: "wheel", interface: &wheel, given: HashMap::from([("a.b", "both")]) },
            NamedGroup { prefix: "wheel_b", interface: &nested, given: HashMap::from([("spin", long.as_str())]) },
        ];
        let names = ToolNames::new(&groups, &["wheel_spin"]);
        let reserved = names.of_method("wheel", "spin").unwrap();
        assert!(reserved.starts_with("wheel_spin_") && reserved.len() == "wheel_spin_".len() + 8, "{reserved}");
        assert_eq!(names.of_method("wheel", "a.b"), Some("wheel_both"));
        assert_eq!(names.of_method("wheel", "_odds"), None);
        // A name of the configuration that is too long with the prefix is not used.
        assert_eq!(names.of_method("wheel_b", "spin"), Some("wheel_b_spin"));
        let shared = [names.of_method("wheel", "b_c").unwrap(), names.of_method("wheel_b", "c").unwrap()];
        assert!(shared[0] != shared[1] && shared.iter().all(|name| name.starts_with("wheel_b_c_")), "{shared:?}");
        let [first, second] = groups;
        assert_eq!(ToolNames::new(&[second, first], &["wheel_spin"]), names);
        assert_eq!(
            [prefix_of("/wheel/european"), prefix_of("/a.b"), prefix_of("/")],
            ["wheel_european", "a_b", "root"]
        );
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
