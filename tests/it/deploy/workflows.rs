//! The workflows of the repository: actions of others, and what is in the archive of a release.

use std::path::{Component, Path, PathBuf};

use super::{files_below, in_tree, text_of};

/// Whether it is a whole version, such as `v4.2.2`: a shorter one changes without a change here.
fn is_whole_version(version: &str) -> bool {
    let parts: Vec<&str> = version.strip_prefix('v').unwrap_or_default().split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[test]
fn actions_of_others_have_a_whole_version() {
    let mut uses = 0;
    for file in files_below(".github", ".yml") {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\npermissions:\n"), "{}: its token may do everything", file.display());
        for action in text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            uses += 1;
            let pinned = action.split_once('@').is_some_and(|(_, version)| is_whole_version(version));
            assert!(pinned || action.starts_with("./"), "{}: {action}", file.display());
        }
    }
    assert!(uses > 5);
}

/// The files and folders of the source that are copied into the archive of a release.
fn archived() -> Vec<PathBuf> {
    let workflow = text_of(".github/workflows/release.yml");
    let copied = workflow.lines().map(str::trim).filter(|line| line.starts_with("cp ") && line.contains("staging/"));
    let sources = copied.flat_map(|line| line.split(' ').skip(1)).filter(|word| !word.starts_with(['-', '"', '$']));
    sources.map(PathBuf::from).collect()
}

/// A path without `..`, such as that of a link from a file.
fn normalized(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
        normal
    })
}

#[test]
fn what_the_documents_of_a_release_link_to_is_in_its_archive() {
    let archived = archived();
    assert!(
        archived.contains(&PathBuf::from("README.md")) && archived.contains(&PathBuf::from("docs")),
        "{archived:?}"
    );
    let is_archived =
        |path: &Path| archived.iter().any(|entry| path.starts_with(entry)) && in_tree("").join(path).exists();
    let mut links = 0;
    let mut dead = Vec::new();
    for file in files_below("", ".md") {
        let file = file.strip_prefix(in_tree("")).unwrap();
        if !is_archived(file) {
            continue;
        }
        let text = text_of(file.to_str().unwrap());
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        // The names of items are links in the documentation of the library.
        for target in targets.filter(|target| target.contains(['.', '/']) && !target.contains("://")) {
            links += 1;
            let path = normalized(&file.parent().unwrap().join(target));
            let is_above = archived.iter().any(|entry| entry.starts_with(&path));
            if !is_archived(&path) && !is_above {
                dead.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(links > 100 && dead.is_empty(), "{links} links, of which dead: {dead:#?}");
}

#[test]
fn no_proxy_passes_on_what_clients_write_about_the_public_address() {
    for (file, removals) in [
        ("nginx.conf", ["proxy_set_header X-Forwarded-Prefix \"\";", "proxy_set_header Forwarded \"\";"]),
        ("haproxy.cfg", ["http-request del-header X-Forwarded-Prefix", "http-request del-header Forwarded"]),
        ("Caddyfile", ["header_up -X-Forwarded-Prefix", "header_up -Forwarded"]),
    ] {
        let text = text_of(&format!("deploy/proxy/{file}"));
        for removal in removals {
            assert!(text.lines().any(|line| line.trim() == removal), "{file} has no `{removal}`");
        }
    }
}
