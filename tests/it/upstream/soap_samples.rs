//! The single situations that WSDL documents and messages of servers bring about: each is an exchange in a folder of
//! `tests/fixtures/soap-samples`.

use crate::support::soap_exchange::{check_folder, check_long_lists};

#[tokio::test]
async fn each_situation_loses_nothing() {
    check_folder("soap-samples", 57).await;
}

#[tokio::test]
async fn long_lists_of_situations_are_read_like_short_ones() {
    check_long_lists("soap-samples", 6).await;
}
