//! The built-in configuration is valid and complete, and its comments agree with the types.

use std::collections::BTreeMap;

use croupier::config::{Config, DEFAULT, Log, OnlyRequests, Registry, reference};
use croupier::model::units::Size;
use croupier::server::mount::GroupMount;
use croupier::server::settings::{GroupLimits, PerClient, ServerSettings};
use croupier::service::quota::QuotaOptions;
use croupier::service::rate::RateOptions;
use toml::{Table, Value};

/// The configuration with every commented key in force: a comment that is no prose has no space after its `#`.
fn uncommented() -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with([' ', '#', ':']) => line[..indent].to_owned() + key,
            _ => line.to_owned(),
        }
    };
    DEFAULT.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn parse(text: &str) -> Config {
    Config::parse("croupier.toml", text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn it_mounts_all_wheels_the_table_and_the_diagnostics() {
    let config = parse(DEFAULT);
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:8008"]);
    let titled = |group: &GroupMount| (group.path.clone(), group.service.interface().title.clone());
    let groups: Vec<(String, String)> = config.groups.iter().map(titled).collect();
    let paths: Vec<&str> = groups.iter().map(|(path, _)| path.as_str()).collect();
    let wheels = ["/wheel/american", "/wheel/european", "/wheel/french", "/wheel/triple-zero", "/wheel/mini"];
    assert_eq!(paths, [wheels.as_slice(), &["/wheel/all", "/diagnostics"]].concat());
    let pages: Vec<&str> = config.pages.iter().map(|page| page.path.as_str()).collect();
    assert_eq!(pages, ["/table"]);
    assert_eq!(config.groups[0].aliases, ["/", "/RPC2"]);
    let router = config.router();
    for path in ["/", "/RPC2", "/wheel/american"] {
        let (group, tail) = router.find(path).unwrap().unwrap();
        assert_eq!((group.path.as_str(), tail), ("/wheel/american", ""));
    }
}

#[test]
fn it_changes_no_default() {
    let text = "[group.\"/d\"]\nservice = \"diagnostics\"\n";
    let (plain, built_in) = (parse(text), parse(DEFAULT));
    assert_eq!(plain.listen, built_in.listen);
    assert_eq!((plain.workers, plain.log, plain.settings), (built_in.workers, built_in.log, built_in.settings));
    assert_eq!(
        (plain.groups[0].limits(), &plain.groups[0].protocols),
        (built_in.groups[0].limits(), &built_in.groups[0].protocols)
    );
}

#[test]
fn each_commented_key_shows_its_default() {
    // An upstream has one kind of credentials.
    let text = uncommented().replace("\noauth2 = ", "\n#oauth2 = ");
    let (built_in, all) = (parse(DEFAULT), parse(&text));
    assert_eq!((all.listen.len(), all.workers), (3, Some(2)));
    let ServerSettings { connections, in_flight, memory, response_memory, .. } = built_in.settings;
    let halves = PerClient {
        connections: Some(connections / 2),
        requests: Some(in_flight / 4),
        memory: Some(Size(memory / 2)),
        response_memory: Some(Size(response_memory / 2)),
    };
    assert_eq!(all.log, Log { only: Some(OnlyRequests::Errors), ..built_in.log });
    #[cfg(feature = "otlp")]
    {
        let otlp = all.otlp.unwrap();
        assert_eq!((otlp.sample, otlp.service_name.as_str(), built_in.otlp), (1.0, "croupier", None));
    }
    assert_eq!((all.quotas_file.is_some(), built_in.quotas_file), (true, None));
    assert_eq!(all.settings, ServerSettings { per_client: halves, ..built_in.settings });
    assert_eq!(all.groups.len(), built_in.groups.len() + 8);
    for (all, built_in) in all.groups.iter().zip(&built_in.groups) {
        // By default there is no rate, and no quota.
        let rate = all.limits().rate.clone();
        let rate = RateOptions { calls: None, burst: None, weights: BTreeMap::new(), ..rate };
        let quota = QuotaOptions { calls: None, weights: BTreeMap::new(), ..all.limits().quota.clone() };
        let limits = GroupLimits { rate, quota, ..all.limits().clone() };
        assert_eq!((&all.path, &limits, &all.protocols), (&built_in.path, built_in.limits(), &built_in.protocols));
    }
    let house = all.groups.iter().find(|group| group.path == "/wheel/house").unwrap();
    assert_eq!((house.path.as_str(), house.limits().body, house.limits().concurrent), ("/wheel/house", 64 << 10, 16));
    assert_eq!(house.limits().depth, built_in.groups[0].limits().depth);
}

/// The reference lists every key by its section; here each of them has to be set.
#[test]
fn no_key_is_left_out() {
    let table: Table = uncommented().parse().unwrap();
    let house = table["group"]["/wheel/house"].as_table().unwrap();
    let both = table["group"]["/both"]["aggregate"].as_table().unwrap();
    let group: Table = house.clone().into_iter().chain([("aggregate".to_owned(), both.clone().into())]).collect();
    let upstreams = ["/supervisor", "/partner", "/bank", "/users", "/files"]
        .map(|path| table["group"][path]["upstream"].as_table().unwrap());
    let upstream: Table = upstreams.into_iter().flat_map(|upstream| upstream.clone()).collect();
    let group: Table = group.into_iter().chain([("upstream".to_owned(), upstream.clone().into())]).collect();
    let definitions = table["auth"].as_table().unwrap();
    let kinds: Table = definitions.values().flat_map(|definition| definition.as_table().unwrap().clone()).collect();
    let of_jwt = definitions.values().filter_map(|definition| definition.get("jwt")?.as_table());
    let jwt: Table = of_jwt.flat_map(|jwt| jwt.clone()).collect();
    let (mut section, mut keys) = (Some(&table), 0);
    let mut pockets = Table::new();
    for pocket in house["options"]["pockets"].as_array().unwrap() {
        pockets.extend(pocket.as_table().unwrap().clone());
    }
    let mut access = Table::new();
    for rule in house["access"].as_array().unwrap() {
        access.extend(rule.as_table().unwrap().clone());
    }
    let prompt = &house["mcp"]["prompts"]["evening"];
    let mut fallback = Table::new();
    for one in house["fallback"].as_array().unwrap() {
        fallback.extend(one.as_table().unwrap().clone());
    }
    let mut routes = Table::new();
    for route in house["routes"].as_array().unwrap() {
        routes.extend(route.as_table().unwrap().clone());
    }
    for line in reference(&Registry::standard()).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = match heading {
                "Top level" => Some(&table),
                "`[group.\"/path\"]`" => Some(&group),
                "`[[listen]]`" => table["listen"].as_array().unwrap().iter().find_map(Value::as_table),
                // The files would have to be there.
                "`[listen.tls]`" | "Each of the `certificates` in `[listen.tls]`" => None,
                "`[group.\"/path\".soap]`" => house["soap"].as_table(),
                "`[mcp]`" => table["mcp"].as_table(),
                "`[group.\"/path\".mcp]`" => house["mcp"].as_table(),
                "`[group.\"/path\".mcp.tools.NAME]`" => house["mcp"]["tools"]["spinList"].as_table(),
                "`[group.\"/path\".mcp.prompts.NAME]`" => prompt.as_table(),
                "`[group.\"/path\".mcp.prompts.NAME.args.NAME]`" => prompt["args"]["times"].as_table(),
                "`[group.\"/path\".cache]`" => house["cache"].as_table(),
                "`[group.\"/path\".shadow]`" => house["shadow"].as_table(),
                "`[group.\"/path\".split]`" => house["split"].as_table(),
                "Each of the `fallback` in `[group.\"/path\"]`" => Some(&fallback),
                "Each of the `routes` in `[group.\"/path\"]`" => Some(&routes),
                "Each of the `access` in `[group.\"/path\"]`" => Some(&access),
                "`[group.\"/path\".aggregate]`" => Some(both),
                "`[group.\"/path\".aggregate.methods.NAME]`" => {
                    table["group"]["/wheel/all"]["aggregate"]["methods"]["spinList"].as_table()
                }
                "`[group.\"/path\".aggregate.calls.NAME]`" => both["calls"]["american"].as_table(),
                "`[group.\"/path\".aggregate.params.NAME]`" => both["params"]["spins"].as_table(),
                "`[group.\"/path\".upstream]`" => Some(&upstream),
                "`[auth.NAME]`" => Some(&kinds),
                "`[auth.NAME.jwt]`" => Some(&jwt),
                name if name.starts_with("`[auth.NAME.") => {
                    kinds.get(name.trim_start_matches("`[auth.NAME.").trim_end_matches("]`")).and_then(Value::as_table)
                }
                "`[group.\"/path\".upstream.headers.NAME]`" | "`[group.\"/path\".upstream.tls]`" => None,
                "`[page.\"/path\"]`" => table["page"]["/table"].as_table(),
                "`options` of the service `wheel`" => house["options"].as_table(),
                "Each of the `pockets` of the service `wheel`" => Some(&pockets),
                "`options` of the service `diagnostics`" => None,
                name => {
                    let mut path = name.trim_matches(['`', '[', ']']).split('.');
                    path.try_fold(&table, |table, key| table.get(key).and_then(Value::as_table))
                }
            };
            let of_auth = heading.starts_with("`[auth.NAME.") && heading.matches('.').count() > 2;
            let left_out = heading.ends_with("`diagnostics`") || heading.contains(".upstream.") || of_auth;
            let left_out = left_out || heading.contains("listen.tls");
            assert!(section.is_some() || left_out, "no section {heading}");
        } else if let Some(key) = line.strip_prefix("- `") {
            let key = key.split('`').next().unwrap();
            if let Some(section) = section {
                // A file would have to be there.
                let is_explained = key == "tls" && DEFAULT.contains("# `tls`")
                    || key == "file" && section.contains_key("args") && DEFAULT.contains("in a `file`");
                assert!(section.contains_key(key) || is_explained, "`{key}` is missing");
                keys += 1;
            }
        }
    }
    assert!(keys > 35, "only {keys} keys were looked for");
}
