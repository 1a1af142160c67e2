//! The hosts of a service, by its SRV records (RFC 2782).

use super::answer::LookupResult;
use super::dns::ServiceHost;
use super::known_name::{KnownName, Record};

impl Record for ServiceHost {
    const ABSENT: &'static str = "the service has no hosts";

    async fn look_up(name: &KnownName<ServiceHost>) -> LookupResult<ServiceHost> {
        name.dns().service_hosts(name.name()).await
    }
}

/// The hosts to which requests go: those with the lowest priority number. Each has a share of at least 1.
pub(in super::super) fn preferred(hosts: &[ServiceHost]) -> impl Iterator<Item = (&ServiceHost, u32)> {
    let first = hosts.iter().map(|host| host.priority).min();
    hosts.iter().filter(move |host| Some(host.priority) == first).map(|host| (host, u32::from(host.weight).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_a_higher_priority_number_are_left_out() {
        let host = |priority, weight, name: &str| ServiceHost { priority, weight, name: name.to_owned(), port: 9001 };
        let hosts = [host(20, 5, "spare"), host(10, 3, "one"), host(10, 0, "two")];
        let found: Vec<(&str, u32)> = preferred(&hosts).map(|(host, weight)| (host.name.as_str(), weight)).collect();
        assert_eq!(found, [("one", 3), ("two", 1)]);
        assert_eq!(preferred(&[]).count(), 0);
    }
}
