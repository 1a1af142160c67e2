//! The rules of groups that call other groups: mistakes, and what a reload makes of them.

use croupier::config::{Config, Registry};

fn wheel(path: &str, more: &str) -> String {
    format!("[group.'{path}']\nservice = 'wheel'\noptions = {{ family = 'mini' }}\n{more}\n")
}

fn problems(text: &str) -> String {
    match Config::parse("test.toml", text, &Registry::standard()) {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn mistakes_are_reported_at_their_places() {
    let two = |a: &str, b: &str| wheel("/a", a) + &wheel("/b", b);
    let all = "[group.'/all']\naggregate.calls.one = { group = '/a', method = 'spin' }\n";
    for (text, expected) in [
        (
            two("fallback = [{ group = '/b' }]", "fallback = [{ group = '/a' }]"),
            "the calls form a cycle: `/b` calls `/a` calls `/b`",
        ),
        (two("shadow.to = '/b'", "split.to = '/a'"), "the calls form a cycle: `/b` calls `/a` calls `/b`"),
        (wheel("/a", "split = { to = '/a', percent = 5 }"), "the group `/a` calls itself"),
        (
            wheel("/a", "fallback = [{ group = '/all', method = 'call' }]") + all,
            "the calls form a cycle: `/a` calls `/all` calls `/a`",
        ),
        (wheel("/wheel/a", "shadow.to = '/wheel/b'"), "there is no group `/wheel/b`"),
        (wheel("/a", "fallback = [{ methods = ['spin'] }]"), "a fallback needs a `group` or a `value`"),
        (two("fallback = [{ group = '/b', value = 7 }]", ""), "a fallback has either a `group` or a `value`, not both"),
        (wheel("/a", "fallback = [{ value = 7, method = 'spin' }]"), "`method` is that of a `group`"),
        (
            wheel("/a", "fallback = [{ methods = ['spin'], value = 7 }]"),
            "`spin` does not return this: it should be an array, not an integer",
        ),
        (two("fallback = [{ group = '/b', method = 'spon' }]", ""), "did you mean `spin`?"),
        (
            wheel("/a", "shadow.to = '/d'") + "[group.'/d']\nservice = 'diagnostics'\n",
            "the group `/d` has no method `spin",
        ),
        (two("shadow = { to = '/b', percent = 101 }", ""), "101"),
        (
            two("split = { to = '/b', percent = 5, sticky = 'group' }", ""),
            "all calls of the group would go to one side",
        ),
        (wheel("/a", "cache = { methods = { spon = '1s' } }"), "did you mean `spin`?"),
        (wheel("/a", "cache = { ttl = '1s', size = '1 KiB' }"), "64 KiB"),
    ] {
        let found = problems(&text);
        assert!(found.contains(expected), "{text}\n{found}\nexpected: {expected}");
    }
}

#[test]
fn rules_that_call_other_groups_are_accepted() {
    let spin = "['7', 'RED']";
    for text in [
        wheel(
            "/a",
            "fallback = [{ methods = ['spin*'], group = '/b', after = '1s' }]\nshadow.to = '/b'\nsplit = { to = '/b', percent = 0.5, sticky = 'client' }",
        ) + &wheel("/b", "shadow.to = '/c'")
            + &wheel("/c", ""),
        wheel("/a", &format!("fallback = [{{ methods = ['spin'], value = {spin} }}]")),
        wheel("/a", "cache = { methods = { 'spin*' = '1m', pockets = '1h' } }"),
    ] {
        assert_eq!(problems(&text), "", "{text}");
    }
}
