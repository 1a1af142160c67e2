//! Groups in front of services in the manner of well-known ones: what a call is sent as, and that the whole response comes
//! back, over every protocol. Each service is a folder in `tests/fixtures/soap-services`.

use crate::support::soap_exchange::check_folder;

#[tokio::test]
async fn services_in_the_manner_of_known_ones_lose_nothing() {
    check_folder("soap-services", 10).await;
}
