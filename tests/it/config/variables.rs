//! Values from the environment, in every kind of place.

use croupier::config::{Config, ConfigErrors, Level, Registry, Severity, Variables};

fn read(text: &str, variables: &str) -> Result<Config, ConfigErrors> {
    let variables = Variables::new().with_file(variables).unwrap();
    Config::parse_at("x.toml".as_ref(), text, &Registry::standard(), &variables)
}

#[test]
fn texts_numbers_and_truth_values_come_from_variables() {
    let text = r#"
        listen = [{ address = { env = "LISTEN" }, serves = { env = "SERVES" } }]
        workers = { env = "WORKERS" }
        log = { level = { env = "LEVEL" }, access = { env = "ACCESS" } }
        limits = { body = { env = "BODY" }, deadline = { env = "DEADLINE" } }
        [group."/w"]
        service = { env = "SERVICE" }
        aliases = [{ env = "ALIAS" }]
        protocols = [{ env = "PROTOCOL" }]
        options = { family = { env = "FAMILY" }, seed = { env = "SEED" } }
        routes = [{ route = { env = "ROUTE" }, method = "spin", args = { } }]
        [group."/u".upstream]
        urls = [{ env = "URL" }]
        protocol = "json-rpc"
        safe = [{ env = "SAFE" }]
        http2 = { env = "HTTP2" }
    "#;
    let variables = "LISTEN=127.0.0.1:81\nSERVES=api\nWORKERS=3\nLEVEL=debug\nACCESS=false\nBODY=1 MiB\nDEADLINE=7s\n\
                     SERVICE=wheel\nALIAS=/z\nPROTOCOL=rest\nFAMILY=mini\nSEED=7\nROUTE=GET /x\nURL=http://h:1/\nSAFE=a*\n\
                     HTTP2=true\n";
    let config = read(text, variables).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:81 (API only)");
    assert_eq!((config.workers, config.log.level, config.log.access), (Some(3), Level::Debug, false));
    let group = &config.groups[0];
    assert_eq!((group.limits().body, group.limits().deadline.as_secs()), (1 << 20, 7));
    assert_eq!((group.kind.as_str(), group.aliases.as_slice()), ("wheel", ["/z".to_owned()].as_slice()));
    assert_eq!(config.groups[1].upstream.as_ref().unwrap().servers(), "h:1");
    assert!(config.remarks.problems().is_empty(), "{:?}", config.remarks);
    for (good, bad, place) in [
        (
            "WORKERS=3",
            "WORKERS=x-0-x-x",
            "`workers` should be an integer, but the environment variable `WORKERS` is not",
        ),
        ("ACCESS=false", "ACCESS=yes", "`log.access` should be true or false"),
        ("WORKERS=3", "WORKERS=9999", "`workers` is 9999, but has to be from 1 to 1024"),
        ("BODY=1 MiB", "BODY=x-0-x-x", "`limits.body` is `***`, which is not a valid size"),
        ("LEVEL=debug", "LEVEL=x-0-x-x", "`log.level` cannot be `***`"),
        ("URL=http://h:1/", "URL=x-0-x-x", "`***` is not a valid URL"),
    ] {
        let errors = read(text, &variables.replace(good, bad)).unwrap_err().to_string();
        assert!(errors.contains(place) && !errors.contains("x-0-x-x"), "{bad}: {errors}");
    }
}

#[test]
fn values_that_a_service_takes_as_they_are_stay_tables() {
    let text = r#"
        [group."/e"]
        service = "diagnostics"
        routes = [{ route = "GET /e", method = "echo", args = { value = { env = "HOME" } } }]
    "#;
    let config = read(text, "HOME=x").unwrap_or_else(|errors| panic!("{errors}"));
    let route = &config.groups[0].protocols.routes[0];
    assert_eq!(serde_json::to_value(route.args()).unwrap(), serde_json::json!({ "value": { "env": "HOME" } }));
}

#[test]
fn without_variables_the_rest_is_checked() {
    let text = r#"
        workers = { env = "CROUPIER_TEST_UNSET" }
        [group."/w"]
        service = "wheel"
        options = { family = { env = "CROUPIER_TEST_UNSET" } }
        [group."/u".upstream]
        urls = ["http://h:1/", { env = "CROUPIER_TEST_UNSET" }]
        protocol = "json-rpc"
        bearer = { env = "CROUPIER_TEST_UNSET" }
    "#;
    let optional = Variables::new().optional();
    let read = |text: &str| Config::parse_at("x.toml".as_ref(), text, &Registry::standard(), &optional);
    let config = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    let remarks = config.remarks.problems();
    assert_eq!(remarks.len(), 4, "{remarks:?}");
    assert!(remarks.iter().all(|remark| remark.severity == Severity::Note), "{remarks:?}");
    assert_eq!(config.groups.iter().map(|group| group.path.as_str()).collect::<Vec<_>>(), ["/u"]);
    assert_eq!(config.groups[0].upstream.as_ref().unwrap().servers(), "h:1");
    let errors = read(&text.replace("json-rpc", "json")).unwrap_err();
    let count = |severity: Severity| errors.problems().iter().filter(|problem| problem.severity == severity).count();
    assert_eq!((count(Severity::Error), count(Severity::Note)), (1, 3), "{errors}");
}

#[test]
fn included_files_and_their_names_come_from_variables_too() {
    let folder = std::env::temp_dir().join(format!("croupier-variables-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let included = "[group.'/w']\nservice = 'wheel'\noptions = { family = { env = 'FAMILY' } }\n";
    std::fs::write(folder.join("w.inc"), included).unwrap();
    std::fs::write(folder.join("x.toml"), "include = [{ env = 'INCLUDE' }]\n").unwrap();
    let variables = Variables::new().with_file("INCLUDE=*.inc\nFAMILY=mini\n").unwrap();
    let config = Config::load_with(&folder.join("x.toml"), &Registry::standard(), &variables);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(config.unwrap_or_else(|errors| panic!("{errors}")).groups[0].path, "/w");
}
