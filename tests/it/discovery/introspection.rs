//! What XML-RPC's introspection says of our own services reads back as their signatures.

use croupier::Value;
use croupier::demo::wheel::{Chance, Family, WheelTable};
use croupier::protocol::xmlrpc::introspection::{MethodDescription, interface};
use croupier::protocol::xmlrpc::signature::signatures;
use croupier::service::RpcService;

use crate::support::every_type;

#[test]
fn our_own_signatures_come_back() {
    let wheel = WheelTable::new(Family::American, Chance::seeded(7)).service().unwrap();
    for service in [&wheel as &dyn RpcService, &every_type::service()] {
        let own = service.interface();
        let words = |words: Vec<&str>| Value::Array(words.into_iter().map(|word| Value::Text(word.into())).collect());
        let described = own.methods.iter().map(|method| MethodDescription {
            name: method.name.clone(),
            signature: Some(Value::Array(signatures(&own, method).into_iter().map(words).collect())),
            help: Some(Value::Text(method.doc.clone())),
        });
        let read = interface(&described.collect::<Vec<_>>());
        assert_eq!(read.methods.len(), own.methods.len());
        for (one, other) in read.methods.iter().zip(&own.methods) {
            assert_eq!((&one.name, &one.doc), (&other.name, &other.doc));
            assert_eq!(signatures(&read, one), signatures(&own, other), "{}", one.name);
        }
    }
}
