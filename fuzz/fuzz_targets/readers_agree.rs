//! The one-pass reader and the tree reader read the same from any text, leniently and strictly and within any limits.
//! Line ends make no difference.

#![no_main]

use croupier::codec::DocumentLimits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::XmlRpcDocument;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for reading in [Reading::Lenient, Reading::Strict] {
        // The length of the input chooses the limits, so that plain documents can serve as seeds.
        let small = DocumentLimits { depth: text.len() % 5, elements: text.len() % 64 };
        for limits in [DocumentLimits::default(), small] {
            let plain = XmlRpcDocument::read(text, reading, limits);
            let tree = XmlRpcDocument::read_tree(text, reading, limits);
            // NaN is not equal to itself, but is printed the same.
            assert!(plain == tree || format!("{plain:?}") == format!("{tree:?}"), "{plain:?}\nis not\n{tree:?}");
            if text.contains('\r') {
                let unix = text.replace("\r\n", "\n").replace('\r', "\n");
                let unix = XmlRpcDocument::read(&unix, reading, limits);
                assert!(plain == unix || format!("{plain:?}") == format!("{unix:?}"), "{plain:?}\nis not\n{unix:?}");
            }
        }
    }
});
