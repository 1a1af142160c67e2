//! The rows of a long result in a response that is still arriving.

use bytes::Bytes;
use http::Response;

use super::client_codec::{CallTarget, ClientCodec, ResponseError};
use crate::codec::portions::{RowDocuments, Search};
use crate::model::fault::{Fault, Kind};
use crate::model::value::Value;

/// The rows of a response, which are decoded a portion at a time by the codec that decodes whole responses.
pub(crate) struct ResponseRows {
    codec: ClientCodec,
    /// The head of the response. Each portion is its body in turn.
    response: Response<Bytes>,
    documents: RowDocuments,
}

impl ResponseRows {
    /// Finds the rows in the beginning of a response. There are none unless the first of them can be decoded: it shows
    /// whether a response has to be decoded as a whole.
    pub(crate) fn find(
        codec: &ClientCodec,
        target: CallTarget<'_>,
        head: &Response<Bytes>,
        beginning: &[u8],
    ) -> Search<Box<ResponseRows>> {
        let mut documents = match codec.find_rows(target, head, beginning) {
            Search::Found(documents) => documents,
            Search::Undecided => return Search::Undecided,
            Search::None => return Search::None,
        };
        documents.push(beginning.get(documents.head_length()..).unwrap_or_default());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = head.status();
        response.headers_mut().clone_from(head.headers());
        let mut rows = ResponseRows { codec: codec.for_portions(), response, documents };
        let empty = rows.documents.empty_document();
        let Ok(is_whole) = rows.find_portion() else { return Search::None };
        if rows.decode(target, empty, 0).is_err() {
            return Search::None;
        }
        match rows.documents.portion() {
            None if is_whole => Search::None,
            None => Search::Undecided,
            Some((document, count)) => match rows.decode(target, document, count) {
                Ok(_) => Search::Found(Box::new(rows)),
                Err(_) => Search::None,
            },
        }
    }

