//! The manifests for Kubernetes agree with each other and with the configuration that they embed.

use std::collections::BTreeSet;
use std::process::Command;

use croupier::config::{Config, Registry};
use croupier::server::settings::ListenAddress;
use serde_json::Value;

use super::{files_below, in_tree, text_of};
use crate::support::process::run;

const FOLDER: &str = "deploy/kubernetes";

/// The configuration that the pods get.
fn embedded() -> Config {
    let text = text_of("deploy/kubernetes/croupier.toml");
    Config::parse("croupier.toml", &text, &Registry::standard()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn port(listen: &ListenAddress) -> u16 {
    match listen {
        ListenAddress::Tcp(address) => {
            assert!(address.ip().is_unspecified(), "a probe comes from outside the pod");
            address.port()
        }
        ListenAddress::Unix(path) => panic!("a probe cannot reach {}", path.display()),
    }
}

#[test]
fn every_manifest_is_named_in_the_kustomization_and_says_what_it_is() {
    let kustomization = text_of("deploy/kubernetes/kustomization.yaml");
    let listed: BTreeSet<&str> = kustomization.lines().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    let mut manifests = 0;
    for file in files_below(FOLDER, ".yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for document in text.split("\n---\n") {
            let keys = if name == "kustomization.yaml" {
                &["apiVersion:", "kind:"][..]
            } else {
                manifests += 1;
                &["apiVersion:", "kind:", "metadata:"]
            };
            for key in keys {
                assert_eq!(document.lines().filter(|line| line.starts_with(key)).count(), 1, "{name}: {key}");
            }
        }
        assert!(name == "kustomization.yaml" || listed.contains(name), "{name} is not in the kustomization");
    }
    assert!(manifests >= 4 && listed.contains("croupier.toml"), "{listed:?}");
}

#[test]
fn probes_and_services_go_to_the_ports_of_the_configuration() {
    let config = embedded();
    let admin = port(config.admin.listen.as_ref().expect("the probes need an admin listener"));
    let http = port(&config.listen[0].listen);
    let deployment = text_of("deploy/kubernetes/deployment.yaml");
    for (name, port) in [("http", http), ("admin", admin)] {
        let named = format!("- name: {name}\n              containerPort: {port}\n");
        assert!(deployment.contains(&named), "no port {name} with the number {port}");
    }
    for (probe, path) in [("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")] {
        let asked = format!("{probe}:\n            httpGet: {{ path: {path}, port: admin }}\n");
        assert!(deployment.contains(&asked), "{probe} does not ask {path} of the admin listener");
    }
    assert!(deployment.contains(&format!("prometheus.io/port: \"{admin}\"")));
    assert!(text_of("deploy/kubernetes/service.yaml").contains("targetPort: http"));

    // What a pod needs to stop in order: the wait of preStop, the drain time, and some time for the rest.
    let seconds = |key: &str| -> u64 {
        let (_, rest) = deployment.split_once(key).unwrap_or_else(|| panic!("no {key}"));
        rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let drain = config.settings.timeouts.drain.as_secs();
    assert!(seconds("terminationGracePeriodSeconds:") > seconds("sleep: { seconds:") + drain);
    let memory = (config.settings.memory + config.settings.response_memory) as u64 >> 20;
    assert!(seconds("limits: { memory:") > memory, "the pod may use less than the server");
}

/// All documents of a YAML file.
fn documents(path: &str) -> Vec<Value> {
    let script = "import sys, json, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let read = run(Command::new("python3").args(["-c", script]).arg(in_tree(path)));
    assert_eq!(read.code(), Some(0), "{path}: {}", read.stderr);
    serde_json::from_str(&read.stdout).unwrap()
}

#[test]
#[ignore = "needs PyYAML"]
fn the_manifests_refer_to_what_there_is() {
    let kustomization = &documents("deploy/kubernetes/kustomization.yaml")[0];
    let resources = kustomization["resources"].as_array().unwrap();
    let mut kinds = BTreeSet::new();
    for resource in resources {
        for document in documents(&format!("{FOLDER}/{}", resource.as_str().unwrap())) {
            for key in ["/apiVersion", "/kind", "/metadata/name"] {
                assert!(document.pointer(key).is_some_and(Value::is_string), "{resource}: {key}");
            }
            kinds.insert(document["kind"].as_str().unwrap().to_owned());
            if let Some(target) = document.pointer("/spec/scaleTargetRef") {
                assert_eq!((&target["kind"], &target["name"]), (&"Deployment".into(), &"croupier".into()));
            }
        }
    }
    assert_eq!(
        kinds.iter().map(String::as_str).collect::<Vec<_>>(),
        ["Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"]
    );
    let deployment = &documents("deploy/kubernetes/deployment.yaml")[0];
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let ports: BTreeSet<&str> =
        container["ports"].as_array().unwrap().iter().filter_map(|port| port["name"].as_str()).collect();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let port = container[probe]["httpGet"]["port"].as_str().unwrap();
        assert!(port == "admin" && ports.contains(port), "{probe} asks {port}");
    }
    let maps = &kustomization["configMapGenerator"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], maps[0]["name"]);
    assert_eq!(container["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
    let file = format!("{}/{}", container["volumeMounts"][0]["mountPath"].as_str().unwrap(), "croupier.toml");
    assert_eq!(container["args"][2], file);
    for workflow in files_below(".github", ".yml") {
        let path = workflow.strip_prefix(in_tree("")).unwrap().to_str().unwrap();
        let workflow = &documents(path)[0];
        let jobs = workflow["jobs"].as_object().unwrap_or_else(|| panic!("{path}: no jobs"));
        for (name, job) in jobs {
            let needs = match &job["needs"] {
                Value::String(one) => vec![one.as_str()],
                several => several.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            };
            assert!(needs.iter().all(|needed| jobs.contains_key(*needed)), "{path}: {name} needs {needs:?}");
            assert!(job["steps"].is_array() || job["uses"].is_string(), "{path}: {name} does nothing");
        }
    }
}
