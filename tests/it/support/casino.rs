//! A configuration with wheels, a group that is dead and one that is slow, an aggregate of them and a page of it.
use croupier::config::{Config, Registry};
use croupier::service::local::{Local, RegistrationError, named};
use croupier::{Binary, DateTime, Fault, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration.
pub(crate) const CONFIG: &str = r#"
    [group."/american"]
    service = "wheel"
    options = { family = "american", seed = 7 }

    [group."/french"]
    service = "wheel"
    options = { family = "french", seed = 7, max_spins = 20 }

    [group."/dead"]
    service = "dead"

    [group."/kept"]
    service = "kept"

    [group."/table".aggregate]
    title = "The table"
    on-error = "partial"
    deadline = "300ms"

    [group."/table".aggregate.methods.spin.calls]
    american = { group = "/american", method = "spin" }
    french-one = { group = "/french", method = "spin" }
    mini = { group = "/dead", method = "spin" }

    [group."/table".aggregate.methods.spinList]
    on-error = "fail"
    calls.american = { group = "/american", method = "spinList", args = { spins = "$spins" } }
    calls.french = { group = "/french", method = "spinList", args = { spins = "$spins" } }
    calls.counts = { group = "/french", method = "spinCounts", args = { spins = 7 } }

    [group."/table".aggregate.methods.keep]
    calls.kept = { group = "/kept", method = "keep", args = { bytes = "$bytes", when = "$when", huge = "$huge" } }

    [group."/both"]
    aggregate = { calls = { table = { group = "/table", method = "spinList", args = { spins = "$spins" } } } }

    [page."/show"]
    group = "/table"
    method = "spin"
    template = "built-in:table"
    style = "built-in:table"
    title = "Tonight <live>"

    [page."/list"]
    group = "/both"
    method = "all"
    template = "tests/fixtures/list.html"
    refresh = "30s"

    [page."/hostile"]
    group = "/dead"
    method = "hostile"
    template = "tests/fixtures/hostile.html"

    [page."/gone"]
    group = "/dead"
    method = "spin"
    template = "tests/fixtures/hostile.html"
"#;

/// What is kept as it comes.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Kept {
    bytes: Binary,
    when: DateTime,
    huge: u64,
}

fn dead((): ()) -> Result<Local, RegistrationError> {
    Local::new("Dead", ())
        .method(named("spin").safe(), |_: &(), (): ()| {
            Err::<(String, String, String, String), _>(Fault::new(Kind::Unreachable, "closed <today>"))
        })
        .method("hostile", |_: &(), (): ()| "<script>alert(1)</script>\u{202e}")
        .build()
}

fn kept((): ()) -> Result<Local, RegistrationError> {
    Local::new("Kept", ()).method("keep", |_: &(), kept: Kept| kept).build()
}

/// The parsed configuration.
pub(crate) fn config() -> Config {
    let registry = Registry::standard().with("dead", dead).with("kept", kept);
    Config::parse("casino.toml", CONFIG, &registry).unwrap_or_else(|errors| panic!("{errors}"))
}