    /// Appends what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.documents.push(bytes);
    }

    /// Looks for rows in what has arrived. Returns whether a whole portion is there, or all rows are.
    ///
    /// # Errors
    /// `Malformed` for what cannot be a row, or is too long.
    pub(crate) fn find_portion(&mut self) -> Result<bool, ResponseError> {
        self.documents.find_portion().map_err(ResponseError::Malformed)
    }

    /// Whether there is a complete row.
    pub(crate) fn has_rows(&self) -> bool {
        self.documents.has_rows()
    }

    /// The complete rows that have been found, in the types of the interface; `None` if there are none.
    ///
    /// # Errors
    /// Those of [`ClientCodec::decode_response`].
    pub(crate) fn next_portion(&mut self, target: CallTarget<'_>) -> Result<Option<Vec<Value>>, ResponseError> {
        let Some((document, count)) = self.documents.portion() else { return Ok(None) };
        self.documents.remove_portion();
        self.decode(target, document, count).map(Some)
    }

    /// Checks what surrounds the rows, once they have been decoded and the whole response has arrived.
    ///
    /// # Errors
    /// Those of [`ClientCodec::decode_response`].
    pub(crate) fn finish(&mut self, target: CallTarget<'_>) -> Result<(), ResponseError> {
        let document = self.documents.last_document().map_err(ResponseError::Malformed)?;
        self.decode(target, document, 0).map(|_| ())
    }

    /// Decodes a document with this number of rows.
    fn decode(&mut self, target: CallTarget<'_>, document: Vec<u8>, count: usize) -> Result<Vec<Value>, ResponseError> {
        *self.response.body_mut() = document.into();
        match self.codec.decode_response(target, &self.response)? {
            Value::Array(rows) if rows.len() == count => Ok(rows),
            _ => Err(ResponseError::Malformed(Fault::new(Kind::Structure, "the items of an array are malformed"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::codec::xml::Reading;
    use crate::model::interface::Interface;
    use crate::model::shape::Shapes;
    use crate::protocol::soap::client::SoapCodec;
    use crate::protocol::soap::wsdl::read::{Document, read};
    use crate::protocol::{jsonrpc, xmlrpc};
    use crate::service::args::KnownParams;

    /// A codec, and the description of a method `list`.
    struct Method {
        codec: ClientCodec,
        shapes: Shapes,
    }

    impl Method {
        fn unknown(codec: ClientCodec) -> Method {
            Method { codec, shapes: Shapes::of(&Interface::default()) }
        }

        fn xmlrpc(reading: Reading) -> Method {
            let mut codec = xmlrpc::client::XmlRpcCodec::default();
            codec.dialect.reading = reading;
            Method::unknown(ClientCodec::XmlRpc(codec))
        }

        fn jsonrpc() -> Method {
            Method::unknown(ClientCodec::JsonRpc(jsonrpc::client::JsonRpcCodec::default()))
        }

        /// A method whose response has this element as its part or its content.
        fn soap(style: &str, schema: &str, part: &str) -> Method {
            let text = format!(
                "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/'
                 xmlns:x='http://www.w3.org/2001/XMLSchema' xmlns:m='urn:m' targetNamespace='urn:m'>
                 <types><x:schema targetNamespace='urn:m' elementFormDefault='qualified'>{schema}
                 <x:element name='list'><x:complexType><x:sequence/></x:complexType></x:element></x:schema></types>
                 <message name='in'/><message name='inDoc'><part name='p' element='m:list'/></message>
                 <message name='out'><part name='p' {part}/></message>
                 <portType name='port'><operation name='list'><input message='m:in{doc}'/><output message='m:out'/></operation>
                 </portType><binding name='b' type='m:port'><s:binding style='{style}'/><operation name='list'>
                 <input><s:body use='literal' namespace='urn:m'/></input>
                 <output><s:body use='literal' namespace='urn:m'/></output></operation></binding></definitions>",
                doc = if style == "document" { "Doc" } else { "" },
            );
            let description = read(&[Document { location: "x.wsdl", text: &text }], None).unwrap();
            let codec = ClientCodec::Soap(SoapCodec::new(description.binding.into()));
            Method { codec, shapes: Shapes::of(&description.interface) }
        }

        fn target(&self) -> CallTarget<'_> {
            let known = |method| KnownParams { method, shapes: &self.shapes, inferred: false };
            CallTarget::new("list", self.shapes.method("list").map(known))
        }

        fn whole(&self, document: &[u8]) -> Result<Value, ResponseError> {
            self.codec.decode_response(self.target(), &Response::new(Bytes::copy_from_slice(document)))
        }

        /// Decodes a document that arrives in pieces, whose ends are at these places. Returns whether it has been decoded
        /// row by row.
        fn in_pieces(&self, document: &[u8], ends: &[usize]) -> (bool, Result<Value, ResponseError>) {
            let target = self.target();
            let head = Response::new(Bytes::new());
            let mut ends = ends.iter().copied().filter(|end| *end < document.len()).chain([document.len()]);
            let (mut rows, mut from) = loop {
                let Some(end) = ends.next() else { return (false, self.whole(document)) };
                match ResponseRows::find(&self.codec, target, &head, &document[..end]) {
                    Search::Found(rows) => break (rows, end),
                    Search::Undecided => {}
                    Search::None => return (false, self.whole(document)),
                }
            };
            let mut all = Vec::new();
            loop {
                let found = rows.find_portion().and_then(|_| rows.next_portion(target));
                match found {
                    Err(error) => return (true, Err(error)),
                    Ok(Some(values)) => all.extend(values),
                    Ok(None) => {
                        let Some(end) = ends.next() else { break };
                        rows.push(&document[from..end]);
                        from = end;
                    }
                }
            }
            (true, rows.finish(target).map(|()| Value::Array(all)))
        }

        fn check(&self, document: &[u8], ends: &[usize]) -> Result<bool, TestCaseError> {
            let whole = self.whole(document);
            let (by_row, in_pieces) = self.in_pieces(document, ends);
            let text = String::from_utf8_lossy(document);
            match whole {
                // A row with a reference to an element outside of it cannot be decoded alone.
                Ok(_) if in_pieces.is_err() && text.contains("href") => {}
                Ok(whole) => prop_assert_eq!(in_pieces, Ok(whole), "{}", text),
                Err(_) => prop_assert!(in_pieces.is_err(), "{} is {:?}", text, in_pieces),
            }
            Ok(by_row)
        }
    }

    fn any_of(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
        prop::collection::vec(select(pieces), 0..most).prop_map(|pieces| pieces.concat())
    }

    fn ends() -> impl Strategy<Value = Vec<usize>> {
        prop_oneof![subsequence((0..700).collect::<Vec<usize>>(), 0..20), Just((0..700).collect())]
    }

    const XML_RPC_HEADS: &[&str] = &[
        "<methodResponse><params><param><value><array><data>",
        "<?xml version='1.0'?>\n<!-- <data> --><methodResponse xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'>\
         <params ><param><value> <array>\r\n<data>",
        "<methodResponse><more a='>'><params/></more><params><param><value><array><data>",
        "<x:methodResponse xmlns:x='u'><params><param><value><array><x:data>",
        "<methodResponse><params><param><value><array><data/><data>",
        "<methodResponse><params><param><value><array>text<data>",
        "<methodResponse><fault/><params><param><value><array><data>",
        "\u{feff}<methodResponse><params><param><value><array><data>",
    ];
    const XML_RPC_ROWS: &[&str] = &[
        "<value>a</value>",
        "<value>a</value>",
        "<value><int>1</int></value>",
        "<value/>",
        "<value><boolean>true</boolean></value>",
        "<value><ex:nil/></value>",
        "<value><array><data><value>\u{e9}</value></data></array></value>",
        "<value><array><data/></array></value>",
        "<value><struct><member><name>a</name><value>&lt;</value></member></struct></value>",
        "<value><struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct></value>",
        "<string>a</string>",
        "<array><value>a</value></array>",
        "<value><int/></value>",
        "<value><dateTime.iso8601>never</dateTime.iso8601></value>",
        "<value>\u{1b}&#27;\u{f0000}</value>",
        "<value><![CDATA[</value>]]></value>",
        "<value a='>' b=\"/>\">a</value >",
        "<value a='/'/>",
        "\r\n\t ",
        "<!-- <value> -->",
        "<?p </data> ?>",
        "<value>]]></value>",
        "<value>&#0;</value>",
        "<value>&none;</value>",
        "<value><int>x</int></value>",
        "<item/>",
        "</value>",
        "<value>",
        "text",
        "<!DOCTYPE a>",
        "<![CDATA[",
        "<",
        "</data>",
        "\u{1}",
    ];
    const XML_RPC_TAILS: &[&str] = &[
        "</data></array></value></param></params></methodResponse>",
        "</data></array></value></param></params></methodResponse>",
        "</data> </array><!-- -->\n</value></param></params></methodResponse>\n<!-- -->",
        "</data></array></value></param></params><more/></methodResponse>",
        "</data></array></value></param><param><value/></param></params></methodResponse>",
        "</data></array></value></param></params><fault/></methodResponse>",
        "</data></array></value></param></params></methodResponse>text",
        "</data></array></value></param></params>",
        "</x:data></array></value></param></params></x:methodResponse>",
        "</data>",
        "",
    ];

    const JSON_HEADS: &[&str] = &[
        r#"{"jsonrpc":"2.0","id":1,"result":["#,
        r#"{"jsonrpc":"2.0","id":1,"result":["#,
        r#"{"result":["#,
        "\u{feff} { \"id\" : 1 ,\n\"more\":{\"result\":[1,\"]\\\"\"]},\"error\":null,\"result\" : [ ",
        r#"{"id":2,"result":["#,
        r#"{"id":1,"error":{"code":1},"result":["#,
        r#"{"\u0069d":1,"result":["#,
        r#"{"id":1,"id":1,"result":["#,
        r#"{"id":,"result":["#,
        r#"[{"id":1,"result":["#,
    ];
    const JSON_ROWS: &[&str] = &[
        "1",
        ",",
        ",",
        ",",
        "null,",
        "-0.5e3,",
        "18446744073709551616,",
        "1e999",
        "\"\u{e9}\\\",]\",",
        "\"\\u00e9\"",
        "\"\\ud800\"",
        "\"",
        "[],",
        "[1,{\"a\":[2]}],",
        "{\"a\":1,\"b\":{}}",
        "{\"a\":1,\"a\":2}",
        "[",
        "]",
        "{",
        "}",
        " \n",
        ":",
        "tru",
    ];
    const JSON_TAILS: &[&str] = &[
        "]}",
        "],\"id\":1}",
        "] ,\n\"id\":1,\"more\":[1]}\n",
        "1],\"id\":1}",
        "],\"id\":2}",
        "],\"error\":null,\"id\":1}",
        "],\"error\":{\"code\":1},\"id\":1}",
        "],\"result\":[],\"id\":1}",
        "],\"id\":1}x",
        "],\"id\":1",
        "]",
        "",
    ];

    const SOAP_HEADS: &[&str] = &[
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><m:listResponse xmlns:m='urn:m'>",
        "<?xml version='1.0'?><e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' xmlns:m='urn:m'><e:Header><m:Body>\
         <m:listResponse/></m:Body></e:Header>\r\n<e:Body><m:listResponse>",
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><e:Fault>",
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Header><a e:mustUnderstand='1'/></e:Header>\
         <e:Body><m:listResponse xmlns:m='urn:m'>",
        "<e:Envelope xmlns:e='urn:other'><e:Body><m:listResponse xmlns:m='urn:m'>",
    ];
    const SOAP_ROWS: &[&str] = &[
        "<m:result><m:a>1</m:a><m:b>x</m:b></m:result>",
        "<m:result><m:a>1</m:a><m:b>x</m:b></m:result>",
        "<m:result><m:b/><m:a>x</m:a></m:result>",
        "<m:result/>",
        "<m:result xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>",
        "<m:result>text</m:result>",
        "<m:result href='#a'/>",
        "<none:result/>",
        "<m:other/>",
        "text",
        "<!-- </m:result> -->",
        "\r\n",
        "<m:result>",
        "</m:result>",
        "<![CDATA[<m:result>]]>",
    ];
    const SOAP_TAILS: &[&str] = &[
        "</m:listResponse></e:Body></e:Envelope>",
        "</m:listResponse></e:Body></e:Envelope>",
        "</m:listResponse>\n</e:Body><more/></e:Envelope><!-- -->",
        "</m:listResponse><m:more/></e:Body></e:Envelope>",
        "</m:listResponse><m:more id='a'><m:a>1</m:a></m:more></e:Body></e:Envelope>",
        "</m:listResponse></e:Body><e:Body/></e:Envelope>",
        "</e:Fault></e:Body></e:Envelope>",
        "</m:listResponse></e:Body>",
        "",
    ];
    const RECORD: &str = "<x:complexType name='record'><x:sequence><x:element name='a' type='x:int'/>\
                          <x:element name='b' type='x:string' minOccurs='0'/></x:sequence></x:complexType>";

    /// A method whose response holds a repeated element.
    static REPEATED: LazyLock<Method> = LazyLock::new(|| {
        let response = "<x:element name='listResponse'><x:complexType><x:sequence><x:element name='result' type='m:record' \
                        minOccurs='0' maxOccurs='unbounded'/></x:sequence></x:complexType></x:element>";
        Method::soap("document", &format!("{RECORD}{response}"), "element='m:listResponse'")
    });

    /// A method of rpc style whose result is an array type.
    static PART: LazyLock<Method> = LazyLock::new(|| {
        let array = "<x:complexType name='recordList'><x:sequence><x:element name='result' type='m:record' minOccurs='0' \
                     maxOccurs='unbounded'/></x:sequence></x:complexType>";
        Method::soap("rpc", &format!("{RECORD}{array}"), "type='m:recordList'")
    });

    /// Every place but those in a byte order mark.
    fn every_place() -> Vec<usize> {
        (3..10_000).collect()
    }

    #[test]
    fn rows_are_decoded_in_every_protocol_wherever_the_pieces_end() {
        let xml = [XML_RPC_HEADS[1], &XML_RPC_ROWS[..18].concat().replace(XML_RPC_ROWS[9], ""), XML_RPC_TAILS[2]];
        let json = [JSON_HEADS[3], &JSON_ROWS[4..7].concat(), "[1,{\"a\":[2]}]", JSON_TAILS[1]];
        let json = json.concat().replace(" ],\"id\":1}", "]}").replace(",\"id\":1}", "}");
        let soap = [SOAP_HEADS[1], &SOAP_ROWS[..5].concat(), SOAP_TAILS[2]];
        let in_part = [SOAP_HEADS[0], "<p>", &SOAP_ROWS[..5].concat(), "</p>", SOAP_TAILS[0]];
        for (method, document) in [
            (&Method::xmlrpc(Reading::Lenient), xml.concat()),
            (&Method::jsonrpc(), json),
            (&*REPEATED, soap.concat()),
            (&*PART, in_part.concat()),
        ] {
            assert!(method.whole(document.as_bytes()).is_ok(), "{document}: {:?}", method.whole(document.as_bytes()));
            assert!(method.check(document.as_bytes(), &every_place()).unwrap(), "{document}");
        }
    }

    #[test]
    fn a_row_has_a_limit_and_an_array_has_none() {
        let method = Method::jsonrpc();
        let with = |row: &str| format!("{}1,{row},2]}}", JSON_HEADS[0]);
        let pieces: Vec<usize> = (1..100).map(|piece| piece * 7000).collect();
        let long = |length| format!("\"{}\"", "a".repeat(length));
        assert!(method.check(with(&long((256 << 10) - 2)).as_bytes(), &pieces).unwrap());
        let (by_row, too_long) = method.in_pieces(with(&long((256 << 10) - 1)).as_bytes(), &pieces);
        assert!(by_row && matches!(too_long, Err(ResponseError::Malformed(fault)) if fault.kind == Kind::Limit));
        let many = format!("{}{}1]}}", JSON_HEADS[0], "1,".repeat(100_000));
        assert!(method.check(many.as_bytes(), &pieces).unwrap());
        let blank = format!("{}1,1{}]}}", JSON_HEADS[0], " ".repeat(300 << 10));
        assert!(method.in_pieces(blank.as_bytes(), &pieces).1.is_err());
    }

    #[test]
    fn depth_counts_in_a_row_as_in_the_whole() {
        for depth in 60..66 {
            let nested = ["[".repeat(depth), "]".repeat(depth)].concat();
            let document = format!("{}1,{nested}]}}", JSON_HEADS[0]);
            Method::jsonrpc().check(document.as_bytes(), &every_place()).unwrap();
            let nested = ["<value><array><data>".repeat(depth), "</data></array></value>".repeat(depth)].concat();
            let document = [XML_RPC_HEADS[0], "<value/>", &nested, XML_RPC_TAILS[0]].concat();
            Method::xmlrpc(Reading::Lenient).check(document.as_bytes(), &[2000, 3000, 4000]).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn xml_rpc_in_pieces_is_what_it_is_as_a_whole(
            head in select(XML_RPC_HEADS),
            good in any_of(&XML_RPC_ROWS[..5], 8),
            rows in any_of(XML_RPC_ROWS, 6),
            tail in select(XML_RPC_TAILS),
            ends in ends(),
            strict in any::<bool>(),
        ) {
            let method = Method::xmlrpc(if strict { Reading::Strict } else { Reading::Lenient });
            method.check([head, &good, &rows, tail].concat().as_bytes(), &ends)?;
        }

        #[test]
        fn json_rpc_in_pieces_is_what_it_is_as_a_whole(
            head in select(JSON_HEADS),
            rows in any_of(JSON_ROWS, 8),
            tail in select(JSON_TAILS),
            ends in ends(),
            cut in 0..400_usize,
        ) {
            let document = [head, "1,", &rows, tail].concat();
            Method::jsonrpc().check(document.as_bytes(), &ends)?;
            Method::jsonrpc().check(document.as_bytes().get(..cut).unwrap_or_default(), &ends)?;
        }

        #[test]
        fn soap_in_pieces_is_what_it_is_as_a_whole(
            head in select(SOAP_HEADS),
            rows in any_of(SOAP_ROWS, 6),
            tail in select(SOAP_TAILS),
            ends in ends(),
            wrapped in any::<bool>(),
        ) {
            if wrapped {
                PART.check([head, "<p>", SOAP_ROWS[0], &rows, "</p>", tail].concat().as_bytes(), &ends)?;
            }
            REPEATED.check([head, SOAP_ROWS[0], &rows, tail].concat().as_bytes(), &ends)?;
        }
    }
}
