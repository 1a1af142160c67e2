//! The single situations that WSDL documents and messages of servers bring about: each is an exchange in a folder of
//! `tests/fixtures/soap-samples`.

use crate::support::soap_exchange::check_folder;

#[tokio::test]
async fn each_situation_loses_nothing() {
    check_folder("soap-samples", 30).await;
}
