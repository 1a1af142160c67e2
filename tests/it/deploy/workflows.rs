//! The workflows of the repository use actions of others in one version each.

use super::files_below;

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
