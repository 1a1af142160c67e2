//! The memory that the system lets the process have, and whether the configuration fits into it.

use crate::config::Config;
use crate::model::units::Size;

/// Lowers the default sizes of memory of a configuration to what the process may have.
pub(super) fn fit(config: &mut Config) {
    if let Some(limit) = system::limit() {
        config.fit_memory(limit);
    }
}

/// Warns if the configuration may need more memory than the process may have.
pub(super) fn check(config: &Config) {
    let Some(limit) = system::limit() else { return };
    let needed = config.needed_memory();
    if limit < needed {
        let size = |bytes: u64| Size(usize::try_from(bytes).unwrap_or(usize::MAX));
        let (requests, responses) = (Size(config.settings.memory), Size(config.settings.response_memory));
        tracing::warn!(
            limit,
            needed,
            "the process may have {} of memory, and may need {} with a `server.memory` of {requests} and a \
             `server.response-memory` of {responses}: lower these, or raise the limit (`MemoryMax` of systemd, `resources` of \
             Kubernetes, `ulimit -d` or `-v`)",
            size(limit),
            size(needed),
        );
    }
}

#[cfg(unix)]
mod system {
    use std::fs;
    use std::path::Path;

    use rustix::process::{Resource, getrlimit};

    /// The lowest of the limits on the memory of the process; `None` if there is none.
    pub(super) fn limit() -> Option<u64> {
        let of_process = [Resource::Data, Resource::As].map(|resource| getrlimit(resource).current);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        of_process.into_iter().flatten().chain(of_control_groups(&groups, Path::new("/sys/fs/cgroup"))).min()
    }

    /// The limits of the control groups that the process is in, by the text of `/proc/self/cgroup`.
    fn of_control_groups(groups: &str, root: &Path) -> impl Iterator<Item = u64> {
        groups.lines().flat_map(move |line| {
            // `0::/path` in version 2, and `4:memory:/path` in version 1.
            let (folder, file, path) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
                ["0", "", path] => (root.to_owned(), "memory.max", path),
                [_, "memory", path] => (root.join("memory"), "memory.limit_in_bytes", path),
                _ => return Vec::new(),
            };
            // The limit of each group above holds too. A container sees its own group as the root.
            let path = Path::new(path.trim_start_matches('/'));
            let limit = |group: &Path| fs::read_to_string(folder.join(group).join(file)).ok()?.trim().parse().ok();
            path.ancestors().filter_map(limit).collect()
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_group_above_the_process_counts() {
            let root = tempfile::tempdir().unwrap();
            let write = |path: &str, text: &str| {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            write("memory.max", "max\n");
            write("pod/memory.max", "268435456\n");
            write("pod/container/memory.max", "536870912\n");
            write("memory/old/memory.limit_in_bytes", "9223372036854771712\n");
            let limits = |groups: &str| of_control_groups(groups, root.path()).collect::<Vec<u64>>();
            assert_eq!(limits("0::/pod/container\n"), [536_870_912, 268_435_456]);
            assert_eq!(limits("0::/\n"), [0_u64; 0]);
            assert_eq!(limits("9:name=systemd:/\n4:memory:/old\n1:cpu:/pod\n"), [9_223_372_036_854_771_712]);
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// `None`: there is no such limit here.
    pub(super) fn limit() -> Option<u64> {
        None
    }
}
