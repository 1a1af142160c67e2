//! The messages of `tests/fixtures/soap-services` and `tests/fixtures/soap-samples` as zeep writes them: the same as croupier
//! writes, wherever zeep can make the call.
//!
//! zeep must be where Python finds it.

use std::process::Command;

use serde_json::Value as Json;

use crate::support::process;
use crate::support::soap_exchange::{Exchange, body_infoset, services};

/// What zeep cannot write, or writes in another way, and why.
const DIFFERENT: [(&str, &str); 17] = [
    ("built-in-types/edges", "Python has no such times"),
    ("choices/alternatives", "an element that two alternatives share is one of the first only"),
    ("choices/wildcard", "a wildcard cannot be an alternative"),
    ("groups/groups-once", "an element in two groups has two places"),
    ("groups/groups-repeated", "an element in two groups has two places"),
    ("mailbox/find-item", "there are no substitution groups"),
    ("nil/null-in-choices", "null is a value of an alternative"),
    ("open-content/mixed", "mixed content has no text"),
    ("open-content/wildcards-and-any-type", "a struct without a type has no form"),
    ("rpc-encoded/arrays", "the schema of SOAP's encoding is read from the network"),
    ("rpc-encoded/values-that-name-their-types", "the schema of SOAP's encoding is read from the network"),
    ("rpc-literal/parts-left-out", "a part cannot be left out"),
    ("sequences/no-result", "an optional sequence cannot be left out within another"),
    ("substitution/members-of-the-group", "there are no substitution groups"),
    ("crm-records/create-nested", "elements for a wildcard have no types"),
    ("currency-rates/put-rates", "a schema within a message has no form"),
    ("staff/by-criteria", "dates have no zone"),
];

#[test]
#[ignore = "needs python3 with zeep"]
fn zeep_writes_the_same_messages() {
    let services: Vec<_> = ["soap-services", "soap-samples"].into_iter().flat_map(services).collect();
    let script = format!("{}/tests/peers/exchanges_zeep.py", env!("CARGO_MANIFEST_DIR"));
    let folders = services.iter().map(|service| service.document().parent().unwrap().to_owned());
    let ended = process::run(Command::new("python3").arg(script).args(folders));
    assert!(ended.status.success(), "{ended:?}");
    let written: Vec<Json> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exchanges: Vec<Exchange> = services.iter().flat_map(|service| service.exchanges()).collect();
    assert_eq!(written.len(), exchanges.len());
    let mut agreed = 0;
    for written in &written {
        let name = written["name"].as_str().unwrap();
        let expected = &exchanges.iter().find(|exchange| exchange.name == name).unwrap().request;
        let same = written["message"].as_str().map(|message| (body_infoset(message), body_infoset(expected)));
        match (DIFFERENT.iter().find(|(different, _)| *different == name), same) {
            (Some((_, why)), Some((own, expected))) => assert_ne!(own, expected, "{name} is the same, although {why}"),
            (Some(_), None) => {}
            (None, Some((own, expected))) => {
                assert_eq!(own, expected, "{name}");
                agreed += 1;
            }
            (None, None) => panic!("{written}"),
        }
    }
    assert_eq!(agreed, exchanges.len() - DIFFERENT.len());
}
