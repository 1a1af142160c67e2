//! Bytes become text by any name of an encoding, or an error; what is text has one kind of line end.

#![no_main]

use croupier::codec::xml::charset::decode;
use libfuzzer_sys::fuzz_target;

const LABELS: [Option<&str>; 12] = [
    None,
    Some(""),
    Some("utf-8"),
    Some("UTF8"),
    Some("us-ascii"),
    Some("iso-8859-1"),
    Some("windows-1252"),
    Some("iso-8859-15"),
    Some("utf-16"),
    Some("utf-16be"),
    Some("shift_jis"),
    Some("gb18030"),
];

fuzz_target!(|bytes: &[u8]| {
    for label in LABELS {
        let Ok(text) = decode(bytes, label) else { continue };
        assert!(!text.contains('\r'));
        assert!(text.len() <= 3 * bytes.len());
        // UTF-8 without a mark that is taken for UTF-8 is not changed.
        if label == Some("utf-8") && std::str::from_utf8(bytes).is_ok_and(|it| *it == *text) {
            assert_eq!(decode(text.as_bytes(), Some("utf-8")).as_deref(), Ok(text.as_ref()));
        }
    }
    // Without a header, a text comes back the same from UTF-16 with a mark.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let wide: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&wide, None).unwrap(), text.replace("\r\n", "\n").replace('\r', "\n"));
    }
});
