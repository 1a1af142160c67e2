//! Custom services in the configuration: their options are checked by their types.

use std::collections::BTreeMap;
use std::convert::Infallible;

use croupier::BoxError;
use croupier::config::{Config, OptionErrors, Registry};
use croupier::model::option_error::OptionError;
use croupier::service::local::{Local, RegistrationError};
use schemars::JsonSchema;
use serde::Deserialize;

fn service() -> Result<Local, RegistrationError> {
    Local::new("Test", ()).method("nothing", |_: &(), (): ()| 0).build()
}

/// What is wrong with a group of this registry's kind `test`, each as "at what: message (hint)".
fn wrong(registry: &Registry, group: &str) -> Vec<String> {
    let text = format!("[group.\"/test\"]\nservice = \"test\"\n{group}\n");
    match Config::parse("test.toml", &text, registry) {
        Ok(config) => {
            let kinds: Vec<&str> = config.groups.iter().map(|group| group.kind.as_str()).collect();
            assert_eq!(kinds, ["test"]);
            Vec::new()
        }
        Err(errors) => {
            let told = errors.problems().iter().map(|problem| {
                let place = problem.span.clone().map_or("", |span| &text[span]);
                let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                format!("{place}: {}{hint}", problem.message)
            });
            told.collect()
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Rich {
    mode: Mode,
    shape: Option<Shape>,
    #[serde(default)]
    names: BTreeMap<String, u8>,
    point: Option<(f64, f64)>,
    #[serde(default)]
    either: Vec<Either>,
    #[serde(flatten)]
    more: Option<More>,
    anything: Option<serde_json::Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Fast,
    VerySafe,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(dead_code, reason = "only read")]
enum Shape {
    Circle { radius: u32 },
    Square { side: u32 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Either {
    Number(i32),
    Text(String),
}

#[derive(Deserialize, JsonSchema)]
struct More {
    extra: bool,
}

fn rich() -> Registry {
    Registry::empty().with("test", |options: Rich| {
        let Rich { mode, shape, names, point, either, more, anything } = options;
        let few = shape.is_none() && names.is_empty() && point.is_none() && either.is_empty();
        let fast = matches!(mode, Mode::Fast) && more.is_none_or(|more| more.extra);
        if few || fast || anything.is_none() { service().map_err(OptionErrors::from) } else { Err("too much".into()) }
    })
}

#[test]
fn options_of_any_type_are_accepted_where_they_are_right() {
    for options in [
        "mode = 'fast'",
        "mode = 'very-safe', shape = { kind = 'circle', radius = 1 }, names = { a = 1, 'b c' = 255 }",
        "mode = 'fast', point = [1, 2.5], either = [1, 'x'], extra = true, anything = { a = [{ b = 1 }] }",
    ] {
        assert_eq!(wrong(&rich(), &format!("options = {{ {options} }}")), [""; 0], "{options}");
    }
}

#[test]
fn options_of_any_type_are_refused_where_they_are_wrong() {
    for (options, expected) in [
        ("", "{  }: `mode` is missing in `options`"),
        ("mode = 'fats'", "'fats': `options.mode` cannot be `fats` (did you mean `fast`?)"),
        ("mode = 'fast', mood = 1", "mood: unknown key `mood` in `options` (did you mean `mode`?)"),
        ("mode = 'fast', names = { a = 256 }", "256: `options.names.a` is 256, but has to be from 0 to 255"),
        ("mode = 'fast', names = { \"a b\" = '' }", "'': `options.names.\"a b\"` should be an integer, not a string"),
        ("mode = 'fast', point = [1, 'x']", "'x': `options.point[1]` should be a number, not a string"),
        ("mode = 'fast', point = [1]", "[1]: `options.point` has 1 item, but needs at least 2"),
        (
            "mode = 'fast', either = [1, true]",
            "true: `options.either[1]` should be an integer or a string, not a boolean (in quotes: `\"true\"`)",
        ),
        ("mode = 'fast', extra = 1", "1: `options.extra` should be true or false, not an integer (write `true`)"),
        (
            "mode = 'fast', shape = { kind = 'circle', radios = 1 }",
            "radios: unknown key `radios` in `options.shape` (did you mean `radius`?)",
        ),
        ("mode = 'fast', shape = { kind = 'square' }", "{ kind = 'square' }: `side` is missing in `options.shape`"),
    ] {
        assert_eq!(wrong(&rich(), &format!("options = {{ {options} }}")), [expected], "{options}");
    }
}

#[test]
fn errors_of_the_type_itself_have_a_position() {
    #[derive(Deserialize, JsonSchema)]
    struct Listening {
        #[schemars(with = "Vec<String>")]
        hosts: Vec<std::net::IpAddr>,
    }
    let registry = Registry::empty().with("test", |listening: Listening| {
        assert_eq!(listening.hosts.len(), 1);
        service()
    });
    assert_eq!(wrong(&registry, "options.hosts = ['::1']"), [""; 0]);
    assert_eq!(wrong(&registry, "options.hosts = ['::1', 'x']"), ["'x': `options`: invalid IP address syntax"]);
}

#[test]
fn a_service_without_options_has_none() {
    #[derive(Deserialize, JsonSchema)]
    struct Empty {}
    #[derive(Deserialize, JsonSchema)]
    struct Unit;
    for registry in [
        Registry::empty().with("test", |(): ()| service()),
        Registry::empty().with("test", |Empty {}: Empty| service()),
        Registry::empty().with("test", |Unit: Unit| service()),
    ] {
        assert_eq!(wrong(&registry, ""), [""; 0]);
        assert_eq!(wrong(&registry, "options = {}"), [""; 0]);
        let unknown = "x: unknown key `x` in `options` (there is nothing to set here)";
        assert_eq!(wrong(&registry, "options = { x = 1 }"), [unknown]);
        assert_eq!(wrong(&registry, "options = 1"), ["1: `options` should be a table, not an integer"]);
    }
}

#[test]
fn a_function_refuses_with_any_reason() {
    #[derive(Deserialize, JsonSchema)]
    struct Sides {
        sides: Vec<u8>,
    }
    let group = "options = { sides = [1, 2] }";
    let second = || OptionError::new(["sides".into(), 1.into()], "is too many").hint("take 1");
    let absent = || OptionError::new(["sides".into(), 7.into(), "colour".into()], "is missing");
    let none = |sides: Sides| -> Result<Local, Vec<OptionError>> {
        assert_eq!(sides.sides, [1, 2]);
        Err(Vec::new())
    };
    for (registry, expected) in [
        (
            Registry::empty().with("test", move |_: Sides| Err::<Local, _>(vec![second(), absent()])),
            vec!["[1, 2]: `options.sides[7].colour` is missing", "2: `options.sides[1]` is too many (take 1)"],
        ),
        (
            Registry::empty().with("test", move |_: Sides| Err::<Local, _>(second())),
            vec!["2: `options.sides[1]` is too many (take 1)"],
        ),
        (Registry::empty().with("test", |_: Sides| Err::<Local, _>("no dice")), vec!["{ sides = [1, 2] }: no dice"]),
        (
            Registry::empty().with("test", |_: Sides| Err::<Local, _>(format!("no {}", "dice"))),
            vec!["{ sides = [1, 2] }: no dice"],
        ),
        (
            Registry::empty().with("test", |_: Sides| Err::<Local, BoxError>("x".parse::<u8>().unwrap_err().into())),
            vec!["{ sides = [1, 2] }: invalid digit found in string"],
        ),
        (
            Registry::empty().with("test", |_: Sides| Local::new("T", ()).method("_x", |_: &(), (): ()| 0).build()),
            vec!["{ sides = [1, 2] }: the method name `_x` begins with `_`, which makes it private"],
        ),
        (Registry::empty().with("test", none), vec!["\"test\": the service `test` could not be made"]),
    ] {
        assert_eq!(wrong(&registry, group), expected);
    }
    let built = service().unwrap();
    let built = std::sync::Mutex::new(Some(built));
    let registry =
        Registry::empty().with("test", move |(): ()| Ok::<_, Infallible>(built.lock().unwrap().take().unwrap()));
    assert_eq!(wrong(&registry, ""), [""; 0]);
}

#[test]
fn the_last_of_two_kinds_with_one_name_counts() {
    let registry = Registry::standard().with("wheel", |(): ()| service()).with("test", |(): ()| service());
    assert_eq!(registry.kinds().collect::<Vec<_>>(), ["diagnostics", "test", "wheel"]);
    let text = "[group.\"/x\"]\nservice = \"wheel\"\n";
    let config = Config::parse("test.toml", text, &registry).unwrap();
    assert_eq!(config.groups[0].service.interface().title, "Test");
}

#[test]
fn groups_inherit_single_keys() {
    let text = r#"
        [limits]
        depth = 10
        body = "1 MiB"
        [xml-rpc]
        nil = "omit"
        zone = 60
        [group."/a"]
        service = "test"
        limits = { body = 77 }
        xml-rpc.nil = "nil"
        [group."/b"]
        service = "test"
    "#;
    let config = Config::parse("test.toml", text, &Registry::empty().with("test", |(): ()| service())).unwrap();
    let seen: Vec<_> = config
        .groups
        .iter()
        .map(|group| (group.limits().body, group.limits().depth, group.protocols.xml_rpc.zone))
        .collect();
    assert_eq!(seen, [(77, 10, 60), (1 << 20, 10, 60)]);
    assert_ne!(config.groups[0].protocols.xml_rpc.nil, config.groups[1].protocols.xml_rpc.nil);
}
