//! Groups in front of services in the manner of well-known ones: what a call is sent as, and that the whole response comes
//! back, over every protocol. Each service is a folder in `tests/fixtures/soap-services`.

use crate::support::soap_exchange::{check_folder, check_long_lists};

#[tokio::test]
async fn services_in_the_manner_of_known_ones_lose_nothing() {
    check_folder("soap-services", 30).await;
}

#[tokio::test]
async fn long_lists_of_services_are_read_like_short_ones() {
    check_long_lists("soap-services", 3).await;
}
