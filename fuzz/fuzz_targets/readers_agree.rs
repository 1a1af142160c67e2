//! The one-pass reader and the tree read the same from any text, in both readings and within any limits, and line
//! ends make no difference.

#![no_main]

use croupier::codec::Limits;
use croupier::codec::xml::Reading;
use croupier::codec::xmlrpc::Document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for reading in [Reading::Lenient, Reading::Strict] {
        // What the length chooses needs no bytes of the text, so that documents can be taken as they are for seeds.
        let small = Limits { depth: text.len() % 5, elements: text.len() % 64 };
        for limits in [Limits::default(), small] {
            let plain = Document::read(text, reading, limits);
            let tree = Document::read_tree(text, reading, limits);
            // Two doubles that are no numbers are not equal, but they are printed the same.
            assert!(plain == tree || format!("{plain:?}") == format!("{tree:?}"), "{plain:?}\nis not\n{tree:?}");
            if text.contains('\r') {
                let unix = text.replace("\r\n", "\n").replace('\r', "\n");
                let unix = Document::read(&unix, reading, limits);
                assert!(plain == unix || format!("{plain:?}") == format!("{unix:?}"), "{plain:?}\nis not\n{unix:?}");
            }
        }
    }
});
