//! A small server that passes each whole request to a function, sends what that returns unchanged, and closes the
//! connection.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A server that runs as long as the test does.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let request = request(&mut stream);
                heard.lock().unwrap().push(request.clone());
                let _ = stream.write_all(answer(&request).as_bytes());
            }
        });
        Scripted { address, asked }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The methods that were called, of XML-RPC and JSON-RPC, those inside a multicall among them.
    pub(crate) fn called(&self) -> Vec<String> {
        let mut called = Vec::new();
        for request in self.asked.lock().unwrap().iter() {
            let starts = ["<methodName>", "\"method\":\"", "<name>methodName</name><value><string>"];
            for start in starts {
                let names = request.split(start).skip(1).map(|rest| rest.split(['<', '"']).next().unwrap().to_owned());
                called.extend(names);
            }
        }
        called
    }
}

/// A request to its end, as its `Content-Length` or its netstring says.
fn request(stream: &mut impl Read) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if end(&text).is_some_and(|end| read.len() >= end) || !matches!(stream.read(&mut byte), Ok(1)) {
            return text;
        }
        read.push(byte[0]);
    }
}

fn end(text: &str) -> Option<usize> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let (length, rest) = text.split_once(':')?;
        let head = length.len() + 2 + length.parse::<usize>().ok()?;
        let body = rest.strip_prefix("CONTENT_LENGTH\0")?.split_once('\0')?.0;
        return Some(head + body.parse::<usize>().ok()?);
    }
    let (head, _) = text.split_once("\r\n\r\n")?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, length)| length).next();
    Some(head.len() + 4 + length.map_or(0, |length| length.parse().unwrap()))
}

/// An answer of HTTP.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The content of an XML-RPC response.
pub(crate) fn answered(value: &str) -> String {
    format!("<methodResponse><params><param><value>{value}</value></param></params></methodResponse>")
}

/// An array of XML-RPC.
pub(crate) fn array(values: &[&str]) -> String {
    let values: String = values.iter().map(|value| format!("<value>{value}</value>")).collect();
    format!("<array><data>{values}</data></array>")
}

/// A fault's struct.
pub(crate) fn fault_struct(code: i32, text: &str) -> String {
    format!(
        "<struct><member><name>faultCode</name><value><int>{code}</int></value></member>\
         <member><name>faultString</name><value>{text}</value></member></struct>"
    )
}

/// A fault of XML-RPC.
pub(crate) fn fault(code: i32, text: &str) -> String {
    format!("<methodResponse><fault><value>{}</value></fault></methodResponse>", fault_struct(code, text))
}
