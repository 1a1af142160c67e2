//! Public schemas that descriptions import. They are built in, as far as messages need them, and never fetched: an import
//! only says where a schema may be (XML Schema Part 1, section 4.3.2), and few servers have a copy of them.

use crate::protocol::soap::wsdl::read::Document;

/// The namespaces and the schemas. An empty schema is that of a namespace whose types are built in, or that has none.
const SCHEMAS: [(&str, &str); 21] = [
    ("http://www.w3.org/2001/XMLSchema", include_str!("schema.xsd")),
    ("http://www.w3.org/2001/XMLSchema-instance", ""),
    ("http://www.w3.org/XML/1998/namespace", include_str!("xml.xsd")),
    ("http://schemas.xmlsoap.org/soap/envelope/", include_str!("envelope-11.xsd")),
    ("http://www.w3.org/2003/05/soap-envelope", include_str!("envelope-12.xsd")),
    ("http://schemas.xmlsoap.org/soap/encoding/", include_str!("encoding-11.xsd")),
    ("http://www.w3.org/2003/05/soap-encoding", include_str!("encoding-12.xsd")),
    ("http://www.w3.org/2003/05/soap-rpc", ""),
    ("http://www.w3.org/2005/05/xmlmime", include_str!("xmlmime-2005.xsd")),
    ("http://www.w3.org/2004/11/xmlmime", include_str!("xmlmime-2004.xsd")),
    ("http://www.w3.org/2005/08/addressing", include_str!("addressing-2005.xsd")),
    ("http://schemas.xmlsoap.org/ws/2004/08/addressing", include_str!("addressing-2004.xsd")),
    ("http://www.w3.org/2006/05/addressing/wsdl", ""),
    ("http://www.w3.org/2004/08/xop/include", include_str!("xop.xsd")),
    ("http://xml.apache.org/xml-soap", ""),
    ("http://microsoft.com/wsdl/types/", include_str!("dotnet-types.xsd")),
    ("http://schemas.xmlsoap.org/wsdl/", ""),
    ("http://schemas.xmlsoap.org/wsdl/soap/", ""),
    ("http://schemas.xmlsoap.org/wsdl/soap12/", ""),
    ("http://schemas.xmlsoap.org/wsdl/http/", ""),
    ("http://schemas.xmlsoap.org/wsdl/mime/", ""),
];
/// The namespace of `xml:lang`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Where some of them are published, if that is not their namespace.
const LOCATIONS: [&str; 7] = [
    "http://www.w3.org/2001/xml.xsd",
    "http://www.w3.org/2001/03/xml.xsd",
    "http://www.w3.org/2001/XMLSchema.xsd",
    "http://www.w3.org/2005/08/addressing/ws-addr.xsd",
    "http://www.w3.org/2006/03/addressing/ws-addr.xsd",
    "http://www.w3.org/2003/05/soap-envelope/",
    "http://www.w3.org/2003/05/soap-encoding/",
];

/// Whether a reference to a document is not followed, because the schema is built in.
pub(super) fn is_known(namespace: Option<&str>, location: &str) -> bool {
    let is_namespace = |text: &str| SCHEMAS.iter().any(|(known, _)| *known == text);
    let location = match location.strip_prefix("https:") {
        Some(rest) => format!("http:{rest}"),
        None => location.to_owned(),
    };
    namespace.is_some_and(|namespace| is_namespace(namespace.trim()))
        || is_namespace(&location)
        || LOCATIONS.contains(&location.as_str())
}

/// The built-in schemas whose namespaces are in these texts.
pub(super) fn schemas<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Vec<Document<'static>> {
    // The namespace of `xml:lang` need not be declared.
    let is_used = |namespace: &str| namespace == XML || texts.clone().any(|text| text.contains(namespace));
    let used = SCHEMAS.iter().filter(|(namespace, text)| !text.is_empty() && is_used(namespace));
    used.map(|(namespace, text)| Document { location: namespace, text }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schema_is_that_of_its_namespace_and_refers_to_nothing_else() {
        let tree = |text: &'static str| roxmltree::Document::parse(text).unwrap();
        let xml = tree(include_str!("xml.xsd"));
        for (namespace, text) in SCHEMAS.iter().filter(|(_, text)| !text.is_empty()) {
            let schema = tree(text);
            assert_eq!(schema.root_element().attribute("targetNamespace"), Some(*namespace));
            for element in schema.descendants().filter(|node| node.is_element()) {
                for name in ["type", "base", "ref"].iter().filter_map(|attribute| element.attribute(*attribute)) {
                    let (prefix, local) = name.split_once(':').unwrap();
                    let is_there = |tree: &roxmltree::Document<'_>| {
                        tree.root_element().children().any(|child| child.attribute("name") == Some(local))
                    };
                    let is_array = namespace.ends_with("/encoding/") && matches!(local, "Array" | "Struct");
                    let is_declared = match prefix {
                        "xs" => !local.is_empty(),
                        "xml" => is_there(&xml),
                        _ => is_array || is_there(&schema),
                    };
                    assert!(is_declared, "{namespace}: {name}");
                }
            }
        }
    }

    #[test]
    fn only_schemas_whose_namespaces_are_named_are_read() {
        let names =
            |text| schemas([text].into_iter()).into_iter().map(|document| document.location).collect::<Vec<_>>();
        assert_eq!(names("<a/>"), [XML]);
        assert_eq!(
            names("<a xmlns:x='http://www.w3.org/2005/05/xmlmime'/>"),
            [XML, "http://www.w3.org/2005/05/xmlmime"]
        );
    }

    #[test]
    fn a_schema_is_known_by_its_namespace_or_its_location() {
        assert!(is_known(Some("http://www.w3.org/2005/05/xmlmime"), "own.xsd"));
        assert!(is_known(None, "https://www.w3.org/2001/xml.xsd"));
        assert!(!is_known(Some("urn:own"), "xml.xsd") && !is_known(None, "xml.xsd"));
    }
}
