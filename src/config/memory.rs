//! Sizes of memory that fit a process that may have little of it.

use super::Config;
use crate::server::request_body::reserved_bytes;

/// Which sizes of memory a configuration leaves to the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DefaultMemory {
    /// `server.memory`.
    pub(crate) requests: bool,
    /// `server.response-memory`.
    pub(crate) responses: bool,
}

/// How many bytes a process has mapped that serves nothing: threads with their stacks, and the allocator's own.
const IDLE: u64 = 96 << 20;

impl Config {
    /// Lowers `server.memory` to an eighth and `server.response-memory` to a quarter of the bytes that the process may have,
    /// each unless the file sets it. `server.memory` stays large enough for the largest body that a group allows.
    pub fn fit_memory(&mut self, available: u64) {
        let part = |divisor: u64| usize::try_from(available / divisor).unwrap_or(usize::MAX);
        let largest_body = self.groups.iter().map(|group| group.limits().body).max().unwrap_or_default();
        let settings = &mut self.settings;
        if self.default_memory.requests {
            settings.memory = settings.memory.min(part(8).max(reserved_bytes(largest_body)));
        }
        if self.default_memory.responses {
            settings.response_memory = settings.response_memory.min(part(4).max(1 << 20));
        }
    }

    /// How many bytes the process may use. More than what is reserved, because memory that is given back is not free at once.
    pub(crate) fn needed_memory(&self) -> u64 {
        let reserved = self.settings.memory.saturating_add(self.settings.response_memory) as u64;
        IDLE.saturating_add(reserved.saturating_add(reserved / 10 * 4))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Registry};

    const MIB: usize = 1 << 20;

    fn sizes(server: &str, limits: &str, available: u64) -> (usize, usize) {
        let text = format!("server = {{ {server} }}\nlimits = {{ {limits} }}\n[group.'/x']\nservice = 'diagnostics'\n");
        let mut config = Config::parse("test", &text, &Registry::standard()).unwrap();
        config.fit_memory(available);
        (config.settings.memory / MIB, config.settings.response_memory / MIB)
    }

    #[test]
    fn defaults_are_lowered_for_a_process_with_little_memory() {
        assert_eq!(sizes("", "", 8 << 30), (48, 192));
        assert_eq!(sizes("", "", 256 << 20), (32, 64));
        // A body of 4 MiB counts six times its size.
        assert_eq!(sizes("", "", 64 << 20), (24, 16));
        assert_eq!(sizes("", "body = '1 MiB'", 64 << 20), (8, 16));
    }

    #[test]
    fn what_the_file_says_is_kept() {
        assert_eq!(sizes("memory = '40 MiB'", "", 64 << 20), (40, 16));
        assert_eq!(sizes("response-memory = '192 MiB'", "", 64 << 20), (24, 192));
    }

    #[test]
    fn lowered_defaults_need_less_than_the_process_may_have() {
        let text = "[group.'/x']\nservice = 'diagnostics'\n";
        let mut config = Config::parse("test", text, &Registry::standard()).unwrap();
        assert!(config.needed_memory() > 256 << 20);
        config.fit_memory(256 << 20);
        assert!(config.needed_memory() < 256 << 20);
    }
}
