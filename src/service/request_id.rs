//! The id of a request, by which its log lines are found.

use std::fmt;

use http::HeaderValue;

/// The id of a request, the same in its access line, its warnings, and the `X-Request-Id` of its response.
///
/// Making and cloning one allocates nothing: it is formatted when something writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RequestId {
    /// The request has no id: it did not come through a gateway.
    #[default]
    None,
    /// An id made by this process.
    Generated {
        /// A random number, the same for all ids of a process.
        process: u32,
        /// The count of ids in this process, from 1 on.
        number: u64,
    },
    /// The id that a trusted proxy has sent.
    Received(HeaderValue),
}

/// How many bytes the id of a proxy may have.
const LONGEST: usize = 64;

impl RequestId {
    /// The id in a header of a trusted proxy; `None` unless it has 1 to 64 characters of visible ASCII.
    pub fn received(value: &HeaderValue) -> Option<RequestId> {
        let bytes = value.as_bytes();
        let valid = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        valid.then(|| RequestId::Received(value.clone()))
    }

    /// The id as the value of a header; `None` if the request has none.
    pub fn header_value(&self) -> Option<HeaderValue> {
        match self {
            RequestId::None => None,
            RequestId::Generated { process, number } => {
                HeaderValue::from_bytes(Generated::new(*process, *number).bytes()).ok()
            }
            RequestId::Received(value) => Some(value.clone()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestId::None => f.write_str("-"),
            RequestId::Generated { process, number } => {
                let written = Generated::new(*process, *number);
                f.write_str(std::str::from_utf8(written.bytes()).unwrap_or("-"))
            }
            RequestId::Received(value) => f.write_str(value.to_str().unwrap_or("-")),
        }
    }
}

/// A generated id as text: eight hexadecimal digits, a hyphen, and a decimal number. Each request has one or more, so it is
/// written without the machinery of `format!`, which costs five times as much.
struct Generated {
    text: [u8; Generated::LENGTH],
    start: usize,
}

impl Generated {
    /// 8 digits, `-`, and the 20 digits of the largest number.
    const LENGTH: usize = 29;

    fn new(process: u32, mut number: u64) -> Generated {
        let mut text = [0; Generated::LENGTH];
        let mut start = Generated::LENGTH;
        let mut push = |byte: u8| {
            start -= 1;
            if let Some(place) = text.get_mut(start) {
                *place = byte;
            }
        };
        loop {
            push(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        push(b'-');
        for place in 0..8 {
            let digit = (process >> (4 * place) & 0xf) as u8;
            push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
        Generated { text, start }
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_have_eight_digits_and_a_number() {
        for (process, number) in [(0, 0), (0xab, 7), (0xdead_beef, 10), (u32::MAX, u64::MAX), (1, 1_000_000_009)] {
            assert_eq!(RequestId::Generated { process, number }.to_string(), format!("{process:08x}-{number}"));
        }
    }

    #[test]
    fn ids_of_a_proxy_are_short_and_visible() {
        for (text, valid) in [("mine-7", true), ("", false), ("a b", false), ("a\tb", false), ("\u{e9}", false)] {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(RequestId::received(&value).is_some(), valid, "{text:?}");
        }
        let longest = |length| HeaderValue::try_from("x".repeat(length)).unwrap();
        assert!(RequestId::received(&longest(64)).is_some() && RequestId::received(&longest(65)).is_none());
    }

    #[test]
    fn an_id_reads_the_same_in_a_header_and_in_a_line() {
        let id = RequestId::Generated { process: 0xab, number: 7 };
        assert_eq!(
            (id.to_string().as_str(), id.header_value()),
            ("000000ab-7", Some(HeaderValue::from_static("000000ab-7")))
        );
        assert_eq!(RequestId::None.header_value(), None);
    }
}
