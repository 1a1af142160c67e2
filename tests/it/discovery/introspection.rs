//! What XML-RPC's introspection says of our own services reads back as their signatures.

use croupier::Value;
use croupier::describe::signature::signatures;
use croupier::learn::introspection::{Described, interface};
use croupier::service::Service;
use croupier::services::wheel::{Chance, Family, Table};

use crate::support::every_type;

#[test]
fn our_own_signatures_come_back() {
    let wheel = Table::new(Family::American, Chance::seeded(7)).service().unwrap();
    for service in [&wheel as &dyn Service, &every_type::service()] {
        let own = service.interface();
        let words = |words: Vec<&str>| Value::Array(words.into_iter().map(|word| Value::Text(word.into())).collect());
        let described = own.methods.iter().map(|method| Described {
            name: method.name.clone(),
            signature: Some(Value::Array(signatures(own, method).into_iter().map(words).collect())),
            help: Some(Value::Text(method.doc.clone())),
        });
        let read = interface(&described.collect::<Vec<_>>());
        assert_eq!(read.methods.len(), own.methods.len());
        for (one, other) in read.methods.iter().zip(&own.methods) {
            assert_eq!((&one.name, &one.doc), (&other.name, &other.doc));
            assert_eq!(signatures(&read, one), signatures(own, other), "{}", one.name);
        }
    }
}
