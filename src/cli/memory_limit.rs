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
        let read = |path: &Path| fs::read_to_string(Path::new("/sys/fs/cgroup").join(path)).ok();
        of_process.into_iter().flatten().chain(of_control_groups(&groups, read)).min()
    }

    /// The limits of the control groups that the process is in, by the text of `/proc/self/cgroup`. `read` returns the text
    /// of a file below the folder of control groups, if there is such a file.
    fn of_control_groups(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<u64> {
        let mut limits = Vec::new();
        for line in groups.lines() {
            // `0::/path` in version 2, and `4:memory:/path` in version 1.
            let (folder, file, path) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
                ["0", "", path] => ("", "memory.max", path),
                [_, "memory", path] => ("memory", "memory.limit_in_bytes", path),
                _ => continue,
            };
            // The limit of each group above holds too. A container sees its own group as the root.
            let ancestors = Path::new(path.trim_start_matches('/')).ancestors();
            let texts = ancestors.filter_map(|group| read(&Path::new(folder).join(group).join(file)));
            limits.extend(texts.filter_map(|text| text.trim().parse::<u64>().ok()));
        }
        limits
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_group_above_the_process_counts() {
            let read = |path: &Path| match path.to_str()? {
                "memory.max" => Some("max\n".to_owned()),
                "pod/memory.max" => Some("268435456\n".to_owned()),
                "pod/container/memory.max" => Some("536870912\n".to_owned()),
                "memory/old/memory.limit_in_bytes" => Some("9223372036854771712\n".to_owned()),
                _ => None,
            };
            assert_eq!(of_control_groups("0::/pod/container\n", read), [536_870_912, 268_435_456]);
            assert_eq!(of_control_groups("0::/\n", read), [0_u64; 0]);
            let both = "9:name=systemd:/\n4:memory:/old\n1:cpu:/pod\n";
            assert_eq!(of_control_groups(both, read), [9_223_372_036_854_771_712]);
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
